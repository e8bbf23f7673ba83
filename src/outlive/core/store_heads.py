"""The head of a session in the SDK's session store, and what one commit makes of its logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from typing import Any

from outlive.core.compaction import live_packs, packs_to_absorb
from outlive.core.keys import SessionId
from outlive.core.manifests import Chunk, live_bytes, refs_from_json, refs_json, with_chunk
from outlive.core.packs import Pack, PackName, PackRef, parse_pack_name
from outlive.core.store_logs import Line
from outlive.core.trees import PackDraft, TreeState
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
COMMITS_WINDOW = 16
SUMMARY_BYTES = 16 * 1024
"""A larger summary is not kept: the SDK then derives it from the transcript, and the head stays small."""
COMPRESSION = 4
"""How much smaller new lines are guessed to get, when it is decided which packs to take over."""
MODE = 0o600
_BAD_ENTRY = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the SDK's fold can raise at an entry of an unusual shape."""

Fold = Callable[[Any, Any, Any], Any]
"""The SDK's `fold_session_summary(previous, key, entries)`."""


@dataclass(frozen=True, slots=True)
class StoreHead:
    """All that is known of a stored session without reading an object."""

    session: str
    """The SDK's session id."""
    packs_id: SessionId
    """Where its packs lie; another one after a session was deleted and written again."""
    created_at: float
    packs: tuple[PackRef, ...] = ()
    """Live packs, oldest first; the last carries the manifest."""
    commits: tuple[PackName, ...] = ()
    """The last packs written: what a writer looks for whose reply was lost."""
    mtime: int = 0
    """When the main transcript was last appended to, epoch milliseconds; 0 when it never was."""
    summary: Mapping[str, Any] | None = None
    """The SDK's own summary data, verbatim; None when it is not kept."""
    cuts: int = 0
    """How often a subpath was deleted: what a process knows of the logs counts for one such life only."""
    erased: bool = False
    """The session is gone, its objects are being removed."""


def encode_store_head(head: StoreHead) -> bytes:
    """The head as stored."""
    fields = asdict(replace(head, packs=(), summary=None))
    fields |= {"schema": SCHEMA, "packs": refs_json(head.packs), "summary": head.summary}
    return _json(fields)


def decode_store_head(body: bytes, name: str) -> StoreHead:
    """A head from its stored form; `Corrupt` or `SchemaTooNew` name the record."""
    try:
        fields = json.loads(body.decode("utf-8", "surrogatepass"))
        schema = fields.pop("schema")
        if schema > SCHEMA:
            raise SchemaTooNew(
                f"record {name} has schema {schema}, this outlive knows up to {SCHEMA}.", fix="Upgrade outlive here."
            )
        fields |= {"packs": refs_from_json(fields["packs"]), "commits": tuple(fields["commits"])}
        return StoreHead(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"record {name} is no stored session ({error})."
        raise Corrupt(why, fix="Restore the table from a backup.") from error


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------------------------------------- commits


@dataclass(frozen=True, slots=True)
class Drafted:
    """A pack about to be written, and the older ones that stay live beside it."""

    draft: PackDraft
    live: tuple[PackRef, ...]
    state: TreeState
    """What the manifest is to be written against."""


def doomed_packs(state: TreeState, new_bytes: int, *, limit: int, dropped: str | None = None) -> set[PackName]:
    """The packs whose bytes the next commit takes over: too many, or bytes of a log that is being dropped."""
    entries = {path: entry for path, entry in state.manifest.entries.items() if path != dropped}
    gone = state.manifest.entries.get(dropped) if dropped is not None else None
    doomed = {chunk.pack for chunk in gone.chunks} if gone else set()
    sizes = {ref.name: (ref.size, ref.raw) for ref in state.manifest.packs if ref.name not in doomed}
    live = live_packs(sizes, live_bytes(entries))
    return doomed | packs_to_absorb(live, new_bytes / COMPRESSION, limit=limit)


def draft_commit(
    name: PackName,
    state: TreeState,
    lines: Mapping[str, Sequence[Line]],
    doomed: Collection[PackName],
    packs: Mapping[PackName, Pack],
    *,
    dropped: str | None = None,
) -> Drafted:
    """The next pack: what the doomed ones still hold, then the new lines, log by log and in order."""
    draft = PackDraft(name, state.manifest.entries)
    if dropped is not None:
        draft.drop([dropped])
    for path in draft.entries:
        _take_over(draft, path, doomed, packs)
    for path, added in lines.items():
        keep = draft.entries[path].chunks if path in draft.entries else ()
        draft.put_append(path, b"".join(line.data for line in added), mode=MODE, keep=keep)
    live = tuple(ref for ref in state.manifest.packs if ref.name not in doomed)
    return Drafted(draft, live, replace(state, base=None) if state.base in doomed else state)


def _take_over(draft: PackDraft, path: str, doomed: Collection[PackName], packs: Mapping[PackName, Pack]) -> None:
    chunks: tuple[Chunk, ...] = ()
    for chunk in draft.entries[path].chunks:
        moves = chunk.pack in doomed
        place = draft.add(bytes(packs[chunk.pack].data[chunk.offset : chunk.offset + chunk.length])) if moves else chunk
        chunks = with_chunk(chunks, place)
    draft.replace_chunks(path, chunks)


def next_head(
    head: StoreHead, refs: tuple[PackRef, ...], lines: Sequence[Line], *, mtime: int, fold: Fold | None, project: str
) -> StoreHead:
    """The head after a commit of the pack `refs[-1]`, which adds `lines` to the main transcript."""
    commits = (*head.commits, refs[-1].name)[-COMMITS_WINDOW:]
    after = replace(head, packs=refs, commits=commits)
    if not lines:
        return after
    return replace(after, mtime=mtime, summary=_folded(head, lines, fold, project))


def _folded(head: StoreHead, lines: Sequence[Line], fold: Fold | None, project: str) -> Mapping[str, Any] | None:
    """The summary with these lines, or None from when it cannot be kept: half of one would be wrong for ever."""
    if fold is None or (head.summary is None and head.mtime):
        return None
    before = {"session_id": head.session, "mtime": head.mtime, "data": head.summary}
    key = {"project_key": project, "session_id": head.session}
    try:
        data = fold(before if head.mtime else None, key, [line.entry for line in lines])["data"]
        return data if len(_json(data)) <= SUMMARY_BYTES else None
    except _BAD_ENTRY:  # a title must not cost the transcript: the SDK derives it from the entries instead
        return None


def dead_packs(names: Iterable[str], version: int, live: AbstractSet[str]) -> list[str]:
    """Packs that nothing will ever read: not live at `version`, and too old to be committed after it.

    A pack bears the version it was made for, and the head moves to that version once, so this needs no clock.
    """
    return [name for name in names if name not in live and _version(name) <= version]


def _version(name: str) -> int:
    return parse_pack_name(name)[0]
