"""An ASGI application behind API Gateway (payload format 2.0) or a function URL: an event in, a response out.

The formats: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Message

from outlive.errors import Invalid

MAX_BYTES = 6 * 1024 * 1024
"""Of a function's whole answer, JSON and base64 included
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")
TOO_LARGE = {
    "error": {
        "type": "TooLarge",
        "message": "the answer is longer than the 6 MB that Lambda passes on.",
        "fix": "Ask for less at once (`limit`), or use `outlive serve` on the same stores.",
    }
}


@dataclass(slots=True)
class Answer:
    """What the application sends, piece by piece."""

    status: int = 500
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def take(self, message: Message) -> None:
        """The `send` of ASGI."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def as_response(self) -> dict[str, Any]:
        """The function's answer; one that is too long for it says so instead."""
        kind = next((value for name, value in self.headers if name == "content-type"), "")
        packed = any(name == "content-encoding" for name, _ in self.headers)
        is_text = kind.startswith(TEXT) and not packed
        body = self.body.decode() if is_text else b64encode(self.body).decode()
        cookies = [value for name, value in self.headers if name == "set-cookie"]
        headers: MutableMapping[str, str] = {}
        for name, value in self.headers:
            if name not in {"set-cookie", "content-length"}:
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        response = {"statusCode": self.status, "headers": headers, "cookies": cookies, "body": body}
        response["isBase64Encoded"] = not is_text
        if len(json.dumps(response)) < MAX_BYTES:
            return response
        return {"statusCode": 500, "headers": {"content-type": "application/json"}, "body": json.dumps(TOO_LARGE)}


async def respond(app: ASGIApp, event: Mapping[str, Any]) -> dict[str, Any]:
    """Let the application answer the event. `Invalid` when the event is no request."""
    scope, body = request_of(event)
    answer, given = Answer(), False

    async def receive() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()  # whoever asked waits for the whole answer, so nobody ever goes away
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    await app(scope, receive, answer.take)
    return answer.as_response()


def request_of(event: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Scope and body of a request, as ASGI has them."""
    try:
        http, path, text = event["requestContext"]["http"], str(event["rawPath"]), event.get("body") or ""
        body = b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
        headers = {name.lower(): str(value) for name, value in event.get("headers", {}).items()}
        method, source = str(http["method"]), str(http.get("sourceIp", ""))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        fix = "Call it through API Gateway (payload format 2.0) or a function URL."
        raise Invalid(f"the event is no HTTP request: {error!r}.", fix=fix) from error
    if cookies := event.get("cookies"):
        headers["cookie"] = "; ".join(cookies)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": unquote(path),
        "raw_path": quote(path, safe="/%:@!$&'()*+,;=~").encode(),
        "query_string": str(event.get("rawQueryString", "")).encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
                    for name, value in headers.items()],
        "client": (source, 0),
        "server": (headers.get("host", ""), 443),
    }  # fmt: skip
    return scope, body
