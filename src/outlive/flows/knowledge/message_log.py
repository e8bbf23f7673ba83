"""Messages appended to a session one by one, read forwards and backwards by page, removed page by page.

Ids are dense: a number is only tried once the one before it is taken, and taking it is one conditional write. So two
workers in the same millisecond get two ids, nobody who reads forwards ever finds a message behind him, and a page
backwards is where its numbers say. The messages live as long as their session does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from outlive.core.keys import SessionId
from outlive.core.message_log import (
    MESSAGES,
    LoggedMessage,
    decode_message,
    encode_message,
    message_key,
    message_number,
    message_prefix,
    new_message,
    text_bytes,
    text_digest,
    text_key,
    text_prefix,
    tip_key,
)
from outlive.core.sessions import Head
from outlive.errors import AlreadyExists, Conflict, Corrupt, Invalid, NotFound, Unavailable, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.list_all import ROWS, list_all
from outlive.flows.retry import PAUSES, put_once, retrying
from outlive.flows.sessions.scan_mappings import remove_row
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head
from outlive.flows.turn.former_sessions import DAY
from outlive.flows.turn.take_session import take_session
from outlive.protocols import Absent, At, Expected, Keep, ObjectInfo, Row, Table

MAX_PAGE = 200
ATTEMPTS = 1000
NOTE_EVERY = 32
"""How many messages a look for the newest one may have to pass."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Some messages, oldest first."""

    messages: tuple[LoggedMessage, ...]
    before: int | None
    """Give it back for the messages before these; None when there are none."""
    after: int
    """Give it back for the messages behind these, those still to come included."""


async def append_message(
    engine: Engine, stores: TenantStores, session_id: SessionId, role: str, text: str
) -> LoggedMessage:
    """Store the message under the next id and return it.

    `NotFound` without such a session, `Invalid` or `TooLarge` for what cannot be stored; nothing is written then.
    """
    head = await find_head(engine, stores, session_id)
    message = new_message(role, text, at=engine.clock.now(), nonce=engine.new_id())
    if not message.is_whole:
        await put_once(stores.objects, text_key(session_id, message), text_bytes(text), engine.clock)
    number = await _written(engine, stores, session_id, encode_message(message))
    if number % NOTE_EVERY == 0:
        await _note_tip(stores, session_id, number)
    await _slide(engine, stores, head)
    return replace(message, id=number, text=text)


