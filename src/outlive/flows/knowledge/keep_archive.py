"""The archive: what happened, kept beyond the sessions, in a log that shows when somebody has changed it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from outlive.core.audit_chain import (
    AUDIT,
    Entry,
    Segment,
    Tail,
    check_beginning,
    check_end,
    check_link,
    conversation_key,
    cuts_in,
    decode_segment,
    digest_of,
    encode_segment,
    is_only_cuts,
    newest_turns,
    segment_key,
    turn_entry,
)
from outlive.core.keys import SessionId
from outlive.core.ledger import LedgerLine, encode_line
from outlive.core.sessions import decode_head
from outlive.errors import AlreadyExists, Conflict, Corrupt, NotFound
from outlive.flows.engine import Engine
from outlive.flows.knowledge.audit_ends import record_tail, recorded_anchor, recorded_tail, write_end
from outlive.flows.list_all import list_all
from outlive.flows.progress import Progress, unwatched
from outlive.flows.retry import put_once, retrying
from outlive.flows.sessions.find_sessions import id_of, scan_heads
from outlive.flows.sessions.sweep_session import conversations_of, remove_from
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_ledger import read_lines
from outlive.protocols import Row

PLACES = "archive/turns/"
"""Session -> the newest turn that is in the archive."""
SEGMENT_ENTRIES = 500
ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection put into the archive."""

    sessions: int
    turns: int
    damaged: tuple[str, ...]
    """Sessions whose ledger cannot be read; the others are collected all the same."""


@dataclass(frozen=True, slots=True)
class Verified:
    """An audit log that is whole."""

    segments: int
    entries: int
    digest: str
    """Of the newest segment: write it down elsewhere, and nobody can rewrite the log unseen."""
    cut: int = 0
    """Segments at the beginning that retention has removed."""


async def append_audit(engine: Engine, stores: TenantStores, entries: Sequence[Entry]) -> Tail:
    """Put entries at the end of the log and return it; whoever appends at the same time comes before or after.

    A segment is created under its number only once, so the chain cannot fork. `Unavailable`: nothing counts.
    """
    tail = await _tail(engine, stores)
    for _ in range(ATTEMPTS):
        segment = Segment(tail.number + 1, tail.digest, tuple(entries))
        raw = encode_segment(segment)
        try:
            await put_once(stores.archive, segment_key(segment.number), raw, engine.clock)
        except AlreadyExists:
            tail = await step_on(engine, stores, tail)
            continue
        tail = Tail(segment.number, digest_of(raw))
        await record_tail(engine, stores, tail)
        return tail
    raise Conflict("the audit log is written by too many at once.", fix="Try again.")


async def read_audit(
    engine: Engine, stores: TenantStores, *, after: int = 0, limit: int = 100
) -> tuple[list[Entry], int]:
    """Entries of the segments behind `after`, until there are `limit` or more, and the number to go on from."""
    found: list[Entry] = []
    after = max(after, (await recorded_anchor(engine, stores)).number)
    while len(found) < limit:
        try:
            segment = await _segment(engine, stores, after + 1)
        except NotFound:
            break
        after += 1
        found += segment.entries
    return found, after


async def verify_audit(engine: Engine, stores: TenantStores, *, progress: Progress = unwatched) -> Verified:
    """Read the whole log and check every link; `Corrupt` names the first segment that is not as it was written.

    A log whose beginning was cut off by retention begins at the recorded anchor, and has to say itself that it was cut.
    """
    recorded, anchor = await recorded_tail(engine, stores), await recorded_anchor(engine, stores)
    names = [info.key for info in await list_all(stores.archive, AUDIT, engine.clock)]
    tail, entries, cuts = anchor, 0, [Tail()]
    for number, name in enumerate(names, start=1):
        if name <= segment_key(anchor.number):
            continue  # a cut that was cut off had not removed it yet
        raw = await retrying(lambda name=name: stores.archive.get(name), engine.clock)  # type: ignore[misc]
        segment = decode_segment(raw, name)
        if name != segment_key(segment.number):
            raise Corrupt(f"{name} holds segment {segment.number}.", fix="Compare the archive with a backup.")
        tail = check_link(raw, segment, tail, name)
        entries += len(segment.entries)
        cuts += cuts_in(segment.entries)
        progress(number, len(names))
    check_end(tail, recorded)
    check_beginning(anchor, cuts)
    return Verified(tail.number - anchor.number, entries, tail.digest, anchor.number)


