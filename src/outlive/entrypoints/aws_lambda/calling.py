"""Signed requests to AWS services without a client library. Standard library only."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from outlive.core.signing import Keys, signed
from outlive.errors import Invalid, Unavailable

ATTEMPT_SECONDS = 1.5
ATTEMPTS = 2
"""Of requests that may be repeated."""
SILENT_SECONDS = 60
"""How long a connection may be silent before the other side is asked whether it is there: networks forget one that is
silent for some 350 seconds, and Linux asks after two hours only."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Caller:
    """One service over one connection, which outlives invocations."""

    def __init__(
        self,
        env: Mapping[str, str],
        service: str,
        *,
        address: str = "",
        seconds: float = ATTEMPT_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        """From what Lambda puts into every function's environment; `Invalid` names what is missing.

        `address` is another place than the region's own; `seconds` is the longest silence of the service.
        """
        self._service, self._attempts = service, attempts
        self._region = env.get("AWS_REGION") or needed(env, "AWS_DEFAULT_REGION")
        self._keys = Keys(
            needed(env, "AWS_ACCESS_KEY_ID"), needed(env, "AWS_SECRET_ACCESS_KEY"), env.get("AWS_SESSION_TOKEN", "")
        )
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        own = env.get("AWS_ENDPOINT_URL") or f"https://{service}.{self._region}.{suffix}"
        parts = urlsplit(address or own)
        connect = HTTPConnection if parts.scheme == "http" else HTTPSConnection
        self._host = parts.netloc
        self._connection = connect(self._host, timeout=seconds)

    def post(self, headers: Mapping[str, str], body: bytes, *, path: str = "/") -> Answer:
        """The service's answer, whatever it is; `Unavailable` when there is none, or it is an error of its own.

        A request that may not be repeated has a connection of its own: one from before a freeze may be dead, and that
        would show in the only attempt.
        """
        failure: Exception | None = None
        if self._attempts == 1:
            self._connection.close()
        for _ in range(self._attempts):
            try:
                return self._post(headers, body, path)
            except (OSError, HTTPException) as error:
                self._connection.close()
                failure = error
        raise Unavailable(f"{self._service} does not answer: {failure}.", original=failure)

    def _connect(self) -> None:
        """A connection that is kept open while an answer takes its time."""
        self._connection.connect()
        self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "linux":
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, option, SILENT_SECONDS)

    def _post(self, headers: Mapping[str, str], body: bytes, path: str) -> Answer:
        named = {"host": self._host} | dict(headers)
        asked = signed(
            named, body, path=path, service=self._service, region=self._region, keys=self._keys, now=time.time()
        )
        if self._connection.sock is None:
            self._connect()
        self._connection.request("POST", path, body, asked)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= 500:
            raise OSError(f"status {answer.status}")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, said)


def needed(env: Mapping[str, str], name: str) -> str:
    """The variable's value; `Invalid` names it when it has none."""
    value = env.get(name, "")
    if not value:
        raise Invalid(f"{name} is not set.", fix="Deploy deploy/aws/template.yaml, which sets it.")
    return value
