"""Live text in other processes: at once through Redis, and from the record when Redis is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outlive.clock import SystemClock
from outlive.core.live import LIVE
from outlive.core.stream_positions import AskedNews, TextNews
from outlive.encryption.broadcast import EncryptedBroadcast
from outlive.errors import Unavailable
from outlive.flows.delivery.follow_session import Committed, Live, follow_session
from outlive.flows.engine import Engine
from outlive.flows.run_turn import run_turn
from outlive.memory.table import MemoryTable
from outlive.protocols import AgentEvent, Broadcast, Row, TextPart
from outlive.redis.broadcast import RedisBroadcast
from tests.encryption.places import Vault
from tests.engine.conftest import KEY, World
from tests.servers import RedisServer


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.close()


def process(world: World, name: str, broadcast: Broadcast, **policy: object) -> Engine:
    """A worker, or one who looks, with a connection of its own."""
    return replace(world.worker(name, **policy), clock=SystemClock(), broadcast=broadcast)


class Unwritten(MemoryTable):
    """A table that is down for live text, and for nothing else."""

    async def write(self, key: str, body: bytes, **conditions: Any) -> Row:
        """As ever, or an outage."""
        if f"/{LIVE}" in key:
            raise Unavailable("no live text here.")
        return await super().write(key, body, **conditions)


@asynccontextmanager
async def begun(engine: Engine, world: World, text: str) -> AsyncIterator[asyncio.Event]:
    """A turn that has said something and goes on when it is told to; over when the block is."""
    spoken, go_on = asyncio.Event(), asyncio.Event()

    async def hold(event: AgentEvent) -> None:
        if isinstance(event, TextPart):
            spoken.set()
            await go_on.wait()

    turn = asyncio.create_task(run_turn(engine, world.message(text), on_event=hold))
    await spoken.wait()
    yield go_on
    go_on.set()
    await turn


async def first(engine: Engine, kind: type[Live | Committed]) -> Live | Committed:
    """The first happening of this kind behind the question, as a stream of this process shows it."""
    async with asyncio.timeout(10), aclosing(follow_session(engine, KEY)) as happenings:
        async for told in happenings:
            if told and isinstance(told[0], kind) and getattr(told[0], "news", None) != AskedNews("hello"):
                return told[0]
    raise AssertionError("it ended")


async def test_another_process_hears_a_turn_at_once(world: World, redis: RedisServer) -> None:
    """A stream in another process shows a turn's text while it runs, though no record of it is ever written."""
    ours, theirs = await RedisBroadcast.open(redis.url), await RedisBroadcast.open(redis.url)
    await world.turn(replace(world.worker(), clock=SystemClock()), "before")
    watcher = process(world, "watcher", theirs)
    unrecorded = replace(process(world, "w1", ours), table=Unwritten(world.server))
    watching = asyncio.create_task(first(watcher, Live))
    async with begun(unrecorded, world, "hello"):
        seen = await watching
    assert isinstance(seen, Live)
    assert (seen.message_id, seen.news) == ("hello", TextNews("…", append=False))
    await ours.close()
    await theirs.close()


@pytest.mark.promise("P1")
async def test_without_redis_the_record_tells(world: World, redis: RedisServer) -> None:
    """Killed in the middle of a turn, Redis takes nothing with it: the turn ends, and the watcher sees it end."""
    ours, theirs = await RedisBroadcast.open(redis.url), await RedisBroadcast.open(redis.url)
    await world.turn(replace(world.worker(), clock=SystemClock()), "before")
    watcher = process(world, "watcher", theirs, live_seconds=0.2)
    async with begun(process(world, "w1", ours, live_seconds=0.2), world, "hello") as go_on:
        watching = asyncio.create_task(first(watcher, Committed))
        await asyncio.sleep(0.2)
        redis.kill()
        go_on.set()
    seen = await watching
    assert isinstance(seen, Committed)
    assert seen.line.reply == "Message 2: hello"
    assert (await world.head()).summary.turns == 2
    await ours.close()
    await theirs.close()


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """Telling and listening without a server fail as an outage, and name it."""
    broadcast = await RedisBroadcast.open(f"unix://{tmp_path}/none")
    with pytest.raises(Unavailable, match="none"):
        await broadcast.publish("acme/live/x", b"1")
    with pytest.raises(Unavailable, match="none"):
        await anext(broadcast.listen("acme/live/x"))
    await broadcast.close()


async def test_a_sealed_message_says_nothing_to_others(redis: RedisServer, tmp_path: Path) -> None:
    """Where the stores are encrypted a listener at the server gets ciphertext, and one with the keys the text."""
    plain = await RedisBroadcast.open(redis.url)
    sealed = EncryptedBroadcast(plain, Vault(tmp_path / "keys").ring())
    async with aclosing(plain.listen("acme/t")) as raw, aclosing(sealed.listen("acme/t")) as opened:
        assert [await anext(raw), await anext(opened)] == [b"", b""]
        await plain.publish("acme/t", b"slipped in")
        await sealed.publish("acme/t", b"the secret")
        assert [await anext(raw), b"secret" in await anext(raw)] == [b"slipped in", False]
        assert await anext(opened) == b"the secret"
    await plain.close()
