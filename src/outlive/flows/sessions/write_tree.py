"""Stored trees written anew, from packs straight into one pack: no workspace, no file on disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outlive.core.keys import SessionId, pack_prefix
from outlive.core.manifests import (
    APPEND,
    FILE,
    Chunk,
    Entry,
    Window,
    full_index,
    located_chunks,
    refs_json,
    windows_json,
    windows_within,
    with_chunk,
)
from outlive.core.packs import Pack, PackName, PackRef, Part, pack_ref
from outlive.core.trees import content_digest
from outlive.errors import Corrupt
from outlive.flows.engine import Engine
from outlive.flows.pack_threads import encoded
from outlive.flows.retry import put_once
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import pack_reader


class PackParts:
    """The data of one new pack, as parts that are never joined: a large tree is held once."""

    def __init__(self, name: PackName) -> None:
        """`name` as the lease made it."""
        self.name = name
        self.parts: list[Part] = []
        self.size = 0

    def add(self, part: Part) -> Chunk:
        """Put bytes into the pack."""
        chunk = Chunk(self.name, self.size, len(part))
        self.parts.append(part)
        self.size += len(part)
        return chunk


def packs_of(entries: Mapping[str, Entry]) -> set[PackName]:
    """The packs these entries lie in."""
    return {place.chunk.pack for place in located_chunks(entries)}


async def move_tree(
    engine: Engine,
    stores: TenantStores,
    source: SessionId,
    entries: Mapping[str, Entry],
    refs: Sequence[PackRef],
    into: PackParts,
) -> dict[str, Entry]:
    """The same tree with everything that lies in `refs` (packs of `source`) taken over into the new pack.

    What lies in other packs stays where it is. Every pack is verified as it is read.
    """
    used = packs_of(entries)
    reader = pack_reader(engine, stores, source)
    packs = await reader.fetch([ref for ref in refs if ref.name in used])
    places: dict[tuple[Chunk, ...], tuple[Chunk, ...]] = {}
    for entry in entries.values():
        if entry.chunks not in places:  # files with the same content share their chunks, before and after
            places[entry.chunks] = _move(entry.chunks, packs, into)
    return {path: replace(entry, chunks=places[entry.chunks]) for path, entry in entries.items()}


def _move(chunks: tuple[Chunk, ...], packs: Mapping[PackName, Pack], into: PackParts) -> tuple[Chunk, ...]:
    moved: tuple[Chunk, ...] = ()
    for chunk in chunks:
        place = into.add(part_of(packs[chunk.pack], chunk)) if chunk.pack in packs else chunk
        moved = with_chunk(moved, place)
    return moved


def part_of(pack: Pack, chunk: Chunk) -> memoryview:
    """The bytes of a chunk, not copied; `Corrupt` when it reaches beyond its pack."""
    part = pack.data[chunk.offset : chunk.offset + chunk.length]
    if len(part) != chunk.length:
        raise Corrupt(f"pack {chunk.pack} is shorter than its manifest says.", fix="Choose an older version.")
    return part


@dataclass(frozen=True, slots=True)
class NewFile:
    """A path of a tree that comes from outside."""

    kind: str
    """As in a manifest: `append`, `file`, `link` or `dir`."""
    mode: int
    content: bytes = b""
    target: str = ""


def put_files(files: Mapping[str, NewFile], into: PackParts) -> dict[str, Entry]:
    """A manifest of these files, whose bytes go into the new pack; equal contents once."""
    places: dict[str, Chunk] = {}
    entries: dict[str, Entry] = {}
    for path, file in sorted(files.items()):
        digest = content_digest(file.content) if file.kind == FILE else ""
        if file.kind == APPEND:
            chunks = with_chunk((), into.add(file.content))
        elif file.content:
            chunks = (places[digest] if digest in places else places.setdefault(digest, into.add(file.content)),)
        else:
            chunks = ()
        entries[path] = Entry(file.kind, len(file.content), file.mode, digest, file.target, chunks)
    return entries


async def store_tree(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    entries: Mapping[str, Entry],
    pack: PackParts,
    *,
    older: Collection[PackRef] = (),
    windows: Mapping[str, Window] | None = None,
    labels: Mapping[str, Any],
) -> tuple[PackRef, ...]:
    """Write the pack with the whole manifest in it, and return the live packs: `older`, then the new one.

    `windows` are those of the tree that the entries come from; they are places in files, wherever the bytes lie.
    """
    names = [*(ref.name for ref in older), pack.name]
    kept = windows_within(windows or {}, entries)
    told = {"windows": windows_json(kept)} if kept else {}
    index = {"session": session_id, **labels, **told, "packs": refs_json(older), **full_index(entries, names)}
    stored = await encoded(index, pack.parts)
    await put_once(stores.objects, pack_prefix(session_id) + pack.name, stored, engine.clock)
    return (*older, pack_ref(pack.name, stored, pack.size))
