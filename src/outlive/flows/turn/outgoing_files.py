"""Files on their way out: which ones a turn has named, and their bytes from the version it was committed as."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from outlive.core.ledger import LedgerLine
from outlive.core.manifests import FILE, Manifest
from outlive.core.outgoing import MAX_FILE_BYTES, PATH, WORK, OutFile, files_for
from outlive.core.sessions import Head
from outlive.errors import Invalid, NotFound, TooLarge
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import find_versions, read_entry
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.commit_files import committed_tree
from outlive.protocols import ReplyFile, Workspace


async def outgoing_of(workspace: Workspace, message_id: str) -> tuple[OutFile, ...]:
    """What the turn that answers this message has named so far; no request to a store."""
    try:
        return files_for(await workspace.read(PATH), message_id)
    except NotFound:
        return ()


def named(files: Iterable[OutFile]) -> str:
    """What the text of a reply says of its files where the channel cannot send them."""
    lines = [f"[file: work/{file.path}, {file.size:,} bytes] {file.caption}".rstrip() for file in files]
    return "\n\n" + "\n".join(lines) if lines else ""


def reply_files(engine: Engine, stores: TenantStores, head: Head, line: LedgerLine) -> tuple[ReplyFile, ...]:
    """The files of a line; nothing is read before a channel asks for it."""

    def reader(file: OutFile) -> Callable[[], Awaitable[bytes]]:
        return lambda: _read(engine, stores, head, line.version, file)

    return tuple(ReplyFile(file.path, file.size, file.caption, reader(file)) for file in line.files)


async def _read(engine: Engine, stores: TenantStores, head: Head, version: int, file: OutFile) -> bytes:
    """The bytes as the turn left them, whatever later turns have made of the file."""
    tree = await tree_of(engine, stores, head, version)
    entry = tree.entries.get(WORK + file.path)
    if entry is None or entry.kind != FILE:
        raise NotFound(f"{file.path} was gone when the turn ended.")
    if entry.size > MAX_FILE_BYTES:
        raise TooLarge(f"{file.path} had grown to {entry.size:,} bytes.", fix=f"Send {MAX_FILE_BYTES:,} at most.")
    return await read_entry(engine, stores, head.session_id, tree, WORK + file.path)


async def tree_of(engine: Engine, stores: TenantStores, head: Head, version: int) -> Manifest:
    """The tree of a version; `NotFound` when it is no longer kept."""
    if head.version == version:
        newest = await committed_tree(engine, stores, head)
        return Manifest(newest.entries, newest.packs)
    try:
        (found,) = await find_versions(engine, stores, head, version)
    except Invalid as error:
        raise NotFound(f"version {version} of the session is no longer kept.") from error
    return found.tree
