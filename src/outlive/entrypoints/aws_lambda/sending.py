"""One message into an SQS FIFO queue without a client library. Standard library only."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from outlive.aws.envelope import Envelope, dedupe_id, group_id, pack
from outlive.core.queued import Message
from outlive.entrypoints.aws_lambda.calling import Caller, needed
from outlive.errors import Unavailable

HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}


class Sender:
    """Sends to one queue; a repeat is dropped there, so that a lost reply may be asked for again."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """From `QUEUE_URL` and the function's environment; `Invalid` names what is missing."""
        self._url = needed(env, "QUEUE_URL")
        parts = urlsplit(self._url)
        self._caller = Caller(env, "sqs", address=f"{parts.scheme}://{parts.netloc}")

    def send(self, message: Message) -> None:
        """Return when the queue has it; `Unavailable` when it does not say so."""
        body = json.dumps(
            {
                "QueueUrl": self._url,
                "MessageBody": pack(Envelope(message, time.time())),
                "MessageGroupId": group_id(message.group),
                "MessageDeduplicationId": dedupe_id(message),
            }
        ).encode()
        answer = self._caller.post(HEADERS, body)
        if answer.status != 200:
            said = answer.body[:300].decode(errors="replace")
            raise Unavailable(f"The queue refused the message ({answer.status}): {said}")
