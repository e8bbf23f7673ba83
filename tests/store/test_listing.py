"""Listings come from the table alone, and the SDK's own listing never has to load a transcript."""

from __future__ import annotations

from typing import Any

import pytest
from claude_agent_sdk import fold_session_summary, list_sessions_from_store
from claude_agent_sdk._internal.session_store import project_key_for_directory

from outlive.core.store_heads import SUMMARY_BYTES
from tests.store.conftest import KEY, SUB, World, entry, new_uuid, note


def prompt(text: str, **fields: Any) -> dict[str, Any]:
    """A user's message."""
    return entry(new_uuid(), message={"role": "user", "content": text}, **fields)


async def test_a_listing_reads_no_object(world: World) -> None:
    """Sessions, times and summaries of a project cost reads of the table only: two for up to a hundred sessions."""
    for number in range(30):
        await world.store().append({**KEY, "session_id": f"s{number}"}, [prompt("hello")])
    before = world.counts.copy()
    store = world.store()
    assert len(await store.list_sessions("proj")) == len(await store.list_session_summaries("proj")) == 30
    assert dict((world.counts - before).calls) == {"table.scan": 4}


async def test_a_project_of_many_sessions_is_listed_whole(memory_world: World) -> None:
    """More sessions than fit on a page of the table."""
    store = memory_world.store()
    for number in range(250):
        await store.append({**KEY, "session_id": f"s{number}"}, [prompt("hello")])
    assert len({s["session_id"] for s in await store.list_sessions("proj")}) == 250


async def test_times_are_those_of_the_last_append(world: World) -> None:
    """`mtime` is the writer's clock in milliseconds, and grows even when that clock stands still or goes back."""
    times = []
    for _ in range(3):
        await world.store().append(KEY, [note()])
        times.append((await world.store().list_sessions("proj"))[0]["mtime"])
    assert times[0] == int(world.clock.now() * 1000)
    assert sorted(set(times)) == times


async def test_sessions_written_in_one_instant_keep_their_order(world: World) -> None:
    """What one store appended later is newer: `continue_conversation` picks the right session."""
    store = world.store()
    for name in ["z", "a", "m"]:
        await store.append({**KEY, "session_id": name}, [note()])
    listed = sorted(await store.list_sessions("proj"), key=lambda s: s["mtime"])
    assert [s["session_id"] for s in listed] == ["z", "a", "m"]


async def test_subagents_are_not_sessions(world: World) -> None:
    """A session without a main transcript is not listed, and a subagent's append changes no time and no summary."""
    store = world.store()
    await store.append(SUB, [prompt("sub")])
    assert await store.list_sessions("proj") == await store.list_session_summaries("proj") == []
    await store.append(KEY, [prompt("main")])
    before = await store.list_session_summaries("proj"), await store.list_sessions("proj")
    await store.append(SUB, [prompt("sub again")])
    assert (await store.list_session_summaries("proj"), await store.list_sessions("proj")) == before


async def test_a_summary_is_the_sdks_own(world: World) -> None:
    """However the entries were cut into appends, retried and doubled, the summary is that of the stored transcript."""
    entries = [
        prompt("first", timestamp="2026-01-01T00:00:00Z", cwd="/w"),
        {"type": "tag", "tag": "t"},
        prompt("second"),
    ]
    for each in entries:
        await world.store().append(KEY, [each])
        await world.store().append(KEY, entries[:1])
    expected = fold_session_summary(None, KEY, entries)
    assert [s["data"] for s in await world.store().list_session_summaries("proj")] == [expected["data"]]


async def test_the_sdk_lists_without_loading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`list_sessions_from_store` is served by the summaries alone."""
    project = project_key_for_directory("/w")
    await world.store().append({"project_key": project, "session_id": new_uuid()}, [prompt("Plan a trip")])
    before = world.counts.copy()
    listed = await list_sessions_from_store(world.store(), directory="/w")
    assert [info.summary for info in listed] == ["Plan a trip"]
    assert (world.counts - before).objects_get == 0


async def test_a_summary_that_cannot_be_kept_is_derived_by_the_sdk(world: World) -> None:
    """A title too large for the record costs a load when listing, for ever after, and never a wrong summary."""
    project = project_key_for_directory("/w")
    key = {"project_key": project, "session_id": new_uuid()}
    title = "T" * (SUMMARY_BYTES + 1)
    await world.store().append(key, [prompt("hello"), {"type": "custom-title", "customTitle": title}])
    await world.store().append(key, [prompt("more"), {"type": "custom-title", "customTitle": "short"}])
    assert await world.store().list_session_summaries(project) == []
    assert [info.custom_title for info in await list_sessions_from_store(world.store(), directory="/w")] == ["short"]


@pytest.mark.parametrize("fold", [None, lambda *_: {}, lambda *_: 1 / 0, lambda *_: {"data": {1, 2}}])
async def test_summaries_never_cost_an_entry(world: World, fold: Any) -> None:
    """Without a fold, or with one that fails at an odd entry, everything is stored and no summary is shown."""
    await world.store(fold=fold).append(KEY, [prompt("a")])
    await world.store().append(KEY, [prompt("b")])
    assert (len(await world.uuids()), await world.store().list_session_summaries("proj")) == (2, [])


async def test_a_summary_is_not_begun_half_way(world: World) -> None:
    """A transcript whose beginning was not folded has no summary, though later entries could be."""
    await world.store(fold=None).append(KEY, [prompt("a")])
    await world.store(fold=lambda *_: {"data": {"late": True}}).append(KEY, [prompt("b")])
    assert await world.store().list_session_summaries("proj") == []
