"""A small HTTP/1.1 server for one handler: loopback, keep-alive, streamed bodies, and it stops at once.

Parsing is h11's. It is here, rather than a web framework, because a test has to cut a connection in the middle
of an answer and to stop with streams open, without touching the process's signals or loggers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

import h11

_READ_BYTES = 65_536
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    oversized: bool = False
    """True if the body was over the server's limit; it was read, and dropped."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer; a body that is an iterator is sent as it comes."""

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Disconnect(Exception):
    """Raised by a handler or a body to drop the connection without another byte."""


Handler: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse]]


class HttpServer:
    """Serves `handler` on `host`; port 0 means a free one. `limit` is the largest body, in bytes."""

    def __init__(self, handler: Handler, host: str, port: int, limit: int) -> None:
        self._handler = handler
        self._address = host, port
        self._limit = limit
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begins to listen; returns the port. Raises OSError if it is taken."""
        self._server = await asyncio.start_server(self._accept, *self._address)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stops listening and drops every connection, whatever it is doing."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_Connection(reader, writer, self._limit).serve(self._handler))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int) -> None:
        self._reader = reader
        self._writer = writer
        self._limit = limit
        self._http = h11.Connection(h11.SERVER)

    async def serve(self, handler: Handler) -> None:
        """Answers requests until the client leaves; a client that breaks off or talks nonsense is dropped."""
        try:
            while request := await self._read_request():
                await self._send(request, await handler(request))
                if self._http.our_state is h11.MUST_CLOSE:
                    break
                self._http.start_next_cycle()
            self._writer.close()
        except (Disconnect, ConnectionError, h11.RemoteProtocolError):
            self._writer.transport.abort()
        except BaseException:
            self._writer.transport.abort()
            raise

    async def _read_request(self) -> HttpRequest | None:
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None
        if self._http.they_are_waiting_for_100_continue:
            await self._write(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        oversized = False
        while isinstance(data := await self._next_event(), h11.Data):
            body += data.data
            if oversized := oversized or len(body) > self._limit:
                body.clear()
        target = urlsplit(head.target.decode())
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        return HttpRequest(head.method.decode(), target.path, query, headers, bytes(body), oversized)

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _send(self, request: HttpRequest, response: HttpResponse) -> None:
        headers = dict(response.headers)
        if isinstance(response.body, bytes):
            headers["content-length"] = str(len(response.body))
        reason = _REASONS.get(response.status, b"")
        await self._write(h11.Response(status_code=response.status, headers=list(headers.items()), reason=reason))
        if request.method != "HEAD":
            async for part in _parts(response.body):
                await self._write(h11.Data(data=part))
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()


async def _parts(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
    else:
        async for part in body:
            yield part
