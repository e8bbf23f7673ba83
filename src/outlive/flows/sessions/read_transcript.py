"""A session's turns with what the agent did in each of them, a page at a time."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.ledger import PATH, LedgerLine, lines_of
from outlive.core.sessions import Head
from outlive.core.transcript_steps import Entry, Step, blocks_of, image_in, is_prompt, messages_of, steps_of, time_of
from outlive.core.transcripts import TRANSCRIPTS, entries_of
from outlive.errors import Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.list_sessions import MAX_PAGE
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import pack_reader, read_chunks, stored_tree

Files = Mapping[str, bytes]
MAX_EARLIER = 1000
"""Entries."""


@dataclass(frozen=True, slots=True)
class TurnSteps:
    """A turn, and what the agent did in it."""

    line: LedgerLine
    steps: tuple[Step, ...]
    remembered: bool
    """Whether the turn is in the agent's transcript: a rewind takes it out of that, though not out of the ledger."""


@dataclass(frozen=True, slots=True)
class TranscriptPage:
    """Some turns, oldest first."""

    turns: tuple[TurnSteps, ...]
    before: int | None
    """Give it back for the turns before these; None when the first turn is among them."""
    earlier: tuple[Step, ...] = ()
    """What an imported session's transcript has from before its first turn; only where the first turn is, and its end
    where it is long."""


async def read_transcript(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, before: int | None = None, limit: int = 20
) -> TranscriptPage:
    """The last `limit` turns, or the last ones before turn `before`. Every pack with a part of it is read."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} turns.")

    async def read(head: Head) -> TranscriptPage:
        files = await _files(engine, stores, head)
        return await asyncio.to_thread(_page, head, files, before, limit)

    return await at_latest(engine, stores, session_id, read)


async def read_image(engine: Engine, stores: TenantStores, session_id: SessionId, image: str) -> tuple[str, bytes]:
    """Media type and bytes of an image in the transcript; `NotFound` when there is none of that id."""

    async def read(head: Head) -> tuple[str, bytes]:
        files = await _files(engine, stores, head)
        found = await asyncio.to_thread(_image, files, image)
        if found is None:
            raise NotFound(f"session {session_id} has no image {image!r}.", fix="Read a page of its transcript.")
        return found

    return await at_latest(engine, stores, session_id, read)


async def _files(engine: Engine, stores: TenantStores, head: Head) -> Files:
    """The ledger and every transcript of the newest version."""
    if not head.packs:
        return {}
    reader = pack_reader(engine, stores, head.session_id)
    newest = head.packs[-1]
    stored = await stored_tree(reader, newest, (await reader.fetch([newest]))[newest.name])
    wanted = {
        path: entry
        for path, entry in stored.manifest.entries.items()
        if path == PATH or path.startswith(TRANSCRIPTS)
    }  # fmt: skip
    used = {chunk.pack for entry in wanted.values() for chunk in entry.chunks}
    packs = await reader.fetch([ref for ref in stored.manifest.packs if ref.name in used])
    return {path: b"".join(read_chunks(packs, entry)) for path, entry in wanted.items()}


def _page(head: Head, files: Files, before: int | None, limit: int) -> TranscriptPage:
    every = list(lines_of(files.get(PATH, b"")))
    end = len(every) if before is None else bisect_left(every, before, key=lambda line: line.turn)
    start = max(end - limit, 0)
    agents = _agents(files)
    own = _by_turn(every, _main(head, files))
    earlier, own[0] = _split(own[0], has_turn=bool(every))
    turns = tuple(
        TurnSteps(every[number], steps_of(own[number], agents), bool(own[number])) for number in range(start, end)
    )
    if start:
        return TranscriptPage(turns, every[start].turn)
    return TranscriptPage(turns, None, steps_of(earlier[-MAX_EARLIER:], agents, prompted=True))


def _split(first: list[Entry], *, has_turn: bool) -> tuple[list[Entry], list[Entry]]:
    """What was there before the first turn, and that turn's own: it begins with the last prompt."""
    if not has_turn:
        return first, []
    prompts = [n for n, entry in enumerate(first) if any(is_prompt(entry, block) for block in blocks_of(entry))]
    begins = prompts[-1] if prompts else 0
    return first[:begins], first[begins:]


def _by_turn(every: Sequence[LedgerLine], main: Sequence[Entry]) -> defaultdict[int, list[Entry]]:
    """Place of each turn in the ledger -> its entries: those that were written since the commit of the turn before."""
    ends = [line.at for line in every]
    found: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in main:
        found[bisect_left(ends, time_of(entry))].append(entry)
    return found


def _main(head: Head, files: Files) -> list[Entry]:
    name = f"/{head.agent_session_id}.jsonl"
    raw = next((raw for path, raw in files.items() if path.endswith(name)), b"")
    return messages_of(entries_of(raw))


def _agents(files: Files) -> dict[str, list[Entry]]:
    """By the call that started each: the CLI notes it beside the subagent's transcript."""
    found: dict[str, list[Entry]] = {}
    for path, raw in files.items():
        if not path.endswith(".meta.json"):
            continue
        transcript = files.get(path.removesuffix(".meta.json") + ".jsonl")
        call = _call_of(raw)
        if transcript is not None and isinstance(call, str):
            found[call] = list(entries_of(transcript))
    return found


def _call_of(note: bytes) -> object:
    """Id of the call that started a subagent; None in a note of another shape."""
    try:
        fields = json.loads(note)
    except ValueError:
        return None
    return fields.get("toolUseId") if isinstance(fields, dict) else None


def _image(files: Files, image: str) -> tuple[str, bytes] | None:
    for path, raw in files.items():
        if path.endswith(".jsonl") and path != PATH and image.partition(".")[0].encode() in raw:
            found = image_in(messages_of(entries_of(raw)), image)
            if found:
                return found[0], _decoded(found[1])
    return None


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return b""
