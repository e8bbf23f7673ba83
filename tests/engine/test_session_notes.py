"""The records beside a session's head go with it, and when their time is over."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.controls import StopOrder, encode_stop, stop_key
from outlive.errors import NotFound
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.session_notes import session_notes, sweep_notes
from outlive.protocols import Absent, Free
from tests.engine.queued import Vendor, post, work


async def _noted(world):
    """A session with live text, a dead reply and a stop."""
    engine = replace(world.worker(live=True), channels={"console": Vendor(faults=[NotFound("blocked")])})
    await post(engine, "secret")
    await work(engine)
    head, stores, now = await world.head(), engine.stores("acme"), world.clock.now()
    body = encode_stop(StopOrder(1, now))
    await stores.table.write(stop_key(head.session_id), body, expected=Absent(), lease=Free(), expires_at=now + 60)
    return engine, stores, head.session_id


async def test_an_erase_leaves_no_live_text_and_no_notes(world) -> None:
    """After an erase nothing in the table names the session or holds what was said."""
    engine, stores, session_id = await _noted(world)
    receipt = await erase_session(engine, stores, session_id)
    assert {tier.name: (tier.found, tier.left) for tier in receipt.tiers}["records"] == (3, 0)
    left = [row for key, row in world.server.rows.items() if session_id in key or b"secret" in row.body]
    assert left == []


async def test_a_sweep_removes_what_is_over(world) -> None:
    """Expired records are removed, the others stay."""
    engine, stores, session_id = await _noted(world)
    assert await sweep_notes(engine, stores) == 0
    world.clock.advance(3 * 3600)
    assert await sweep_notes(engine, stores) == 2
    assert len(await session_notes(engine, stores, session_id)) == 1
