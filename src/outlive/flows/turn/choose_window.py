"""How much of a stored tree a worker brings to its disk: what the model needs of it, or all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from outlive.core.manifests import Entry, Manifest, Window, windows_from_json, windows_json
from outlive.core.trees import TreeState
from outlive.core.windows import is_main, side_files, spans_of, unnamed
from outlive.flows.turn.read_packs import PackReader, read_chunks

ON_DISK = "on_disk"
"""In the index of a flush: what of the tree its worker had."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a tree goes to disk."""

    windows: Mapping[str, Window] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    """Files that stay in their packs."""
    why_whole: str = ""
    """Why there is no window; empty where there is one."""


def note_of_disk(state: TreeState) -> dict[str, object]:
    """What the index of a flush says of the tree on its worker's disk; nothing of a whole one."""
    if not state.windows:
        return {}
    return {ON_DISK: {"windows": windows_json(state.windows), "absent": state.absent}}


def as_begun(flush: Mapping[str, object]) -> Choice:
    """What the worker of a turn that was cut off had on disk.

    It has noted down where in the transcript the turn begins: the place is only right in the same bytes.
    """
    begun = flush.get(ON_DISK)
    if not isinstance(begun, Mapping):
        return Choice(why_whole="the turn was begun with all of it")
    return Choice(windows_from_json(begun["windows"]), tuple(begun["absent"]))


async def choose(reader: PackReader, manifest: Manifest, asked: str, *, whole: bool) -> Choice:
    """The windows to restore, without the files beside them that nothing in them, and nothing in `asked`, names."""
    if whole:
        return Choice(why_whole="hydration=full")
    mains = [path for path in manifest.windows if is_main(path)]
    if not mains:
        return Choice(why_whole="no compaction to start from")
    aside = [path for window in manifest.windows.values() for path in window.aside]
    if not aside:
        return Choice(manifest.windows)
    texts = [await _text(reader, manifest, path, manifest.windows[path]) for path in mains]
    beside = [path for main in mains for path in side_files(main, manifest.entries) if path.endswith(".jsonl")]
    texts += [await _text(reader, manifest, path) for path in beside if path not in aside]
    return Choice(manifest.windows, await _never_named(reader, manifest, aside, [_encoded(asked), *texts]))


async def still_absent(
    reader: PackReader, manifest: Manifest, before: TreeState, known: Mapping[str, Entry], asked: str
) -> tuple[str, ...]:
    """What can stay absent in a tree that gets newer bytes; `known` is what is on disk."""
    aside = [path for path in before.absent if manifest.entries.get(path) == before.manifest.entries.get(path)]
    if not aside:
        return ()
    grown = [path for path in before.windows if path in known and path in manifest.entries]
    new = {path: Window(known[path].size) for path in grown}
    texts = [await _text(reader, manifest, path, window) for path, window in new.items()]
    return await _never_named(reader, manifest, aside, [_encoded(asked), *texts])


def names_absent(state: TreeState, asked: str) -> bool:
    """Whether a message names a file that is not on disk."""
    return bool(state.absent) and len(unnamed(state.absent, [_encoded(asked)])) < len(state.absent)


async def _never_named(
    reader: PackReader, manifest: Manifest, paths: Iterable[str], texts: list[bytes]
) -> tuple[str, ...]:
    """Those that neither the texts name, nor any file that they name."""
    rest = list(paths)
    while True:
        absent = unnamed(rest, texts)
        named = [path for path in rest if path not in absent]
        if not named:
            return tuple(absent)
        rest, texts = absent, [await _text(reader, manifest, path) for path in named]


async def _text(reader: PackReader, manifest: Manifest, path: str, window: Window | None = None) -> bytes:
    entry = manifest.entries[path]
    needed = packs_for(entry, window)
    packs = await reader.fetch([ref for ref in manifest.packs if ref.name in needed])
    spans = spans_of(window, entry.size)
    return b"".join(part for start, end in spans for part in read_chunks(packs, entry, start, end))


def packs_for(entry: Entry, window: Window | None) -> set[str]:
    """The packs that hold what the window needs of a file."""
    needed: set[str] = set()
    position, spans = 0, spans_of(window, entry.size)
    for chunk in entry.chunks:
        end = position + chunk.length
        if any(start < end and stop > position for start, stop in spans):
            needed.add(chunk.pack)
        position = end
    return needed


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
