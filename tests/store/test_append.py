"""What is appended is loaded: the same entries, in the order of the appends, each uuid once per transcript."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.store_logs import encode_batch, parse_lines
from outlive.errors import Invalid
from outlive.testing.clock import SkewedClock
from tests.store.conftest import KEY, SUB, World, chain, entry, note

AWKWARD = {
    "NUL": "a\x00b",
    "lone high surrogate": "x\ud83dy",
    "lone low surrogate": "\udc00",
    "two surrogates that were never one character": "\ud83d\ude00",
    "line breaks": "a\nb\r\nc\u2028d\u2029e\x85f",
    "emoji": "🙂",
    "backslashes": '\\n"\\u0000',
}
NUMBERS = [0.1, 1e-300, -0.0, 1e22, 2**53 + 1, 10**400, 5e-324, 1.7976931348623157e308]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.promise("P13")
@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
async def test_awkward_text_comes_back_as_it_was(world: World, text: str) -> None:
    """Every string that Python's JSON can hold is stored and loaded exactly, as key and as value."""
    entries = [entry("u1", message={text: [text]})]
    await world.store().append(KEY, entries)
    assert await world.store().load(KEY) == entries


@pytest.mark.promise("P13")
async def test_numbers_come_back_as_they_were(world: World) -> None:
    """Floats and integers of any size keep every digit and their sign."""
    await world.store().append(KEY, [entry("u1", numbers=NUMBERS)])
    loaded = await world.store().load(KEY)
    assert list(map(repr, loaded[0]["numbers"])) == list(map(repr, NUMBERS))


@pytest.mark.promise("P13")
@given(entries=st.lists(st.dictionaries(st.text(st.characters(codec=None)), JSON, max_size=4), max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_json_object_is_one_line_and_back(entries: list[dict[str, Any]]) -> None:
    """Encoding a batch and parsing its lines gives the same objects."""
    batch = encode_batch("", entries)
    assert parse_lines(b"".join(line.data for line in batch.lines), "log") == entries


async def test_order_is_the_order_of_the_appends(world: World) -> None:
    """Neither uuids nor clocks decide the order, not even when each writer's clock is behind the one before."""
    for hours, uuid in enumerate(["z", "a", "m"]):
        await world.store(clock=SkewedClock(world.clock, ahead=-3600.0 * hours)).append(KEY, [entry(uuid)])
    assert await world.uuids() == ["z", "a", "m"]


async def test_a_uuid_is_kept_once(world: World) -> None:
    """An entry whose uuid the transcript has is ignored: in the same batch, a later one, and from another process."""
    store = world.store()
    await store.append(KEY, [entry("a", n=1), entry("a", n=2)])
    await store.append(KEY, [entry("b"), entry("a", n=3)])
    await world.store().append(KEY, [entry("b"), entry("c")])
    assert [(e["uuid"], e.get("n")) for e in await store.load(KEY)] == [("a", 1), ("b", None), ("c", None)]


async def test_nothing_new_writes_nothing(world: World) -> None:
    """An append of nothing but known uuids costs one read of the record, to be sure; one of nothing costs nothing."""
    store = world.store()
    await store.append(KEY, chain("a", "b"))
    before = world.counts.copy()
    await store.append(KEY, chain("a", "b"))
    await store.append(KEY, [])
    assert dict((world.counts - before).calls) == {"table.read": 1}


async def test_entries_without_a_uuid_are_always_kept(world: World) -> None:
    """Equal entries without uuid stay as many as were appended, in their places."""
    store = world.store()
    for _ in range(2):
        await store.append(KEY, [note("x"), note("x")])
    await store.append(KEY, [{**note("x"), "uuid": None}, {**note("x"), "uuid": ""}])
    assert await store.load(KEY) == [note("x")] * 4 + [{**note("x"), "uuid": None}, {**note("x"), "uuid": ""}]


async def test_a_fork_keeps_the_uuids_it_shares(world: World) -> None:
    """Known uuids are a matter of one transcript: another session, or a subpath, keeps the same ones."""
    store, fork = world.store(), {**KEY, "session_id": "fork"}
    for key in (KEY, fork, SUB):
        await store.append(key, chain("a", "b"))
    assert [await world.uuids(key) for key in (KEY, fork, SUB)] == [["a", "b"]] * 3


async def test_a_log_never_written_is_none(world: World) -> None:
    """`load` tells an unknown session, and an unknown subpath of a known session, by None."""
    assert await world.store().load(KEY) is None
    await world.store().append(KEY, [entry("a")])
    assert await world.store().load(SUB) is None


async def test_what_is_loaded_belongs_to_the_caller(world: World) -> None:
    """Changing loaded entries changes nothing in the store."""
    store = world.store()
    await store.append(KEY, [entry("a", deep={"x": [1]})])
    (await store.load(KEY))[0]["deep"]["x"].append(2)
    assert await store.load(KEY) == [entry("a", deep={"x": [1]})]


@pytest.mark.parametrize("bad", [[{"x": {1, 2}}], ["text"], [None], [{"x": b"bytes"}], [{"x": object()}]])
async def test_what_is_no_json_is_refused_before_anything_is_written(memory_world: World, bad: list[Any]) -> None:
    """`Invalid` names the entry, and the good entries of the batch are not stored either."""
    with pytest.raises(Invalid, match=r"entries\[1\]"):
        await memory_world.store().append(KEY, [entry("good"), *bad])
    assert memory_world.counts.calls.total() == 0


async def test_an_endless_entry_is_refused(memory_world: World) -> None:
    """An entry that holds itself is `Invalid`, not an endless loop."""
    loop: dict[str, Any] = {"type": "x"}
    loop["self"] = loop
    with pytest.raises(Invalid, match="JSON"):
        await memory_world.store().append(KEY, [loop])


@pytest.mark.parametrize("count", [1, 7, 60])
async def test_many_logs_of_one_session_stay_apart(memory_world: World, count: int) -> None:
    """Interleaved appends to any number of subagents come back log by log, through every compaction."""
    store = memory_world.store()
    for turn in range(5):
        for agent in range(count):
            await store.append({**KEY, "subpath": f"subagents/agent-{agent}"}, [entry(f"{agent}.{turn}")])
    cold = memory_world.store()
    assert len(await cold.list_subkeys(KEY)) == count
    for agent in range(count):
        assert await memory_world.uuids({**KEY, "subpath": f"subagents/agent-{agent}"}) == [
            f"{agent}.{t}" for t in range(5)
        ]
