"""The large values of a state object, read where a link leads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from outlive.core.json_paths import Json, shown
from outlive.core.sessions import Head
from outlive.core.state import Document
from outlive.core.state_blobs import blob_path, decode_blob, followed, links
from outlive.errors import Corrupt, NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import list_packs, read_entry, walk_history
from outlive.flows.tenant_stores import TenantStores

ReadFile = Callable[[str], Awaitable[bytes | None]]
"""A file of the tree by its path; None when there is none."""


async def follow_links(document: Json, read: ReadFile) -> Json:
    """The document, or a part of it, with the large values themselves; `Corrupt` names one that is missing or wrong."""
    found: dict[str, Json] = {}
    for path, digest in links(document):
        raw = await read(blob_path(digest))
        if raw is None:
            raise Corrupt(f"{blob_path(digest)}, which the state links to at {shown(path)}, is missing.")
        found[digest] = decode_blob(raw, digest)
    return followed(document, found.__getitem__)


async def follow_old_links(
    engine: Engine, stores: TenantStores, head: Head, document: Document, read: ReadFile
) -> Document:
    """The same for the state as it once was: what the newest tree has no more is looked for in the kept versions.

    `NotFound` for a value that went with a version that was swept.
    """
    found: dict[str, bytes | None] = {}
    for _, digest in links(document):
        path = blob_path(digest)
        found[path] = await read(path) or await _in_kept_version(engine, stores, head, path)

    async def read_any(path: str) -> bytes | None:
        return found[path]

    whole: Document = await follow_links(document, read_any)
    return whole


async def _in_kept_version(engine: Engine, stores: TenantStores, head: Head, path: str) -> bytes:
    packs = await list_packs(engine, stores, head.session_id)
    async with aclosing(walk_history(engine, stores, head, packs)) as versions:
        async for version in versions:
            if path in version.tree.entries:
                return await read_entry(engine, stores, head.session_id, version.tree, path)
    raise NotFound(f"{path} is in no kept version any more.", fix="Keep more of them (OUTLIVE_KEEP_VERSIONS).")
