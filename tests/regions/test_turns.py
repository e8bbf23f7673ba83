"""Turns of sessions that have a home and a copy."""

from __future__ import annotations

from collections import Counter

import pytest

from outlive.core.regions import copied_version
from outlive.errors import OutliveError, Unavailable
from tests.regions.conftest import TwoRegions


@pytest.mark.promise("P1")
async def test_a_synchronous_turn_is_in_both_regions_when_it_is_answered(two: TwoRegions) -> None:
    """After a turn, the other region's head has the same bytes and all of its packs, without any background work."""
    await two.turn(two.worker("east"), "one")
    head = await two.head("east")
    assert await two.head("west") == head
    assert {ref.name for ref in head.packs} <= {key.rsplit("/", 1)[1] for key in two.servers["west"].blobs}


async def test_a_worker_of_the_other_region_writes_to_the_home(two: TwoRegions) -> None:
    """A turn that runs in the west leaves the session at home in the east, and says where it was last active."""
    await two.turn(two.worker("east"), "one")
    await two.turn(two.worker("west"), "two")
    head = await two.head("east")
    assert (head.region, head.last_active_region, head.summary.turns) == ("east", "west", 2)
    row = two.servers["west"].rows[f"acme/head/{head.session_id}"]
    assert copied_version(row) is not None


async def test_a_session_that_begins_in_the_other_region_is_at_home_there(two: TwoRegions) -> None:
    """Its head is the west's own record, while the mapping is the founding region's; both regions find it."""
    await two.turn(two.worker("west"), "one")
    turn = await two.turn(two.worker("east"), "two")
    assert (await two.head("west")).region == "west"
    assert turn.after == 2


@pytest.mark.promise("P6")
async def test_a_turn_that_cannot_be_copied_is_not_acknowledged(two: TwoRegions) -> None:
    """With the line cut, a synchronous turn fails, and the same message is answered once the line is whole again."""
    worker = two.worker("east")
    await two.turn(worker, "one")
    two.line.is_cut = True
    with pytest.raises(Unavailable):
        await two.turn(worker, "two")
    assert two.answered("east") == two.answered("west") == 1
    two.line.is_cut = False
    two.clock.advance(60)
    assert (await two.turn(worker, "two")).line.turn == 2


async def test_an_asynchronous_turn_is_copied_soon(two: TwoRegions) -> None:
    """The turn is answered with the line cut, and its copy is complete when the line is whole and all is drained."""
    worker = two.worker("east", "asynchronous")
    two.line.is_cut = True
    await two.turn(worker, "one")
    assert not two.servers["west"].rows
    two.line.is_cut = False
    await worker.copying.drained()
    assert await two.head("west") == await two.head("east")


async def test_an_asynchronous_region_stops_when_its_copies_are_too_far_behind(two: TwoRegions) -> None:
    """Beyond the window no turn is committed, so the loss has a bound even when nobody notices the cut."""
    worker = two.worker("east", "asynchronous")
    await two.turn(worker, "one")
    two.line.is_cut = True
    await two.turn(worker, "two")
    two.clock.advance(worker.pair.window_seconds + 1)
    with pytest.raises(Unavailable, match="behind"):
        await two.turn(worker, "three")
    assert two.answered("east") == 2


@pytest.mark.promise("P7")
async def test_a_session_that_is_not_copied_yet_is_not_begun_anew(two: TwoRegions) -> None:
    """A key without a copy in the west is looked up in the east; with the line cut that is an error."""
    await two.turn(two.worker("east", "asynchronous"), "one")
    two.servers["west"].rows.clear()
    west = two.worker("west", "asynchronous")
    assert (await two.turn(west, "two")).line.turn == 2
    two.servers["west"].rows.clear()
    two.line.is_cut = True
    with pytest.raises(OutliveError):
        await two.turn(two.worker("west", "asynchronous"), "three")


async def test_what_replication_costs(two: TwoRegions) -> None:
    """A warm synchronous turn costs there two writes (commit, release), one object, one read of its control record."""
    worker = two.worker("east")
    for text in ("one", "two"):
        await two.turn(worker, text)
    two.pass_by()
    before = Counter(two.far.calls)
    await two.turn(worker, "three")
    assert two.far.calls - before == {"table.write": 2, "objects.put": 1, "table.read": 1}
