"""One message into an SQS FIFO queue without a client library. Standard library only."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from outlive.aws.envelope import Envelope, dedupe_id, group_id, pack
from outlive.core.records import Message
from outlive.entrypoints.aws_lambda.signing import Keys, signed
from outlive.errors import Invalid, Unavailable

ATTEMPT_SECONDS = 1.5
ATTEMPTS = 2
"""A repeat is dropped by the queue, so that a lost reply may be asked for again."""


class Sender:
    """Sends to one queue over one connection, which outlives invocations."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """From `QUEUE_URL` and what Lambda puts into every function's environment; `Invalid` names what is missing."""
        self._url = _needed(env, "QUEUE_URL")
        self._region = env.get("AWS_REGION") or _needed(env, "AWS_DEFAULT_REGION")
        self._keys = Keys(
            _needed(env, "AWS_ACCESS_KEY_ID"), _needed(env, "AWS_SECRET_ACCESS_KEY"), env.get("AWS_SESSION_TOKEN", "")
        )
        parts = urlsplit(self._url)
        connect = HTTPConnection if parts.scheme == "http" else HTTPSConnection
        self._host = parts.netloc
        self._connection = connect(self._host, timeout=ATTEMPT_SECONDS)

    def send(self, message: Message) -> None:
        """Return when the queue has it; `Unavailable` when it does not say so."""
        now = time.time()
        body = json.dumps(
            {
                "QueueUrl": self._url,
                "MessageBody": pack(Envelope(message, now)),
                "MessageGroupId": group_id(message.group),
                "MessageDeduplicationId": dedupe_id(message),
            }
        ).encode()
        failure: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                self._post(body, time.time())
            except (OSError, HTTPException) as error:
                self._connection.close()
                failure = error
            else:
                return
        raise Unavailable(f"The queue does not answer: {failure}.", original=failure)

    def _post(self, body: bytes, now: float) -> None:
        headers = {
            "host": self._host,
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": "AmazonSQS.SendMessage",
        }
        asked = signed(headers, body, path="/", service="sqs", region=self._region, keys=self._keys, now=now)
        self._connection.request("POST", "/", body, asked)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= 500:
            raise OSError(f"status {answer.status}")
        if answer.status != 200:
            raise Unavailable(f"The queue refused the message ({answer.status}): {said[:300].decode(errors='replace')}")


def _needed(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise Invalid(f"{name} is not set.", fix="Deploy deploy/aws/template.yaml, which sets it.")
    return value
