"""Counts what goes over the wire to a server: requests and bytes, on a way of its own that a counted pass takes."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SERVERS = ("BENCH_POSTGRES", "BENCH_REDIS", "BENCH_S3", "BENCH_DYNAMODB")
"""Variables that say where the servers of `bench run --on` are."""
SENT, RECEIVED = "wire.sent", "wire.received"
HEADERS, BODY = "wire.headers", "wire.body."
"""Of what was sent by HTTP: the heads of requests, and the bodies by kind of request."""

Note = Callable[[str, int], None]
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

_HEAD = re.compile(rb"(GET|PUT|POST|DELETE|HEAD) \S+ HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")
_TARGET = re.compile(rb"(?i)x-amz-target: \w+\.(\w+)")
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_REST = 8192
_POSTGRES_SOCKET = ".s.PGSQL.5432"


def put_meters(note: Note) -> None:
    """From now on the variables lead over meters in this process, which tell `note` of requests and bytes."""
    for variable in SERVERS:
        if url := os.environ.get(variable):
            os.environ[variable] = _Meter(variable.removeprefix("BENCH_").lower(), url, note).started()


class _Meter:
    """Passes everything on and counts it, on a loop in a thread of its own."""

    def __init__(self, name: str, url: str, note: Note) -> None:
        self._name = name
        self._url = url
        self._note = note
        self._is_http = url.startswith("http:")

    def started(self) -> str:
        """The URL that leads over this meter."""
        found: list[str] = []
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(found, ready)), daemon=True).start()
        ready.wait()
        return found[0]

    async def _serve(self, found: list[str], ready: threading.Event) -> None:
        server, url = await (self._on_port() if self._is_http else self._on_socket())
        found.append(url)
        ready.set()
        await server.serve_forever()

    async def _on_port(self) -> tuple[asyncio.Server, str]:
        parts = urlsplit(self._url)
        serve = self._serving(lambda: asyncio.open_connection(parts.hostname, parts.port))
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _on_socket(self) -> tuple[asyncio.Server, str]:
        parts, folder = urlsplit(self._url), tempfile.mkdtemp(prefix="bench-wire-")
        there = parse_qs(parts.query)["host"][0] if parts.scheme == "postgresql" else parts.path
        path = Path(there) / _POSTGRES_SOCKET if parts.scheme == "postgresql" else Path(there)
        here = Path(folder) / path.name
        serve = self._serving(lambda: asyncio.open_unix_connection(path))
        server = await asyncio.start_unix_server(serve, here)
        return server, self._url.replace(there, folder if parts.scheme == "postgresql" else str(here))

    def _serving(self, connect: Connect) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, forth = await connect()
            line = _Line(self._name, self._note, is_http=self._is_http)
            await asyncio.gather(_pass(reader, forth, line.goes_out), _pass(back, writer, line.comes_in))

        return serve


class _Line:
    """One connection: HTTP requests by their kind; elsewhere a request is what goes out after something came in."""

    def __init__(self, name: str, note: Note, *, is_http: bool) -> None:
        self._name, self._note, self._is_http = name, note, is_http
        self._rest = b""
        self._answered = True

    def goes_out(self, data: bytes) -> None:
        self._note(SENT, len(data))
        if self._is_http:
            self._rest = self._heads(self._rest + data)
        elif self._answered:
            self._note(f"{self._name}.round trip", 1)
        self._answered = False

    def comes_in(self, data: bytes) -> None:
        self._note(RECEIVED, len(data))
        self._answered = True

    def _heads(self, data: bytes) -> bytes:
        """Count the whole heads; what may be the beginning of one is left."""
        end = 0
        for head in _HEAD.finditer(data):
            target = _TARGET.search(head[2])
            kind = f"{self._name}.{(target[1] if target else head[1]).decode()}"
            self._note(kind, 1)
            self._note(HEADERS, len(head[0]))
            if length := _LENGTH.search(head[2]):
                self._note(BODY + kind, int(length[1]))
            end = head.end()
        return data[end:][-_REST:]


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, saw: Callable[[bytes], None]) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 18):
            saw(data)
            writer.write(data)
            await writer.drain()
    writer.close()
