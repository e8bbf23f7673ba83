"""Each class of what is kept goes at its own age, and what is kept for ever stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.messages import Inbound, encode_inbound
from outlive.core.retention import DAY, Retention
from outlive.flows.engine import Engine
from outlive.flows.knowledge.keep_archive import collect_turns, verify_audit
from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.sessions.apply_retention import Retained, apply_retention
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.protocols import Message

from .conftest import KEY, World

FOREVER = Retention(cache_days=None)


def keeping(world: World, **days: float) -> Engine:
    """A worker that keeps these classes for so many days, and all others for ever."""
    engine = world.worker("sweeper")
    policy = replace(engine.policy, retention=replace(FOREVER, **days), debug=True)
    return replace(engine, policy=policy)


async def fill(world: World) -> Engine:
    """Something old of every class but dead letters."""
    await world.say("old")
    await collect_turns(world.worker(), world.stores)
    await world.say("newer")
    await collect_turns(world.worker(), world.stores)
    cache = ToolCache(world.stores, world.clock)
    await cache.put("default", "search", {"q": 1}, b"x" * 20_000, ttl=300)
    session_id = await world.session()
    await world.stores.objects.put(f"sessions/{session_id}/debug/00000001-00000001.log.zst", b"log")
    world.clock.advance(10 * DAY)
    return world.worker()


@pytest.mark.parametrize(
    ("days", "gone"),
    [
        ({"transcript_days": 9}, Retained(transcripts=2)),
        ({"debug_days": 9}, Retained(debug=1)),
        ({"cache_days": 9}, Retained(cache=2)),
        ({"audit_days": 9}, Retained(audit=2)),
        ({"transcript_days": 11, "debug_days": 11, "cache_days": 11, "audit_days": 11}, Retained()),
        ({}, Retained()),
    ],
)
async def test_a_class_goes_at_its_age(world: World, days: dict[str, float], gone: Retained) -> None:
    """What is older than its class is kept goes, nothing of any other class does, and the log verifies."""
    await fill(world)
    assert await apply_retention(keeping(world, **days), world.stores) == gone
    assert await apply_retention(keeping(world, **days), world.stores) == Retained()
    await verify_audit(world.worker(), world.stores)


async def test_dead_letters_go_and_other_tenants_stay(world: World) -> None:
    """A tenant's old dead letters are purged, and another tenant's are left alone."""
    engine = keeping(world, dead_letter_days=5)
    for key in (KEY, replace(KEY, tenant="other")):
        inbound = Inbound(key, "m1", "hello", world.clock.now())
        await engine.queue.send(Message(str(key), "m1", encode_inbound(inbound)))
    for _ in range(20):
        if delivery := await engine.queue.receive(visibility=30, wait=0):
            await engine.queue.give_back(delivery, delay=0, reason="down")
    world.clock.advance(6 * DAY)
    assert await apply_retention(engine, world.stores) == Retained(dead_letters=1)
    (left,) = await engine.queue.dead_letters()
    assert left.message.group.startswith("other:")


async def test_a_sweep_applies_it(world: World) -> None:
    """A sweep of the tenant removes what is over, and says how much."""
    await fill(world)
    swept = await sweep_tenant(keeping(world, transcript_days=9), world.stores)
    assert swept.retained == Retained(transcripts=2)
