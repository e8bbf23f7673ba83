"""The state object: patches, history, merging, upgrades."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.json_paths import changes, covers, json_patch, merge_patch, parse_pointer, put, shown
from outlive.core.state import (
    Change,
    State,
    StateConflict,
    StateSchema,
    apply_change,
    change_between,
    check_document,
    decode_changes,
    decode_state,
    empty_state,
    encode_change,
    encode_state,
    rebased,
    state_at,
)
from outlive.errors import Corrupt, Invalid, SchemaTooNew

SCHEMA = StateSchema()
EMPTY = empty_state(SCHEMA)

names = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(names, values, max_size=4)


def with_facts(**facts: Any) -> dict[str, Any]:
    """The empty document with these facts in it."""
    return {**EMPTY.document, "extracted_context": facts}


def changed(state: State, document: dict[str, Any]) -> Change:
    change = change_between(state, document, at=1.0, by="me")
    assert change is not None
    return change


@given(documents, documents)
def test_the_difference_makes_one_document_into_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Whatever two documents hold, the change between them applied to the first gives the second."""
    state = State(3, before)
    change = change_between(state, after, at=0.0, by="")
    assert (apply_change(state, change).document if change else before) == after


@given(st.lists(documents, min_size=1, max_size=5))
def test_the_history_gives_back_every_version(versions: list[dict[str, Any]]) -> None:
    """A history written as lines and read back replays each version it holds."""
    state, history, seen = EMPTY, b"", [EMPTY]
    for document in versions:
        change = change_between(state, document, at=0.5, by="x")
        if change is not None:
            state, history = apply_change(state, change), history + encode_change(change)
            seen.append(state)
    lines = decode_changes(history)
    assert [state_at(lines, each.version, SCHEMA) for each in seen] == seen


@given(names.map(lambda name: (name, name + "~/")))
def test_a_pointer_survives_its_text(path: tuple[str, ...]) -> None:
    """Slashes and tildes in names come back from the pointer's text form."""
    assert parse_pointer(shown(path)) == path


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_rfc_7396_says(target: Any, patch: Any, result: Any) -> None:
    """The examples of RFC 7396, appendix A, that have objects in them."""
    assert merge_patch(target, patch) == result


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/1", "value": "x"}], {"foo": ["bar", "x"]}),
        ({"foo": [1]}, [{"op": "add", "path": "/foo/-", "value": [2]}], {"foo": [1, [2]]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"a~b": 1}, [{"op": "test", "path": "/a~0b", "value": 1}], {"a~b": 1}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2]}),
    ],
)
def test_json_patch_does_what_rfc_6902_says(document: Any, operations: Any, result: Any) -> None:
    """Each operation of RFC 6902 does its work."""
    assert json_patch(document, operations) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nothing"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": 5, "value": 1},
        {"op": ["add"], "path": "/a", "value": 1},
        {"op": "copy", "path": "/a"},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "test", "path": "/a", "value": True},
        {"op": "add", "path": "/l/7", "value": 1},
        {"op": "add", "path": "/l/01", "value": 1},
        {"op": "add", "path": "no-slash", "value": 1},
        {"op": "move", "from": "/o", "path": "/o/inner"},
        {"op": "eval", "path": "/a"},
        {"op": "add", "path": "/a"},
    ],
)
def test_a_json_patch_that_cannot_be_done_is_refused_whole(operation: dict[str, Any]) -> None:
    """A bad operation is named by its number, and the good one before it has no effect either."""
    document = {"a": 1, "l": [1], "o": {}}
    with pytest.raises(Invalid, match="operation 1 of the patch"):
        json_patch(document, [{"op": "replace", "path": "/a", "value": 1}, operation])
    assert document == {"a": 1, "l": [1], "o": {}}


def test_patches_that_do_not_touch_are_merged() -> None:
    """A change of one fact goes on top of another's change of another fact."""
    mine = changed(EMPTY, with_facts(a=1))
    theirs = changed(EMPTY, with_facts(b=2))
    now = apply_change(EMPTY, theirs)
    assert apply_change(now, rebased(mine, [theirs], now)) == State(2, with_facts(a=1, b=2))


def test_patches_that_touch_conflict_and_both_are_carried() -> None:
    """Two changes of one fact conflict, and the error has both values."""
    mine = changed(EMPTY, with_facts(a=1))
    theirs = changed(EMPTY, with_facts(a=2))
    with pytest.raises(StateConflict) as caught:
        rebased(mine, [theirs], apply_change(EMPTY, theirs))
    assert caught.value.mine == {"/extracted_context/a": 1}
    assert caught.value.theirs == {"/extracted_context/a": 2}


def test_a_change_inside_what_another_removed_conflicts() -> None:
    """Whoever patches below a value that was replaced as a whole is told so."""
    before = apply_change(EMPTY, changed(EMPTY, with_facts(a={"b": 1})))
    mine, theirs = changed(before, with_facts(a={"b": 2})), changed(before, with_facts())
    with pytest.raises(StateConflict):
        rebased(mine, [theirs], apply_change(before, theirs))
    assert covers(("a",), ("a", "b"))


def test_an_old_document_is_upgraded_step_by_step() -> None:
    """Two registered upgrades bring a document from schema 1 to 3."""
    schema = StateSchema(3, {1: lambda d: {**d, "one": 1}, 2: lambda d: {**d, "two": d["one"] + 1}})
    found = decode_state(encode_state(EMPTY), schema)
    assert (found.document["two"], found.document["metadata"]["v"]) == (2, 3)


def test_a_missing_upgrade_is_named() -> None:
    """A document that no registered upgrade can bring forward is refused, not guessed at."""
    with pytest.raises(Invalid, match="no upgrade of the state from schema 1"):
        decode_state(encode_state(EMPTY), StateSchema(2))


def test_a_newer_document_is_refused() -> None:
    """A state of a newer application is not touched."""
    with pytest.raises(SchemaTooNew):
        decode_state(encode_state(empty_state(StateSchema(2))), SCHEMA)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"version": 1}', b'{"version": 1, "document": {"metadata": {}}}'])
def test_a_damaged_state_is_named(raw: bytes) -> None:
    """What is no state is damage, never an empty state."""
    with pytest.raises(Corrupt, match=r"state\.json"):
        decode_state(raw, SCHEMA)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "metadata"),
        ({**EMPTY.document, "active_mission": []}, "active_mission"),
        ({**EMPTY.document, "metadata": {"v": 7}}, r"metadata\.v"),
        (with_facts(x=float("nan")), "no form for"),
        (with_facts(x="x" * 200_000), "would have"),
    ],
)
def test_a_document_that_may_not_be_stored_names_its_field(document: dict[str, Any], field: str) -> None:
    """The shape, the schema's version and the size are checked before anything is written."""
    with pytest.raises(Invalid, match=field):
        check_document(document, SCHEMA)


def test_the_applications_own_schema_is_asked() -> None:
    """A validator's refusal is passed on."""

    def refuse(document: dict[str, Any]) -> None:
        raise Invalid("state field 'active_mission.goal' is missing.", fix="Set it.")

    with pytest.raises(Invalid, match="goal"):
        check_document(EMPTY.document, StateSchema(validate=refuse))


@given(documents, values)
def test_equal_documents_make_no_change(document: dict[str, Any], value: Any) -> None:
    """A value put where it already is makes no change."""
    put(document, ("x",), value)
    assert changes(document, {**document, "x": value}) == ([], [])
