"""The state object read and patched from outside a turn: by the API, the command line, another program."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, assert_never

from outlive.core.json_paths import json_patch, merge_patch
from outlive.core.keys import SessionId
from outlive.core.sessions import Head
from outlive.core.state import (
    HISTORY_PATH,
    PATH,
    Change,
    Document,
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
from outlive.errors import Conflict, Invalid
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.commit_files import CommittedTree, FileEdits, commit_files, committed_tree
from outlive.flows.turn.hold_lease import Lease, release_quietly, renewed
from outlive.flows.turn.take_session import take_session

PAUSE = 0.1

Patch = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""An object is a JSON Merge Patch (RFC 7396), a list is a JSON Patch (RFC 6902)."""


async def read_state(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, version: int | None = None
) -> State:
    """The state as last committed, or as it was at `version`; `NotFound`, or `Invalid` for one that never was."""

    async def read(head: Head) -> State:
        tree = await committed_tree(engine, stores, head)
        if version is None:
            return await _current(tree, engine.state_schema)
        return state_at(await _history(tree), version, engine.state_schema)

    return await at_latest(engine, stores, session_id, read)


async def state_history(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, after: int = 0, limit: int = 100
) -> list[Change]:
    """Changes behind version `after`, oldest first, `limit` at most."""

    async def read(head: Head) -> list[Change]:
        return await _history(await committed_tree(engine, stores, head))

    found = await at_latest(engine, stores, session_id, read)
    return [change for change in found if change.version > after][:limit]


async def patch_state(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    patch: Patch,
    *,
    by: str,
    expected: int | None = None,
    wait_seconds: float = 30.0,
) -> State:
    """Commit a patch as a version of the session and return the state after it.

    `expected` is the state version the patch was made for: changes since then are merged where the two do not touch,
    otherwise `StateConflict` carries both. Waits while a turn runs; `Conflict` after `wait_seconds`. `Invalid` for a
    patch that cannot be applied or whose result does not fit the schema. A patch that changes nothing writes nothing.
    """
    until = engine.clock.now() + wait_seconds
    while True:
        try:
            return await _patch_once(engine, stores, session_id, patch, by, expected)
        except StateConflict:
            raise
        except Conflict:  # held by another, or lost to one before the commit: nothing was written
            if engine.clock.now() >= until:
                raise
        await engine.clock.sleep(PAUSE)


async def _patch_once(
    engine: Engine, stores: TenantStores, session_id: SessionId, patch: Patch, by: str, expected: int | None
) -> State:
    lease = await take_session(engine, stores, session_id)
    try:
        async with renewed(engine, lease):
            state = await _patched(engine, stores, lease, patch, by, expected)
        with suppress(Conflict):  # it is committed, whoever has the lease now
            await lease.release()
    except BaseException:
        await asyncio.shield(release_quietly(lease))
        raise
    return state


async def _patched(
    engine: Engine, stores: TenantStores, lease: Lease, patch: Patch, by: str, expected: int | None
) -> State:
    tree = await committed_tree(engine, stores, lease.head)
    schema = engine.state_schema
    now = await _current(tree, schema)
    change = await _change(tree, now, patch, schema, at=engine.clock.now(), by=by, expected=expected)
    if change is None:
        return now
    after = apply_change(now, change)
    check_document(after.document, schema)
    edits = FileEdits(put={PATH: encode_state(after)}, append={HISTORY_PATH: encode_change(change)})
    await commit_files(engine, stores, lease, tree, edits, {"kind": "state", "by": by})
    return after


async def _change(
    tree: CommittedTree, now: State, patch: Patch, schema: StateSchema, *, at: float, by: str, expected: int | None
) -> Change | None:
    """What the patch does to the state as it is now."""
    if expected is None or expected == now.version:
        return change_between(now, patched_document(now.document, patch), at=at, by=by)
    history = await _history(tree)
    base = state_at(history, expected, schema)
    change = change_between(base, patched_document(base.document, patch), at=at, by=by)
    since = [each for each in history if each.version > expected]
    return None if change is None else rebased(change, since, now)


def patched_document(document: Document, patch: Patch) -> Document:
    """The document after the patch; `Invalid` for one that cannot be applied."""
    match patch:
        case Mapping():
            patched = merge_patch(document, patch)
        case Sequence():
            patched = json_patch(document, patch)
        case _:
            assert_never(patch)
    if not isinstance(patched, dict):
        raise Invalid("the patch replaces the state by something that is no object.", fix="Patch fields of it.")
    return patched


async def _current(tree: CommittedTree, schema: StateSchema) -> State:
    raw = await tree.read(PATH)
    return empty_state(schema) if raw is None else decode_state(raw, schema)


async def _history(tree: CommittedTree) -> list[Change]:
    return decode_changes(await tree.read(HISTORY_PATH) or b"")
