"""The state object of a session: one JSON document beside the chat history, changed by versioned patches only.

A document has three fixed parts, and whatever the application adds to them:
`metadata` (`v`: the schema's version, `region`, `user_id`), `active_mission` (`goal`, `sub_tasks`, `blocked_by`) and
`extracted_context` (free facts). It is stored in the session's tree as `state.json`, and each change as one line of
`state.jsonl`, so it is versioned, committed, rewound, forked, exported and erased with everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from outlive.core.json_paths import Json, Pointer, changes, covers, put, shown
from outlive.errors import Conflict, Corrupt, Invalid, SchemaTooNew

PATH = "state.json"
HISTORY_PATH = "state.jsonl"
SECTIONS = ("metadata", "active_mission", "extracted_context")
MAX_BYTES = 128 * 1024
"""Of the document in its JSON form, large values counted as their links."""

Document = dict[str, Any]
Upgrade = Callable[[Document], Document]
Validate = Callable[[Document], None]


@dataclass(frozen=True, slots=True)
class State:
    """A document and how often it has changed; version 0 is the empty one that every session starts with."""

    version: int
    document: Document


@dataclass(frozen=True, slots=True)
class StateSchema:
    """What the application says about its documents."""

    version: int = 1
    """Of `metadata.v`."""
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)
    """From each older version to the next one."""
    validate: Validate | None = None
    """Raises `Invalid`, naming the field, for a document that does not fit."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history: what was put where, by whom, in which version."""

    version: int
    at: float
    by: str
    puts: tuple[tuple[Pointer, Any], ...]
    removes: tuple[Pointer, ...]


class StateConflict(Conflict):
    """Two patches touch the same fields; both are in the message."""

    def __init__(self, paths: Sequence[Pointer], mine: Document, theirs: Document) -> None:
        """`mine` and `theirs`: the values at the fields that both changed, by pointer."""
        self.paths, self.mine, self.theirs = tuple(paths), mine, theirs
        its, patched = json.dumps(theirs, ensure_ascii=False), json.dumps(mine, ensure_ascii=False)
        super().__init__(
            f"the state was changed at {', '.join(map(shown, paths))} meanwhile: it is {its}, patch: {patched}.",
            fix="Read the state again and patch what is there now.",
        )


def empty_state(schema: StateSchema) -> State:
    """What a session has before anybody wrote anything."""
    return State(0, {"metadata": {"v": schema.version}, "active_mission": {}, "extracted_context": {}})


# ------------------------------------------------------------------------------------------ stored form


def encode_state(state: State) -> bytes:
    """The file as stored; keys sorted, so that equal documents are equal bytes."""
    return json.dumps({"version": state.version, "document": state.document}, sort_keys=True).encode() + b"\n"


def decode_state(raw: bytes, schema: StateSchema) -> State:
    """A state back, brought to the schema's version; `Corrupt`, or `SchemaTooNew` for one of a newer application."""
    try:
        fields = json.loads(raw)
        version, document = fields["version"], fields["document"]
        found = document["metadata"]["v"]
        is_newer = found > schema.version
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"{PATH} cannot be read ({error!r}).", fix="Rewind the session to an older version.") from error
    if is_newer:
        fix = "Upgrade the application on this worker."
        raise SchemaTooNew(f"{PATH} has schema {found}, this application knows {schema.version}.", fix=fix)
    return State(version, upgraded(document, schema))


def upgraded(document: Document, schema: StateSchema) -> Document:
    """The document in the schema's version, step by step; `Invalid` when a step is not registered."""
    document = deepcopy(document)
    while (found := document["metadata"]["v"]) < schema.version:
        step = schema.upgrades.get(found)
        if step is None:
            raise Invalid(f"there is no upgrade of the state from schema {found}.", fix="Register one in StateSchema.")
        document = step(document)
        document["metadata"]["v"] = found + 1
    return document


def encode_change(change: Change) -> bytes:
    """The line as stored, newline included."""
    fields = {
        "version": change.version,
        "at": change.at,
        "by": change.by,
        "put": [[list(path), value] for path, value in change.puts],
        "remove": [list(path) for path in change.removes],
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode_changes(raw: bytes) -> list[Change]:
    """Every change, oldest first; `Corrupt` for a line that is none."""
    return [_change(line) for line in raw.splitlines() if line]


def _change(line: bytes) -> Change:
    try:
        fields = json.loads(line)
        puts = tuple((tuple(path), value) for path, value in fields["put"])
        removes = tuple(tuple(path) for path in fields["remove"])
        return Change(fields["version"], fields["at"], fields["by"], puts, removes)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"a line of {HISTORY_PATH} cannot be read.", fix="Rewind the session.") from error


# --------------------------------------------------------------------------------------------- changing


def change_between(before: State, document: Document, *, at: float, by: str) -> Change | None:
    """What makes `before` into `document`; None when nothing does."""
    puts, removes = changes(before.document, document)
    return Change(before.version + 1, at, by, tuple(puts), tuple(removes)) if puts or removes else None


def apply_change(state: State, change: Change) -> State:
    """The state after the change."""
    document = deepcopy(state.document)
    for path in change.removes:
        put(document, path, None, remove=True)
    for path, value in change.puts:
        put(document, path, deepcopy(value))
    return State(change.version, document)


def state_at(history: Sequence[Change], version: int, schema: StateSchema) -> State:
    """The state as it was at a version, by replaying its history; `Invalid` for one that never was."""
    newest = history[-1].version if history else 0
    if not 0 <= version <= newest:
        raise Invalid(f"state version {version} does not exist.", fix=f"Use a number from 0 to {newest}.")
    state = empty_state(schema)
    for change in history:
        if change.version <= version:
            state = apply_change(state, change)
    return State(version, state.document)


def rebased(change: Change, since: Sequence[Change], now: State) -> Change:
    """The change on top of what others changed since; `StateConflict` when both touched a field."""
    theirs = [path for other in since for path in (*(path for path, _ in other.puts), *other.removes)]
    mine = [*(path for path, _ in change.puts), *change.removes]
    both = [path for path in mine if any(covers(path, other) or covers(other, path) for other in theirs)]
    if both:
        puts = dict(change.puts)
        values = {shown(path): puts.get(path) for path in both}
        raise StateConflict(both, values, {shown(path): _value(now.document, path) for path in both})
    return Change(now.version + 1, change.at, change.by, change.puts, change.removes)


def _value(document: Json, path: Pointer) -> Json:
    for name in path:
        if not isinstance(document, dict) or name not in document:
            return None
        document = document[name]
    return document


def check_document(document: Document, schema: StateSchema, *, whole: Document | None = None) -> None:
    """`Invalid`, naming the field, unless the document may be stored.

    `whole` is the same with large values in place of their links: what the application validates.
    """
    if not isinstance(document, dict):
        raise Invalid("the state is no JSON object.", fix="Patch it with an object.")
    for section in SECTIONS:
        if not isinstance(document.get(section), dict):
            raise Invalid(f"state field {section!r} is no object.", fix="Keep it one; empty is fine.")
    if document["metadata"].get("v") != schema.version:
        raise Invalid("state field 'metadata.v' is the schema's.", fix=f"Leave it at {schema.version}.")
    try:
        size = len(json.dumps(document, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the state holds what JSON has no form for: {error}.", fix="Use null or text.") from error
    if size > MAX_BYTES:
        raise Invalid(f"the state would have {size:,} bytes.", fix=f"Keep it under {MAX_BYTES:,}: use the work folder.")
    if schema.validate is not None:
        schema.validate(document if whole is None else whole)
