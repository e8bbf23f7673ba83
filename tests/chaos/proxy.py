"""A TCP proxy in a thread of its own whose connections can be reset, delayed and frozen."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections on to a target: `host:port`, or the path of a Unix socket."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self.delay = 0.0
        """Seconds that each piece is held back."""
        self.frozen = False
        """Nothing passes, and nothing is closed: a partition."""
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def reset(self) -> None:
        """Every open connection is reset."""
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(10)

    def close(self) -> None:
        """End everything."""
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _reset(self) -> None:
        for writer in self._open:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.family == socket.AF_INET:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._open.update((writer, forth))
        await asyncio.gather(self._pass(reader, forth), self._pass(back, writer))
        self._open.difference_update((writer, forth))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.startswith("/"):
            return await asyncio.open_unix_connection(self._target)
        host, _, port = self._target.partition(":")
        return await asyncio.open_connection(host, int(port))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                while self.frozen:  # noqa: ASYNC110 - set from another thread
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, RuntimeError):
            writer.close()
