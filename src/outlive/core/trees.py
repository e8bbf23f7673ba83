"""What a worker knows of a tree on its disk, and what a new pack makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from outlive.core.keys import SessionId
from outlive.core.manifests import (
    APPEND,
    Chunk,
    Entry,
    Manifest,
    Window,
    apply_index,
    delta_index,
    full_index,
    refs_from_json,
    refs_json,
    windows_from_json,
    windows_json,
    windows_within,
    with_chunk,
)
from outlive.core.packs import PackName, PackRef
from outlive.errors import Corrupt

TAIL_BYTES = 1024
"""How much before the known length of an append-only file is compared before its growth is believed."""
FULL_SHARE = 4
"""A delta with more than one in this many entries changed is written as a full manifest instead."""


@dataclass(frozen=True, slots=True)
class TreeState:
    """The version a tree on disk corresponds to, and how to tell what has changed since."""

    session_id: SessionId
    version: int
    manifest: Manifest = field(default_factory=Manifest)
    base: PackName | None = None
    """The live pack with the last full manifest; None: the next pack carries a full one."""
    base_entries: Mapping[str, Entry] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)
    """path -> the file's stamp when its content was last known."""
    tails: Mapping[str, str] = field(default_factory=dict)
    """path -> digest of the last `TAIL_BYTES` of an append-only file."""
    windows: Mapping[str, Window] = field(default_factory=dict)
    """path -> which part of it is on disk, where that is not all."""
    absent: tuple[str, ...] = ()
    """Paths of the manifest that were left in their packs."""

    @property
    def last_pack(self) -> PackName | None:
        """The pack that carries this state's manifest."""
        return self.manifest.packs[-1].name if self.manifest.packs else None


def content_digest(content: bytes) -> str:
    """The name of a file's content (128 bits)."""
    return blake2b(content, digest_size=16).hexdigest()


def encode_note(state: TreeState) -> bytes:
    """The state as a workspace keeps it beside the tree."""
    names = [ref.name for ref in state.manifest.packs]
    base_names = sorted({chunk.pack for entry in state.base_entries.values() for chunk in entry.chunks})
    fields = json.dumps(
        {
            "session_id": state.session_id,
            "version": state.version,
            "packs": refs_json(state.manifest.packs),
            "base": state.base,
            "base_names": base_names,
            "base_entries": full_index(state.base_entries, base_names)["files"],
            "entries": full_index(state.manifest.entries, names)["files"],
            "stamps": dict(state.stamps),
            "tails": dict(state.tails),
            "windows": windows_json(state.manifest.windows),
            "on_disk": windows_json(state.windows),
            "absent": state.absent,
        },
        separators=(",", ":"),
    ).encode()
    return content_digest(fields).encode() + fields


def decode_note(note: bytes) -> TreeState | None:
    """The state back, or None when the note cannot be read: then the tree is restored anew."""
    if content_digest(note[32:]).encode() != note[:32]:
        return None
    try:
        fields = json.loads(note[32:])
        refs = refs_from_json(fields["packs"])
        names = [ref.name for ref in refs]
        return TreeState(
            session_id=fields["session_id"],
            version=fields["version"],
            manifest=Manifest(
                apply_index({"files": fields["entries"]}, {}, names), refs, windows_from_json(fields["windows"])
            ),
            base=fields["base"],
            base_entries=apply_index({"files": fields["base_entries"]}, {}, fields["base_names"]),
            stamps=fields["stamps"],
            tails=fields["tails"],
            windows=windows_from_json(fields["on_disk"]),
            absent=tuple(fields["absent"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, Corrupt, RecursionError):
        return None


class PackDraft:
    """Collects the data of one pack and the entries that will point into it."""

    def __init__(self, name: PackName, entries: Mapping[str, Entry]) -> None:
        """Start from the entries of the version before."""
        self.name = name
        self.entries = dict(entries)
        self.windows: dict[str, Window] = {}
        """Of the entries, where something is known of what is needed."""
        self.fresh: dict[str, bytes] = {}
        """The last bytes of append-only files that have grown, new ones and some before them, as they were read: they
        need not be read again."""
        self._by_digest = {e.digest: e.chunks for e in self.entries.values() if e.digest}
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Raw bytes collected so far."""
        return self._size

    @property
    def data(self) -> bytes:
        """The data section."""
        return b"".join(self._parts)

    def add(self, content: bytes) -> Chunk:
        """Put bytes into the pack."""
        chunk = Chunk(self.name, self._size, len(content))
        self._parts.append(content)
        self._size += len(content)
        return chunk

    def put_file(self, path: str, content: bytes, *, mode: int, digest: str) -> None:
        """A file's whole content; the same content elsewhere in the tree is pointed at, not stored again."""
        if digest not in self._by_digest:
            self._by_digest[digest] = with_chunk((), self.add(content))
        chunks = self._by_digest[digest]
        self.entries[path] = Entry("file", len(content), mode, digest, "", chunks)

    def put_append(
        self, path: str, content: bytes, *, mode: int, keep: tuple[Chunk, ...] = (), near: bytes = b""
    ) -> None:
        """New bytes of an append-only file behind the chunks it keeps; `near` are the last bytes of those, if read."""
        chunks = with_chunk(keep, self.add(content))
        self.fresh[path] = near + content
        self.entries[path] = Entry(APPEND, sum(c.length for c in chunks), mode, "", "", chunks)

    def put_plain(self, path: str, kind: str, *, mode: int, target: str = "") -> None:
        """A link or an empty directory."""
        self.entries[path] = Entry(kind, 0, mode, "", target, ())

    def chmod(self, path: str, mode: int) -> None:
        """Another mode for content that stays."""
        old = self.entries[path]
        self.entries[path] = Entry(old.kind, old.size, mode, old.digest, old.target, old.chunks)

    def drop(self, paths: Iterable[str]) -> None:
        """Paths that are gone."""
        for path in paths:
            self.entries.pop(path, None)

    def move_file(self, path: str, content: bytes, doomed: set[PackName]) -> None:
        """The same content, out of packs that are going; paths that share it move together."""
        digest = self.entries[path].digest
        if any(chunk.pack in doomed for chunk in self._by_digest[digest]):
            self._by_digest[digest] = with_chunk((), self.add(content))
        self.replace_chunks(path, self._by_digest[digest])

    def replace_chunks(self, path: str, chunks: tuple[Chunk, ...]) -> None:
        """The same content at another place."""
        old = self.entries[path]
        self.entries[path] = Entry(old.kind, old.size, old.mode, old.digest, old.target, chunks)


def index_of(
    draft: PackDraft, state: TreeState, live: Sequence[PackRef]
) -> tuple[dict[str, Any], PackName, Mapping[str, Entry]]:
    """The manifest part of a pack's index, the pack its full manifest lies in, and that manifest.

    `live` are the older packs that stay; a full manifest is written when the last one's pack goes or much has changed.
    """
    names = [*(ref.name for ref in live), draft.name]
    packs: dict[str, Any] = {"packs": refs_json(live)}
    if windows := windows_within(draft.windows, draft.entries):
        packs["windows"] = windows_json(windows)
    if state.base is not None and state.base in names:
        delta = delta_index(state.base_entries, draft.entries, names)
        if (len(delta["files"]) + len(delta.get("gone", ()))) * FULL_SHARE <= len(draft.entries) + FULL_SHARE:
            return packs | {"base": state.base} | delta, state.base, state.base_entries
    return packs | full_index(draft.entries, names), draft.name, draft.entries
