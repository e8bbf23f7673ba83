"""What goes over the wire to a server on loopback: requests by kind, and bytes both ways."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

REQUEST = re.compile(rb"(GET|PUT|POST|DELETE|HEAD) \S+ HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")
TARGET = re.compile(rb"(?i)x-amz-target: \w+\.(\w+)")


@dataclass
class Wire:
    """Passes everything on and counts it."""

    url: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    """`GetItem` and its like, or the method of a request without a target."""
    sent: int = 0
    received: int = 0

    def reset(self) -> None:
        """Begin to count anew."""
        self.kinds.clear()
        self.sent = self.received = 0

    def saw(self, data: bytes) -> bytes:
        """Count the whole heads of requests; what may be the beginning of one."""
        end = 0
        for head in REQUEST.finditer(data):
            target = TARGET.search(head[2])
            self.kinds[(target[1] if target else head[1]).decode()] += 1
            end = head.end()
        return data[end:][-8192:]


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire to the server at `url`."""
    parts, wire = urlsplit(url), Wire()

    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(parts.hostname, parts.port)
        open_now.update((writer, forth))
        await asyncio.gather(_pass(reader, forth, wire, up=True), _pass(back, writer, wire, up=False))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield wire
    server.close()
    for writer in open_now:
        writer.close()
    await asyncio.sleep(0)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire, *, up: bool) -> None:
    rest = b""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            if up:
                wire.sent += len(data)
                rest = wire.saw(rest + data)
            else:
                wire.received += len(data)
            writer.write(data)
            await writer.drain()
    writer.close()
