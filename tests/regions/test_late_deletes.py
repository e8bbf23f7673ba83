"""Mappings that are removed and made anew, while requests for the old ones are still on their way."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest

from outlive.core.regions import copied_version
from outlive.errors import OutliveError, VersionConflict
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.turn.find_session import find_session
from outlive.memory.table import MemoryTable
from outlive.protocols import At
from outlive.testing.faults import Crash, CrashAfter, Plan, on
from tests.engine.conftest import KEY
from tests.regions.conftest import NAMES, TwoRegions, Worker

MAPPING = "acme/key/console/ada/default"
MODES = ("synchronous", "asynchronous")


async def erase(worker: Worker) -> None:
    """The session behind the key."""
    stores = worker.engine.stores("acme")
    await erase_session(worker.engine, stores, await find_session(worker.engine, stores, KEY))


@pytest.mark.promise("P2")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", [1, -1])
async def test_a_late_delete_takes_no_mapping_that_was_made_anew(two: TwoRegions, mode, step) -> None:
    """In either region the delete of the old mapping finds another token, and the copy is that of the new one."""
    drawn = count(100, step)
    two.draw = lambda _bits: next(drawn)
    worker = two.worker("east", mode)
    await two.turn(worker, "one")
    await worker.copying.drained()
    old = {name: two.servers[name].rows[MAPPING] for name in NAMES}
    await erase(worker)
    await two.turn(worker, "two")
    await worker.copying.drained()
    for name in NAMES:
        with pytest.raises(VersionConflict):
            await MemoryTable(two.servers[name]).delete(MAPPING, expected=At(old[name].version, old[name].fence))
    east, west = (two.servers[name].rows[MAPPING] for name in NAMES)
    assert (west.body, west.fence, copied_version(west)) == (east.body, east.fence, east.version)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("step", [1, -1])
async def test_a_mapping_that_was_copied_and_never_written_is_no_hindrance(two: TwoRegions, step) -> None:
    """A worker dies between a new mapping's copy and the mapping: the message is answered by the next, and the next."""
    drawn = count(100, step)
    two.draw = lambda _bits: next(drawn)
    with pytest.raises(Crash):
        await two.turn(two.worker("east", plan=Plan(on("table.write", CrashAfter(), nth=3))), "one")
    assert (MAPPING in two.servers["west"].rows, MAPPING in two.servers["east"].rows) == (True, False)
    two.clock.advance(60)
    worker = two.worker("east")
    with suppress(OutliveError):
        await two.turn(worker, "one")
    assert (await two.turn(worker, "one")).line.turn == 1
    assert (await two.turn(two.worker("west"), "two")).line.turn == 2
    assert abs(next(drawn) - 100) < 9  # nobody had to try until a token fitted


@pytest.mark.parametrize("step", [1, -1])
async def test_a_fail_over_takes_the_mapping_that_is_there(two: TwoRegions, step) -> None:
    """A copy of a mapping that was removed and made anew since is not taken for the newest one."""
    drawn = count(100, step)
    two.draw = lambda _bits: next(drawn)
    worker = two.worker("east", "asynchronous")
    await two.turn(worker, "one")
    await worker.copying.drained()
    stale = two.servers["west"].rows[MAPPING]
    await erase(worker)
    turn = await two.turn(worker, "two")
    await worker.copying.drained()
    two.servers["west"].rows[MAPPING] = stale
    await two.take("west", "asynchronous")
    assert (await two.turn(two.worker("west", "asynchronous"), "three")).session_id == turn.session_id
