"""`python -m bench delivery`: requests a second at an intake, messages a second through queue and workers.

The intake is Slack's public address as `outlive slack serve` runs it: one process, real HTTP, signed requests, each in
the durable queue before it is answered. Workers are processes of their own with an agent that answers at once, so what
is measured is everything but the agent.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from outlive.channels.slack.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.flows.accept_message import accept_message
from outlive.protocols import QueueDepth
from outlive.settings import Settings, load_settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app

SECRET = "bench-signing-secret-of-some-length"
CONNECTIONS = 16
CHATS = 100
Say = Callable[[str], None]
Ready = tuple[asyncio.subprocess.Process, Mapping[str, object]]
"""A process, and what it said when it was ready."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    what: str
    value: float
    unit: str


def settings_at(folder: Path, url: str) -> Settings:
    """Stores in a folder, or the records and the queue in a database."""
    given: dict[str, object] = {"data": folder / "data", "workspaces": folder / "trees", "tenant": "bench"}
    return load_settings(**given, **({"table": url, "queue": url} if url else {}))


async def measure_delivery(folder: Path, messages: int, say: Say, url: str = "") -> list[Figure]:
    """All rows; `url` names a database in place of the embedded one."""
    say(f"intake, {messages} requests")
    found = await measure_intake(folder / "intake", messages, url)
    for workers in (1, 2, 4):
        say(f"queue and {workers} workers, {messages} messages")
        found += await measure_workers(folder / f"workers-{workers}", messages, workers, url)
    return found


# -------------------------------------------------------------------------------------------------- intake


async def measure_intake(folder: Path, requests: int, url: str) -> list[Figure]:
    """Requests a second, and how long the slowest hundredth took, with 16 connections that each wait for answers."""
    async with _child("intake", folder, url) as (child, ready):
        port, seconds = int(str(ready["port"])), list[float]()
        began = time.perf_counter()
        await asyncio.gather(*(_client(port, each, requests // CONNECTIONS, seconds) for each in range(CONNECTIONS)))
        took = time.perf_counter() - began
        cpu = await _stopped(child)
    slowest = statistics.quantiles(seconds, n=100)[98]
    return [
        Figure("intake, one process", len(seconds) / took, "requests/s"),
        Figure("intake, median answer", statistics.median(seconds) * 1000, "ms"),
        Figure("intake, 99th percentile", slowest * 1000, "ms"),
        Figure("intake, its processor time for a request", cpu / len(seconds) * 1000, "ms"),
    ]


async def _client(port: int, number: int, requests: int, seconds: list[float]) -> None:
    """One connection, one request after the other; anything but a 200 is an error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for count in range(requests):
        request = _request(number, count)
        began = time.perf_counter()
        writer.write(request)
        status = await reader.readuntil(b"\r\n\r\n")
        seconds.append(time.perf_counter() - began)
        if not status.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the intake answered {status[:80]!r}")
    writer.close()
    await writer.wait_closed()


def _request(number: int, count: int) -> bytes:
    """A private message, signed as Slack signs."""
    now = time.time()
    event = {"type": "message", "channel_type": "im", "channel": f"D{number}", "user": "U0ADA", "text": "hello"}
    event["ts"] = f"{now:.6f}{count:04d}"
    body = json.dumps({"type": "event_callback", "team_id": "T0TEAM", "event": event}).encode()
    stamp = str(int(now))
    lines = [
        *("POST / HTTP/1.1", "host: bench", "content-type: application/json", f"content-length: {len(body)}"),
        *(f"{TIMESTAMP_HEADER}: {stamp}", f"{SIGNATURE_HEADER}: {sign(SECRET, stamp, body)}", "", ""),
    ]
    return "\r\n".join(lines).encode() + body


# ------------------------------------------------------------------------------------------------- workers


async def measure_workers(folder: Path, messages: int, workers: int, url: str) -> list[Figure]:
    """Messages a second, from the moment that all workers are ready until the queue holds nothing more."""
    async with open_app(settings_at(folder, url), agent=InstantAgent()) as app:
        engine = app.engine
        for number in range(messages):
            key = session_key("bench", "console", f"{workers}-{number % CHATS}")
            inbound = Inbound(key, f"{workers}-{number}", f"message {number}", engine.clock.now())
            await accept_message(engine.queue, inbound, engine.clock)
        took, cpu = await _drained(engine.queue.depth, folder, workers, url)
        if (await engine.queue.depth()).dead:
            raise RuntimeError("a message died")
    what = f"queue and workers, {workers} process{'es' if workers > 1 else ''}"
    return [
        Figure(what, messages / took, "messages/s"),
        Figure(f"{what}, processor time for a message", cpu / messages * 1000, "ms"),
    ]


async def _drained(
    depth: Callable[[], Awaitable[QueueDepth]], folder: Path, workers: int, url: str
) -> tuple[float, float]:
    """How long it took, and the processor time of all workers, in seconds."""
    async with AsyncExitStack() as stack:
        children = [await stack.enter_async_context(_child("worker", folder, url)) for _ in range(workers)]
        began = time.perf_counter()
        for process, _ in children:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        while (left := await depth()).waiting + left.in_flight:  # noqa: ASYNC110 - other processes empty it
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        return took, sum([await _stopped(process) for process, _ in children])


async def _stopped(child: asyncio.subprocess.Process) -> float:
    """The processor time, in seconds, that a child took from its start on."""
    assert child.stdout is not None
    child.terminate()
    return float(json.loads(await child.stdout.readline())["cpu"])


@asynccontextmanager
async def _child(part: str, folder: Path, url: str) -> AsyncIterator[Ready]:
    """A process of `bench.delivery_parts`, once it has said that it is ready."""
    words: Sequence[str] = (sys.executable, "-m", "bench.delivery_parts", part, str(folder), url)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        await process.wait()


def table(rows: Sequence[Figure]) -> str:
    """The rows in Markdown."""
    lines = [f"| {row.what} | {row.value:,.1f} {row.unit} |".replace(".0  |", " |") for row in rows]
    return "\n".join(["| | |", "|---|---|", *lines])
