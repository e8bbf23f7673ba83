"""The state object patched from outside: versions, merging, history, many writers."""

from __future__ import annotations

import asyncio

import pytest

from outlive.core.keys import SessionId
from outlive.core.state import State, StateConflict
from outlive.errors import Conflict, Invalid, Unavailable
from outlive.flows.knowledge.change_state import patch_state, read_state, state_history
from outlive.flows.sessions.list_versions import list_versions
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.testing.faults import LostReply, Plan, on

from .conftest import World


async def patch(world: World, session: SessionId, name: str, value: object, expected: int | None = None) -> State:
    """One fact set by a worker of its own."""
    fact = {"extracted_context": {name: value}}
    engine = world.worker(f"w-{name}")
    return await patch_state(engine, world.stores, session, fact, by=name, expected=expected, wait_seconds=1e6)


async def test_a_patch_is_committed_and_read_back(world: World) -> None:
    """A patch makes state version 1, the session one version more, and the tree on a worker has it."""
    turn = await world.say("hello")
    session = SessionId(turn.session_id)
    assert (await patch(world, session, "language", "de")).version == 1
    found = await read_state(world.worker(), world.stores, session)
    assert found.document["extracted_context"] == {"language": "de"}
    assert (await world.head(session)).version == turn.after + 1


async def test_a_turn_after_a_patch_keeps_the_state(world: World) -> None:
    """A turn on a warm worker after a patch from elsewhere commits on top of it, and the state is still there."""
    turn = await world.say("hello")
    session = SessionId(turn.session_id)
    await patch(world, session, "language", "de")
    await world.say("and now?")
    found = await read_state(world.worker(), world.stores, session)
    assert found.document["extracted_context"] == {"language": "de"}


async def test_a_patch_that_changes_nothing_writes_nothing(world: World) -> None:
    """The same patch again is no version."""
    session = SessionId((await world.say("hello")).session_id)
    await patch(world, session, "a", 1)
    before = await world.head(session)
    assert (await patch(world, session, "a", 1)).version == 1
    assert (await world.head(session)).version == before.version


async def test_patches_for_an_old_version_merge_where_they_do_not_touch(world: World) -> None:
    """Two patches made for version 0 both count; a third that touches the first conflicts and changes nothing."""
    session = SessionId((await world.say("hello")).session_id)
    await patch(world, session, "a", 1, expected=0)
    merged = await patch(world, session, "b", 2, expected=0)
    assert merged.document["extracted_context"] == {"a": 1, "b": 2}
    with pytest.raises(StateConflict):
        await patch(world, session, "a", 3, expected=0)
    assert (await read_state(world.worker(), world.stores, session)) == merged


@pytest.mark.defect(36)
async def test_a_conflict_is_recovered_from_by_reading_again(world: World) -> None:
    """Who lost reads the state again and patches the version it has now."""
    session = SessionId((await world.say("hello")).session_id)
    await patch(world, session, "count", 1, expected=0)
    with pytest.raises(StateConflict):
        await patch(world, session, "count", 10, expected=0)
    now = await read_state(world.worker(), world.stores, session)
    total = now.document["extracted_context"]["count"] + 10
    after = await patch(world, session, "count", total, expected=now.version)
    assert after.document["extracted_context"]["count"] == 11


async def test_32_writers_lose_no_update_and_the_history_is_complete(world: World) -> None:
    """32 concurrent patches of different facts all count, and the history replays each version."""
    session = SessionId((await world.say("hello")).session_id)
    writers = (patch(world, session, f"fact{n}", n, expected=0) for n in range(32))
    await asyncio.gather(*writers)
    found = await read_state(world.worker(), world.stores, session)
    assert found.document["extracted_context"] == {f"fact{n}": n for n in range(32)}
    history = await state_history(world.worker(), world.stores, session)
    assert [change.version for change in history] == list(range(1, 33))
    assert {change.by for change in history} == {f"fact{n}" for n in range(32)}


async def test_an_older_state_can_be_read(world: World) -> None:
    """Every version there has been can be read; one that was not is refused."""
    session = SessionId((await world.say("hello")).session_id)
    await patch(world, session, "a", 1)
    await patch(world, session, "a", None)
    engine = world.worker()
    older = await read_state(engine, world.stores, session, version=1)
    assert older.document["extracted_context"] == {"a": 1}
    with pytest.raises(Invalid, match="from 0 to 2"):
        await read_state(engine, world.stores, session, version=3)


async def test_rewind_takes_the_state_back(world: World) -> None:
    """A session taken back to before a patch has the state it had then."""
    turn = await world.say("hello")
    session = SessionId(turn.session_id)
    await patch(world, session, "a", 1)
    await rewind_session(world.worker(), world.stores, session, turn.after)
    assert (await read_state(world.worker(), world.stores, session)).version == 0


async def test_the_list_of_versions_says_what_a_patch_was(world: World) -> None:
    """A patch shows among the versions under its own kind."""
    session = SessionId((await world.say("hello")).session_id)
    await patch(world, session, "a", 1)
    page = await list_versions(world.worker(), world.stores, session)
    assert [line.kind for line in page.versions] == ["state", "commit"]


async def test_a_patch_waits_for_a_running_turn(world: World) -> None:
    """While a turn runs a patch waits, and gives up with who holds the session."""
    session = SessionId((await world.say("hello")).session_id)
    async with world.running():
        waiting = asyncio.create_task(
            patch_state(world.worker(), world.stores, session, {"x": 1}, by="me", wait_seconds=0)
        )
        with pytest.raises(Conflict, match="is held by"):
            await waiting


@pytest.mark.promise("P6")
async def test_a_lost_reply_does_not_patch_twice(world: World) -> None:
    """A commit that landed but was not answered counts once."""
    session = SessionId((await world.say("hello")).session_id)
    engine = world.worker("w2", Plan(on("table.write", LostReply()), clock=world.clock))
    state = await patch_state(engine, world.stores, session, {"extracted_context": {"a": 1}}, by="me")
    assert state.version == 1
    assert [change.version for change in await state_history(world.worker(), world.stores, session)] == [1]


@pytest.mark.promise("P6")
async def test_a_patch_that_cannot_be_stored_changes_nothing(world: World) -> None:
    """When the object store is down the patch is an error, and the state is as before."""
    session = SessionId((await world.say("hello")).session_id)
    world.server.failure = ConnectionResetError("down")
    with pytest.raises(Unavailable):
        await patch(world, session, "a", 1)
    world.server.failure = None
    world.clock.advance(31)
    assert (await read_state(world.worker(), world.stores, session)).version == 0


@pytest.mark.parametrize(
    "bad", [{"active_mission": "x"}, [{"op": "add", "path": "", "value": 1}], {"metadata": {"v": 9}}]
)
async def test_a_patch_that_does_not_fit_changes_nothing(world: World, bad: object) -> None:
    """A document that breaks its shape is refused with the field's name, and the session is free again."""
    session = SessionId((await world.say("hello")).session_id)
    with pytest.raises(Invalid):
        await patch_state(world.worker(), world.stores, session, bad, by="me")  # type: ignore[arg-type]
    assert world.row(session).owner is None
    assert (await read_state(world.worker(), world.stores, session)).version == 0
