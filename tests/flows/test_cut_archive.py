"""The audit log cut by age: what is left verifies, and who cuts it by other means is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.audit_chain import digest_of as digest
from outlive.core.audit_chain import segment_key
from outlive.errors import Corrupt
from outlive.flows.knowledge.cut_archive import cut_audit
from outlive.flows.knowledge.keep_archive import append_audit, read_audit, verify_audit
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, on

from .conftest import TENANT, World


async def fill(world: World, segments: int = 5) -> None:
    """Segments of one entry each, at 1, 2, 3 … seconds."""
    for n in range(1, segments + 1):
        await append_audit(world.worker(), world.stores, [{"kind": "note", "at": float(n), "n": n}])


def stored(number: int) -> str:
    """A segment's key in the server."""
    return f"{TENANT}/{segment_key(number)}"


async def test_what_is_left_verifies(world: World) -> None:
    """After a cut the old segments are gone, the log says so itself, and it verifies and is read as before."""
    await fill(world)
    assert await cut_audit(world.worker(), world.stores, 3.5) == 3
    found = await verify_audit(world.worker(), world.stores)
    entries, _ = await read_audit(world.worker(), world.stores)
    assert (found.segments, found.cut) == (3, 3)
    assert [entry["kind"] for entry in entries] == ["note", "note", "cut"]
    assert not any(stored(number) in world.server.blobs for number in (1, 2, 3))


async def test_a_log_is_cut_again_and_again(world: World) -> None:
    """Later cuts go on behind the earlier one; with nothing old but cuts they write nothing."""
    await fill(world)
    for before in (2.5, 4.5):
        await cut_audit(world.worker(), world.stores, before)
    assert (await verify_audit(world.worker(), world.stores)).cut == 4
    assert await cut_audit(world.worker(), world.stores, 4.5) == 0
    await append_audit(world.worker(), world.stores, [{"kind": "note", "at": 9.0}])
    await verify_audit(world.worker(), world.stores)


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()])
@pytest.mark.parametrize("step", ["objects.put", "table.write", "objects.delete"])
async def test_a_cut_that_dies_anywhere_leaves_a_whole_log(
    world: World, step: str, action: CrashBefore | CrashAfter
) -> None:
    """Killed before or after any write, the log verifies, and the next cut ends the work."""
    await fill(world)
    dying = world.worker("dying", Plan(on(step, action), clock=world.clock))
    with pytest.raises(Crash):
        await cut_audit(dying, dying.stores(TENANT), 3.5)
    await verify_audit(world.worker(), world.stores)
    await cut_audit(world.worker(), world.stores, 3.5)
    assert (await verify_audit(world.worker(), world.stores)).cut == 3
    assert stored(3) not in world.server.blobs


@pytest.mark.promise("P8")
async def test_a_cut_that_the_log_does_not_tell_of_is_found(world: World) -> None:
    """Moving the anchor in the table and removing what lies before it is noticed: no entry says so."""
    await fill(world)
    raw = world.server.blobs[stored(3)][0]
    await cut_audit(world.worker(), world.stores, 1.5)
    key = f"{TENANT}/archive/anchor"
    forged = b'{"number": 3, "digest": "%s"}' % digest(raw).encode()
    world.server.rows[key] = replace(world.server.rows[key], body=forged)
    with pytest.raises(Corrupt, match="says that it was cut at segment 3"):
        await verify_audit(world.worker(), world.stores)


@pytest.mark.promise("P8")
async def test_the_first_segment_left_has_to_follow_the_cut(world: World) -> None:
    """A change of the first segment behind a cut is found like any other."""
    await fill(world)
    await cut_audit(world.worker(), world.stores, 2.5)
    data, at = world.server.blobs[stored(3)]
    world.server.blobs[stored(3)] = (data.replace(b'"n":3', b'"n":7'), at)
    with pytest.raises(Corrupt, match="segment 3"):
        await verify_audit(world.worker(), world.stores)
    with pytest.raises(Corrupt, match="segment 3"):
        await cut_audit(world.worker(), world.stores, 4.5)