async def collect_turns(engine: Engine, stores: TenantStores, *, progress: Progress = unwatched) -> Collected:
    """Put every turn that is not in the archive yet into it: the log without content, the conversations with all.

    Costs a turn nothing: it works from the ledgers, and a session that did not change is not read. Cut off anywhere,
    the next one goes on without a gap; two at once put a turn in twice at most, under the same numbers.
    """
    heads = await scan_heads(engine, stores)
    await settle_last(engine, stores)
    batch = _Batch(engine, stores)
    damaged: list[str] = []
    for number, row in enumerate(heads, start=1):
        try:
            await batch.add(id_of(row), await _new_lines(engine, stores, row))
        except (Corrupt, NotFound) as error:
            damaged.append(str(error))
        progress(number, len(heads))
    await batch.put()
    return Collected(batch.sessions, batch.turns, tuple(damaged))


async def count_waiting(engine: Engine, stores: TenantStores) -> int:
    """Turns that are not in the archive yet; heads that cannot be read are left to others to tell of."""
    waiting = 0
    for row in await scan_heads(engine, stores):
        with suppress(Corrupt):
            head = decode_head(row.body, row.key)
            waiting += max(head.summary.turns - await _place(engine, stores, head.session_id), 0)
    return waiting


async def remove_conversations(engine: Engine, stores: TenantStores, session_id: SessionId) -> int:
    """Remove what the archive keeps of a session's text, and return how many objects that were.

    The log keeps that it existed: it holds no content.
    """
    found = await conversations_of(engine, stores, session_id)
    await remove_from(stores.archive, engine.clock, [info.key for info in found])
    return len(found)


class _Batch:
    """Turns on their way into the archive: the texts first, then the log, then how far each session is."""

    def __init__(self, engine: Engine, stores: TenantStores) -> None:
        self.engine, self.stores = engine, stores
        self.sessions = self.turns = 0
        self._entries: list[Entry] = []

    async def add(self, session_id: SessionId, lines: Sequence[LedgerLine]) -> None:
        """Keep a session's new lines, and write when there are enough for a segment."""
        if not lines:
            return
        content = b"".join(map(encode_line, lines))
        with suppress(AlreadyExists):  # a collection that was cut off, or another one, has put the same turns there
            await put_once(self.stores.archive, conversation_key(session_id, lines), content, self.engine.clock)
        self._entries += [turn_entry(session_id, line) for line in lines]
        self.sessions += 1
        self.turns += len(lines)
        if len(self._entries) >= SEGMENT_ENTRIES:
            await self.put()

    async def put(self) -> None:
        """Write what there is."""
        if self._entries:
            await append_audit(self.engine, self.stores, self._entries)
            await _settle(self.engine, self.stores, self._entries)
            self._entries = []


async def _new_lines(engine: Engine, stores: TenantStores, row: Row) -> list[LedgerLine]:
    head = decode_head(row.body, row.key)
    done = await _place(engine, stores, head.session_id)
    if head.summary.turns <= done:
        return []
    return [line for line in await read_lines(engine, stores, head) if line.turn > done]


async def _place(engine: Engine, stores: TenantStores, session_id: str) -> int:
    row = await retrying(lambda: stores.table.read(PLACES + session_id), engine.clock)
    return int(row.body) if row else 0


async def settle_last(engine: Engine, stores: TenantStores) -> None:
    """A collection that died behind its segment had not said so in the sessions' places: the segment does.

    Behind it there may be segments that tell of cuts, and of nothing else.
    """
    number, anchor = (await _tail(engine, stores)).number, (await recorded_anchor(engine, stores)).number
    while number > anchor:
        segment = await _segment(engine, stores, number)
        await _settle(engine, stores, segment.entries)
        if not is_only_cuts(segment):
            return
        number -= 1


async def _settle(engine: Engine, stores: TenantStores, entries: Sequence[Entry]) -> None:
    for session_id, turn in newest_turns(entries).items():
        key = PLACES + session_id
        row = await retrying(lambda key=key: stores.table.read(key), engine.clock)  # type: ignore[misc]
        if row is None or int(row.body) < turn:
            await write_end(engine, stores, key, row, str(turn).encode())


async def _tail(engine: Engine, stores: TenantStores) -> Tail:
    """The end of the chain: from where it was recorded last, and then as far as it goes."""
    tail = await recorded_tail(engine, stores)
    while True:
        try:
            tail = await step_on(engine, stores, tail)
        except NotFound:
            return tail


async def step_on(engine: Engine, stores: TenantStores, tail: Tail) -> Tail:
    """One segment on; `NotFound` at the end."""
    name = segment_key(tail.number + 1)
    raw = await retrying(lambda: stores.archive.get(name), engine.clock)
    return check_link(raw, decode_segment(raw, name), tail, name)


async def _segment(engine: Engine, stores: TenantStores, number: int) -> Segment:
    name = segment_key(number)
    return decode_segment(await retrying(lambda: stores.archive.get(name), engine.clock), name)
