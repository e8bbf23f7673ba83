"""An entry that is missing although a later one builds on it is named, and the transcript is not resumed silently."""

from __future__ import annotations

from pathlib import Path

import pytest
from claude_agent_sdk import import_session_to_store

from outlive.errors import Corrupt, Unavailable
from outlive.testing.faults import ErrorBefore, Plan
from tests.store.conftest import KEY, SUB, Outage, World, chain, entry, new_uuid, note


@pytest.mark.promise("P5")
async def test_a_batch_lost_with_its_process_is_named(world: World) -> None:
    """A process that died with a batch unwritten leaves a hole as soon as another goes on from it."""
    outage = Outage("table.write", ErrorBefore())
    dying = world.store(Plan(outage))
    outage.over = True
    await dying.append(KEY, chain("a", "b"))
    outage.over = False
    with pytest.raises(Unavailable):
        await dying.append(KEY, chain("c", "d", after="b"))
    await world.store().append(KEY, chain("e", after="d"))
    with pytest.raises(Corrupt, match=r"'s1' has a hole: entry d is missing"):
        await world.store().load(KEY)


async def test_gaps_can_be_allowed(world: World) -> None:
    """With `allow_gaps` the transcript is loaded as far as it is there."""
    await world.store().append(KEY, [entry("a"), entry("c", "b")])
    assert await world.uuids() == ["a", "c"]


async def test_a_hole_in_a_subagents_log_is_named_with_it(world: World) -> None:
    """The main transcript stays loadable; the subagent's is refused by its subpath."""
    store = world.store()
    await store.append(KEY, chain("a"))
    await store.append(SUB, [entry("s2", "s1")])
    assert await store.load(KEY) == chain("a")
    with pytest.raises(Corrupt, match=r"subagents/agent-1\) has a hole: entry s1"):
        await store.load(SUB)


async def test_a_parent_in_another_log_is_no_hole(world: World) -> None:
    """A subagent that begins at an entry of the main transcript is whole, also for a process that knows nothing."""
    await world.store().append(KEY, chain("a"))
    await world.store().append(SUB, [entry("s1", "a")])
    assert await world.store().load(SUB) == [entry("s1", "a")]


async def test_what_has_no_parent_is_no_hole(world: World) -> None:
    """Entries without a parent, with null for one, or with something odd for one, are loaded."""
    entries = [note(), entry("a"), {"type": "x", "parentUuid": 7}, {"type": "system", "uuid": "b", "parentUuid": None}]
    await world.store().append(KEY, entries)
    assert await world.store().load(KEY) == entries


async def test_a_child_may_come_before_its_parent(world: World) -> None:
    """Only an entry that is nowhere is missing: parallel branches may be written in any order."""
    await world.store().append(KEY, [entry("b", "a"), entry("a")])
    assert await world.uuids() == ["b", "a"]


async def test_importing_the_local_file_heals_the_session(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fix that the error names works: the SDK's import adds what is missing, and the session loads again."""
    import json

    session, uuids = new_uuid(), [new_uuid() for _ in range(4)]
    lines = chain(*uuids)
    folder = tmp_path / "projects" / "proj"
    folder.mkdir(parents=True)
    (folder / f"{session}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    store, key = world.store(), {"project_key": "proj", "session_id": session}
    await store.append(key, [lines[0], lines[3]])
    with pytest.raises(Corrupt, match=uuids[2]):
        await store.load(key)
    await import_session_to_store(session, store)
    assert sorted(e["uuid"] for e in await store.load(key)) == sorted(uuids)
