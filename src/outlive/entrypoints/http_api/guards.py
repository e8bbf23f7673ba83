"""What stands before every route: paths as they were sent, a limit on bodies, headers for browsers."""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlive.entrypoints.http_api.faults import failed
from outlive.errors import Invalid, TooLarge
from outlive.flows.telemetry import Telemetry

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""Of every answer, unless the route says otherwise."""


class EncodedPaths:
    """Lets routes see the path as it was sent; one that is not UTF-8 is refused."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            raw = scope.get("raw_path") or quote(scope["path"]).encode()
            path = raw.split(b"?")[0].decode("latin-1")
            try:
                unquote(path, errors="strict").encode()
            except UnicodeError:
                await failed(Invalid("the path is not UTF-8.", fix="Percent-encode UTF-8."))(scope, receive, send)
                return
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)


class CallersTrace:
    """Has the spans of a request belong to the trace that its caller names (`traceparent`)."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        given = dict(scope["headers"]).get(b"traceparent", b"") if scope["type"] == "http" else b""
        with self._telemetry.under(given.decode("latin-1")):
            await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a body over the limit, by its stated length or while it comes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > self._limit:
            await failed(self._too_large())(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._limit:
                raise self._too_large()
            return message

        async def unless_too_large(message: Message) -> None:
            """Whatever the framework makes of the error, the answer is that the body is too large."""
            if came <= self._limit:
                await send(message)
            elif message["type"] == "http.response.start":
                await failed(self._too_large())(scope, receive, send)

        await self._app(scope, counted, unless_too_large)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"the request's body is over {self._limit:,} bytes.", fix="Make it smaller, or raise OUTLIVE_HTTP_MAX_BODY."
        )


class SafeHeaders:
    """Puts the headers on that browsers heed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in there]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, with_headers)
