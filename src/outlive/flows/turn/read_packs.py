"""Packs back from the object store: fetched at once, verified, unpacked; and the manifests they carry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outlive.core.boilerplate import is_stored
from outlive.core.keys import SessionId, pack_prefix
from outlive.core.manifests import Entry, Manifest, apply_index, refs_from_json, windows_from_json
from outlive.core.packs import Dictionary, Pack, PackName, PackRef, decode_pieces, dictionary_id, pack_ref
from outlive.errors import Corrupt, NotFound
from outlive.flows.engine import Engine
from outlive.flows.pack_threads import decoded
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.share_dictionary import Dictionaries
from outlive.protocols import Clock


@dataclass(frozen=True, slots=True)
class PackReader:
    """Reads the packs of one session; what it has read is kept for the length of one flow."""

    stores: TenantStores
    dictionaries: Dictionaries
    session_id: SessionId
    clock: Clock
    packs: dict[PackName, Pack]

    async def fetch(self, refs: Sequence[PackRef]) -> Mapping[PackName, Pack]:
        """These packs, in parallel; `Corrupt` names one that is damaged or missing, never a shorter answer."""
        wanted = [ref for ref in refs if ref.name not in self.packs]
        for ref, pack in zip(wanted, await asyncio.gather(*map(self._read, wanted)), strict=True):
            self.packs[ref.name] = pack
        return {ref.name: self.packs[ref.name] for ref in refs}

    async def named(self, name: PackName) -> tuple[Pack, PackRef]:
        """A pack known by its name only (a flush, an old version), checked against its own checksum."""
        data = await self._get(name)
        pack = await self._unpack(name, data, None)
        self.packs[name] = pack
        return pack, pack_ref(name, data, len(pack.data), shared=is_stored(dictionary_id(name, data)))

    async def pieces(self, ref: PackRef) -> Iterator[bytes]:
        """The data of one pack, piece by piece; checked before the first."""
        data = await self._get(ref.name)
        dictionary = await self._dictionary(ref.name, data)
        index, pieces = await asyncio.to_thread(decode_pieces, ref.name, data, dictionary, expected=ref)
        self._check_owner(ref.name, index)
        return pieces

    async def _read(self, ref: PackRef) -> Pack:
        return await self._unpack(ref.name, await self._get(ref.name), ref)

    async def _get(self, name: PackName) -> bytes:
        key = pack_prefix(self.session_id) + name
        try:
            return await retrying(lambda: self.stores.objects.get(key), self.clock)
        except NotFound as error:
            raise Corrupt(
                f"pack {name} of session {self.session_id} is missing.",
                fix="Restore the object from a backup, or rewind the session to an older version.",
            ) from error

    async def _unpack(self, name: PackName, data: bytes, ref: PackRef | None) -> Pack:
        dictionary = await self._dictionary(name, data)
        pack = await decoded(name, data, dictionary, ref)
        self._check_owner(name, pack.index)
        return pack

    def _check_owner(self, name: PackName, index: Mapping[str, Any]) -> None:
        if index["session"] != self.session_id:
            raise Corrupt(f"pack {name} belongs to session {index['session']}, not {self.session_id}.")

    async def _dictionary(self, name: PackName, data: bytes) -> Dictionary | None:
        wanted = dictionary_id(name, data)
        return None if wanted is None else await self.dictionaries.read(self.stores, wanted, self.clock)


def pack_reader(engine: Engine, stores: TenantStores, session_id: SessionId) -> PackReader:
    """A reader for one session's packs."""
    return PackReader(stores, engine.dictionaries, session_id, engine.clock, {})


@dataclass(frozen=True, slots=True)
class StoredTree:
    """A manifest as a pack carries it."""

    manifest: Manifest
    base: PackName
    base_entries: Mapping[str, Entry]


async def stored_tree(reader: PackReader, ref: PackRef, pack: Pack) -> StoredTree:
    """The manifest in this pack, on top of its base's."""
    live = refs_from_json(pack.index["packs"])
    names = [*(each.name for each in live), ref.name]
    windows = windows_from_json(pack.index.get("windows", {}))
    base = pack.index.get("base")
    if base is None:
        entries = apply_index(pack.index, {}, names)
        return StoredTree(Manifest(entries, (*live, ref), windows), ref.name, entries)
    base_entries = await _base_entries(reader, PackName(base), live)
    entries = apply_index(pack.index, base_entries, names)
    return StoredTree(Manifest(entries, (*live, ref), windows), PackName(base), base_entries)


async def _base_entries(reader: PackReader, base: PackName, live: Sequence[PackRef]) -> Mapping[str, Entry]:
    ref = next((ref for ref in live if ref.name == base), None)
    if ref is None:
        raise Corrupt(
            f"manifest base {base} is not among the live packs.", fix="Rewind the session to an older version."
        )
    pack = (await reader.fetch([ref]))[base]
    names = [*(each.name for each in refs_from_json(pack.index["packs"])), base]
    return apply_index(pack.index, {}, names)


def read_chunks(
    packs: Mapping[PackName, Pack], entry: Entry, skip: int = 0, end: int | None = None
) -> list[memoryview]:
    """The content of an entry from byte `skip` on, up to `end`, in parts that are not copied.

    `Corrupt` when a chunk reaches beyond its pack.
    """
    parts: list[memoryview] = []
    position, end = 0, entry.size if end is None else end
    for chunk in entry.chunks:
        start, stop = max(skip - position, 0), min(chunk.length, end - position)
        position += chunk.length
        if start >= stop:
            continue
        part = packs[chunk.pack].data[chunk.offset + start : chunk.offset + stop]
        if len(part) != stop - start:
            raise Corrupt(f"pack {chunk.pack} is shorter than its manifest says.")
        parts.append(part)
    return parts
