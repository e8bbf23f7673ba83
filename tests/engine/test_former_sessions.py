"""A key that was pointed elsewhere: its messages have one turn, whichever of its sessions they meet."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest
import pytest_asyncio

from outlive.core.sessions import decode_mapping
from outlive.errors import Refused, VersionConflict
from outlive.flows.delivery.control_session import new_session
from outlive.flows.fresh_records import FreshRecords
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.hold_lease import Busy
from outlive.protocols import At
from outlive.testing.clock import SkewedClock
from tests.engine.conftest import KEY
from tests.engine.held import HeldAgent

MAPPING = "acme/key/console/ada/default"


@pytest_asyncio.fixture
async def agent(world) -> HeldAgent:
    """The world's agent, whose turns last."""
    world.agent = HeldAgent()
    return world.agent


@pytest.mark.promise("P2")
async def test_a_message_that_runs_while_its_key_moves_is_not_run_again(world, agent) -> None:
    """Delivered again after /new while it runs in the old session, a message waits, and then gets that answer."""
    message = world.message("one")
    running = asyncio.create_task(run_turn(world.worker("w1"), message))
    await agent.begun.wait()
    await new_session(world.worker("w2"), KEY)
    assert isinstance(await run_turn(world.worker("w2"), message), Busy)
    agent.go.set()
    first = await running
    again = await run_turn(world.worker("w2"), message)
    assert (again.how, again.line, len(agent.runs)) == ("repeat", first.line, 1)


@pytest.mark.promise("P2")
@pytest.mark.parametrize("ahead", [-3600, 3600])
async def test_a_wrong_clock_of_who_begins_anew_changes_nothing(world, agent, ahead) -> None:
    """The same holds after two moves by an operator whose clock is an hour wrong."""
    agent.go.set()
    message = world.message("one")
    first = await run_turn(world.worker("w1"), message)
    operator = replace(world.worker("w2"), clock=SkewedClock(world.clock, ahead=ahead))
    await new_session(operator, KEY)
    await new_session(operator, KEY)
    again = await run_turn(world.worker("w1"), message)
    assert (again.how, again.line, len(agent.runs)) == ("repeat", first.line, 1)


@pytest.mark.promise("P2")
async def test_an_old_pointer_is_read_again(world, agent) -> None:
    """A worker that read the mapping before the key moved, and went on after the next turn, runs nothing in the old."""
    agent.go.set()
    engine = world.worker("w1")
    await run_turn(engine, world.message("one"))
    old = await find_session(engine, engine.stores("acme"), KEY)
    stale = world.server.rows[MAPPING]
    await new_session(engine, KEY)
    moved = await run_turn(engine, world.message("two"))
    late = replace(engine, table=_ReadsOnceOld(engine.table, stale))
    turn = await run_turn(late, world.message("three"))
    assert turn.session_id == moved.session_id != old


class _ReadsOnceOld(FreshRecords):
    """A table that answers the first read of a record as it was before."""

    def __init__(self, table, row) -> None:
        super().__init__(table, lambda bits: bits)
        self._row = row

    async def read(self, key):
        row = self._row if self._row and key == self._row.key else None
        self._row = None if row else self._row
        return row or await super().read(key)


@pytest.mark.promise("P2")
async def test_the_past_outlives_the_erased_present(world, agent) -> None:
    """After the new session was erased a message of the old one is still known, and with that one the mapping goes."""
    agent.go.set()
    engine, message = world.worker("w1"), world.message("one")
    stores = engine.stores("acme")
    first = await run_turn(engine, message)
    erased = await erase_session(engine, stores, await new_session(engine, KEY))
    assert erased.complete
    again = await run_turn(engine, message)
    assert (again.how, again.line, len(agent.runs)) == ("repeat", first.line, 1)
    await erase_session(engine, stores, await find_session(engine, stores, KEY))
    assert (await erase_session(engine, stores, first.session_id)).complete
    assert MAPPING not in world.server.rows


async def test_a_key_that_has_moved_costs_one_read_for_an_hour(world, agent) -> None:
    """The turn after a move closes the old session; the next read its head once, and after an hour no more."""
    agent.go.set()
    engine = world.worker("w1")
    for text in ("one", "two"):
        await run_turn(engine, world.message(text))
    await new_session(engine, KEY)
    reads = []
    for wait in (0, 0, 7300):
        world.clock.advance(wait)
        before = world.counts.table_reads
        await run_turn(engine, world.message(f"after {wait} {len(reads)}"))
        reads.append(world.counts.table_reads - before)
    assert (reads[1], reads[2]) == (2, 1)


async def test_beginning_anew_again_and_again_is_refused(world, agent) -> None:
    """After 64 moves without a message one more is refused, for none of the sessions may be forgotten yet."""
    agent.go.set()
    engine = world.worker("w1")
    await run_turn(engine, world.message("one"))
    for _ in range(64):
        await new_session(engine, KEY)
    with pytest.raises(Refused, match="too often"):
        await new_session(engine, KEY)
    await run_turn(engine, world.message("two"))
    await new_session(engine, KEY)
    assert len(decode_mapping(world.server.rows[MAPPING].body, MAPPING).former) <= 64


@pytest.mark.promise("P2")
async def test_a_delete_that_comes_late_spares_the_mapping_made_anew(world, agent) -> None:
    """A delete of an erased session's mapping, arriving after the next message, hits nothing."""
    agent.go.set()
    plain = world.worker("w1")
    engine = replace(plain, table=FreshRecords(plain.table, Random(1).getrandbits))
    first = await run_turn(engine, world.message("one"))
    row = world.server.rows[MAPPING]
    await erase_session(engine, engine.stores("acme"), first.session_id)
    message = world.message("two")
    second = await run_turn(engine, message)
    with pytest.raises(VersionConflict):
        await engine.table.delete(MAPPING, expected=At(row.version, row.fence))
    again = await run_turn(engine, message)
    assert (again.how, again.line) == ("repeat", second.line)
