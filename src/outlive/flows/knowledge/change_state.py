"""The state object read and patched from outside a turn: by the API, the command line, another program."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
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
from outlive.core.state_blobs import FOLDER, blob_path, check_links, links, offloaded
from outlive.errors import Conflict, Invalid
from outlive.flows.engine import Engine
from outlive.flows.knowledge.follow_links import ReadFile, follow_links, follow_old_links
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.commit_files import CommittedTree, FileEdits, commit_files, committed_tree
from outlive.flows.turn.hold_lease import Lease, release_quietly, renewed
from outlive.flows.turn.take_session import take_session

PAUSE = 0.1

Patch = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""An object is a JSON Merge Patch (RFC 7396), a list is a JSON Patch (RFC 6902)."""


async def read_state(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    *,
    version: int | None = None,
    follow: bool = False,
) -> State:
    """The state as last committed, or as it was at `version`; `NotFound`, or `Invalid` for one that never was.

    With `follow`, large values stand in place of their links; `Corrupt` names one that is not what was linked to.
    """

    async def read(head: Head) -> State:
        tree = await committed_tree(engine, stores, head)
        if version is None:
            state = await _current(tree, engine.state_schema)
            return replace(state, document=await follow_links(state.document, tree.read)) if follow else state
        state = state_at(await _history(tree), version, engine.state_schema)
        if follow:
            document = await follow_old_links(engine, stores, head, state.document, tree.read)
            return replace(state, document=document)
        return state

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
    change, blobs = await _change(tree, now, patch, schema, at=engine.clock.now(), by=by, expected=expected)
    if change is None:
        return now
    after = apply_change(now, change)
    there = blobs_of(tree.entries)
    linked = await check_state(after.document, schema, blobs, there, tree.read)
    edits = FileEdits(
        put={PATH: encode_state(after)} | {blob_path(digest): raw for digest, raw in blobs.items()},
        append={HISTORY_PATH: encode_change(change)},
        remove=[blob_path(digest) for digest in there - linked],
    )
    await commit_files(engine, stores, lease, tree, edits, {"kind": "state", "by": by})
    return after


async def _change(
    tree: CommittedTree, now: State, patch: Patch, schema: StateSchema, *, at: float, by: str, expected: int | None
) -> tuple[Change | None, dict[str, bytes]]:
    """What the patch does to the state as it is now, and the large values that come with it."""
    if expected is None or expected == now.version:
        document, blobs = offloaded(patched_document(now.document, patch))
        return change_between(now, document, at=at, by=by), blobs
    history = await _history(tree)
    base = state_at(history, expected, schema)
    document, blobs = offloaded(patched_document(base.document, patch))
    change = change_between(base, document, at=at, by=by)
    since = [each for each in history if each.version > expected]
    return None if change is None else rebased(change, since, now), blobs


def blobs_of(paths: Iterable[str]) -> set[str]:
    """The digests of the large values among the files of a tree."""
    return {path.removeprefix(f"{FOLDER}/") for path in paths if path.startswith(f"{FOLDER}/")}


async def check_state(
    document: Document, schema: StateSchema, new: Mapping[str, bytes], there: Collection[str], read: ReadFile
) -> set[str]:
    """The digests it links to; `Invalid`, naming the field, unless it may be stored.

    `new` are the large values that come with it, `there` those the tree has. Only a schema that validates has the
    values that are linked to read.
    """
    check_links(document, {*new, *there})
    linked = {digest for _, digest in links(document)}

    async def read_any(path: str) -> bytes | None:
        return new.get(path.removeprefix(f"{FOLDER}/")) or await read(path)

    needs_all = schema.validate is not None and linked
    check_document(document, schema, whole=await follow_links(document, read_any) if needs_all else None)
    return linked


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
