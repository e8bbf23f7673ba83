"""A file of a turn, for whoever reads the conversation: one that came with the message, or went out with the reply."""

from __future__ import annotations

from mimetypes import guess_type

from outlive.core.keys import SessionId
from outlive.core.ledger import Attached, LedgerLine
from outlive.core.manifests import FILE, Manifest
from outlive.core.outgoing import WORK
from outlive.core.sessions import Head
from outlive.errors import NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import at_latest, read_entry
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.commit_files import committed_tree
from outlive.flows.turn.outgoing_files import tree_of
from outlive.flows.turn.read_ledger import read_lines

UNKNOWN = "application/octet-stream"


def type_of(name: str) -> str:
    """The media type by a file's name."""
    return guess_type(name)[0] or UNKNOWN


async def read_turn_file(
    engine: Engine, stores: TenantStores, session_id: SessionId, turn: int, path: str
) -> tuple[str, bytes]:
    """Media type and bytes of a file as its turn left it; `path` below `work/`, as the ledger's line has it.

    `NotFound` when the turn has no such file, or its content is no longer kept. The newest tree is asked first: a file
    that nobody has changed since is read from there, however old its turn is.
    """

    async def read(head: Head) -> tuple[str, bytes]:
        line = next((line for line in await read_lines(engine, stores, head) if line.turn == turn), None)
        if line is None:
            raise NotFound(f"session {session_id} has no turn {turn}.", fix="Read a page of its conversation.")
        kind, digest = _named(line, path)
        tree = await _tree_with(engine, stores, head, line, path, digest)
        return kind, await read_entry(engine, stores, session_id, tree, WORK + path)

    return await at_latest(engine, stores, session_id, read)


def _named(line: LedgerLine, path: str) -> tuple[str, str]:
    """Media type and digest; the digest is empty for what went out, of which the ledger notes none."""
    found: Attached | None = next((each for each in line.attached if each.path == path), None)
    if found is not None and found.digest:
        return found.mime or type_of(path), found.digest
    if found is None and any(each.path == path for each in line.files):
        return type_of(path), ""
    raise NotFound(f"turn {line.turn} has left no file {path!r}.", fix="See `attachments` and `files` of the turn.")


async def _tree_with(
    engine: Engine, stores: TenantStores, head: Head, line: LedgerLine, path: str, digest: str
) -> Manifest:
    if digest:
        newest = await committed_tree(engine, stores, head)
        entry = newest.entries.get(WORK + path)
        if entry is not None and entry.digest == digest:
            return Manifest(newest.entries, newest.packs)
    tree = await tree_of(engine, stores, head, line.version)
    entry = tree.entries.get(WORK + path)
    if entry is None or entry.kind != FILE:
        raise NotFound(f"{path} was gone when turn {line.turn} ended.")
    return tree