async def read_messages(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> MessagePage:
    """The messages behind `after`, those before `before`, or without either the newest ones, `limit` at most.

    Long texts are cut: `read_message` has them whole. `NotFound` without such a session.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} messages.")
    if after is not None and before is not None:
        raise Invalid("both after and before are given.", fix="Give one of them.")
    await find_head(engine, stores, session_id)
    table = stores.table if before is None else stores.stale  # older messages never change
    if after is None and before is None:
        before = await _tip(engine, stores, session_id) + 1
    start = max(before - limit - 1, 0) if before is not None else max(after or 0, 0)
    rows = await _rows(engine, table, session_id, start, limit)
    found = [decode_message(row.body, row.key) for row in rows]
    page = tuple(each for each in found if before is None or each.id < before)
    first = page[0].id if page else 0
    return MessagePage(page, first if first > 1 else None, page[-1].id if page else start)


async def read_message(engine: Engine, stores: TenantStores, session_id: SessionId, number: int) -> LoggedMessage:
    """One message with its whole text; `NotFound` when there is none of that id, `Corrupt` when it is damaged."""
    await find_head(engine, stores, session_id)
    key = message_key(session_id, number)
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    if row is None:
        raise NotFound(f"session {session_id} has no message {number}.", fix="Read a page to see its ids.")
    return await whole_message(engine, stores, session_id, row)


async def whole_message(engine: Engine, stores: TenantStores, session_id: SessionId, row: Row) -> LoggedMessage:
    """The message of a record with its whole text; `Corrupt` names what is damaged."""
    message = decode_message(row.body, row.key)
    if message.is_whole:
        return message
    where = text_key(session_id, message)
    raw = await retrying(lambda: stores.objects.get(where), engine.clock)
    if text_digest(raw) != message.digest:
        raise Corrupt(f"object {where} is not the text of message {message.id}.", fix="Restore it from a backup.")
    return replace(message, text=raw.decode(errors="surrogatepass"), digest="")


async def delete_messages(engine: Engine, stores: TenantStores, session_id: SessionId) -> int:
    """Remove every message there is, page by page until none is left, and return how many there were."""
    removed = 0
    while rows := await _rows(engine, stores.table, session_id, 0, ROWS):
        for row in rows:
            removed += await remove_row(engine, stores, row)
    await _remove_texts(engine, stores, session_id)
    tip = await retrying(lambda: stores.table.read(tip_key(session_id)), engine.clock)
    if tip is not None:
        await remove_row(engine, stores, tip)
    return removed


@dataclass(frozen=True, slots=True)
class StoredMessages:
    """Everything there is of a session's messages."""

    rows: Sequence[Row] = ()
    texts: Sequence[ObjectInfo] = ()

    @property
    def sizes(self) -> list[int]:
        """Bytes of each record and each long text."""
        return [len(row.body) for row in self.rows] + [info.size for info in self.texts]


async def stored_messages(engine: Engine, stores: TenantStores, session_id: SessionId) -> StoredMessages:
    """The records and the long texts, with a head or without."""
    rows: list[Row] = []
    while page := await _rows(engine, stores.table, session_id, message_number(rows[-1].key) if rows else 0, ROWS):
        rows += page
    return StoredMessages(rows, await list_all(stores.objects, text_prefix(session_id), engine.clock))


async def sessions_with_messages(engine: Engine, stores: TenantStores) -> list[SessionId]:
    """Every session that has messages, with a head or without: one request each."""
    found: list[SessionId] = []
    after = ""
    while rows := await retrying(partial(stores.table.scan, MESSAGES, after=after, limit=1), engine.clock):
        found.append(SessionId(rows[0].key.split("#")[1]))
        after = message_prefix(found[-1]) + "~"  # behind every number
    return found


async def _remove_texts(engine: Engine, stores: TenantStores, session_id: SessionId) -> None:
    texts = [info.key for info in await list_all(stores.objects, text_prefix(session_id), engine.clock)]
    if texts:
        await retrying(lambda: stores.objects.delete(texts), engine.clock)


# -------------------------------------------------------------------------------------------- appending


async def _written(engine: Engine, stores: TenantStores, session_id: SessionId, body: bytes) -> int:
    """The number under which the body was stored; an unanswered write is looked for before it is repeated."""
    number, failures = await _tip(engine, stores, session_id) + 1, 0
    for _ in range(ATTEMPTS):
        key = message_key(session_id, number)
        try:
            await stores.table.write(key, body, expected=Absent(), lease=Keep(), expires_at=None)
        except AlreadyExists:
            if not await _is_ours(engine, stores, key, body):
                number += 1
                continue
        except Unavailable:
            if failures == len(PAUSES):
                raise
            await engine.clock.sleep(PAUSES[failures])
            failures += 1
            continue
        return number
    raise Conflict(f"session {session_id} is appended to by too many at once.", fix="Try again.")


async def _is_ours(engine: Engine, stores: TenantStores, key: str, body: bytes) -> bool:
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    return row is not None and row.body == body


async def _tip(engine: Engine, stores: TenantStores, session_id: SessionId) -> int:
    """The newest id, 0 without any: from where it was a while ago, onwards."""
    row = await retrying(lambda: stores.table.read(tip_key(session_id)), engine.clock)
    number = int(row.body) if row else 0
    while rows := await _rows(engine, stores.table, session_id, number, ROWS):
        number = message_number(rows[-1].key)
    return number


async def _note_tip(stores: TenantStores, session_id: SessionId, number: int) -> None:
    with suppress(Unavailable, AlreadyExists, VersionConflict):  # the next one does it
        row = await stores.table.read(tip_key(session_id))
        if row is not None and int(row.body) >= number:
            return
        expected: Expected = At(row.version, row.fence) if row else Absent()
        body = str(number).encode()
        await stores.table.write(tip_key(session_id), body, expected=expected, lease=Keep(), expires_at=None)


async def _rows(engine: Engine, table: Table, session_id: SessionId, after: int, limit: int) -> Sequence[Row]:
    prefix, start = message_prefix(session_id), message_key(session_id, after)
    return await retrying(lambda: table.scan(prefix, after=start, limit=limit), engine.clock)


async def _slide(engine: Engine, stores: TenantStores, head: Head) -> None:
    """A session that is only appended to stays alive, too; once a day, and not while a turn, which does it, runs."""
    now = engine.clock.now()
    if head.updated_at + DAY > now:
        return
    with suppress(Conflict, Unavailable):
        lease = await take_session(engine, stores, head.session_id)
        await lease.release(replace(lease.head, updated_at=now))
