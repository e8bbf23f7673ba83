"""What becomes of a reply that could not be delivered: when it is tried again, and when no more."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from outlive.core.keys import SessionId, Tenant
from outlive.core.sessions import Head, Pending
from outlive.errors import Corrupt

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
NO_CHANNEL_PAUSE = 30.0
"""Seconds after which a worker looks again for a reply whose channel it does not have."""
OUTBOXES = "_outbox/"
"""Prefix of the records that say which sessions have replies to be tried again; no tenant's name starts with `_`."""
UNDELIVERED = "undelivered/"
"""Prefix, below a tenant, of the notes about replies that were given up."""
NOTE_TTL = 25 * 86400.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that has replies to be tried again."""

    tenant: Tenant
    session_id: SessionId
    due: float
    since: float = 0.0
    """When the first try of its oldest reply failed; 0 in records that were written before this was noted."""


@dataclass(frozen=True, slots=True)
class DeadReply:
    """A reply that was given up; its text stays in the ledger."""

    session_id: SessionId
    session_key: str
    message_id: str
    turn: int
    tries: int
    at: float
    error: str


def retry_pause(tries: int, retry_after: float) -> float:
    """Seconds until the next try: three times as long after each failure, and never before the vendor allows it."""
    return max(min(FIRST_PAUSE * 3.0 ** (tries - 1), LONGEST_PAUSE), retry_after)


def failed_once_more(pending: Pending, now: float, retry_after: float, progress: str) -> Pending:
    """The reply after one more failure."""
    tries = pending.tries + 1
    return replace(
        pending,
        tries=tries,
        since=pending.since or now,
        next_at=now + retry_pause(tries, retry_after),
        progress=progress or pending.progress,
    )


def put_off(pending: Pending, now: float) -> Pending:
    """The reply after nobody could try it."""
    return replace(pending, since=pending.since or now, next_at=now + NO_CHANNEL_PAUSE)


def replaced(head: Head, pending: Pending) -> Head:
    """The head with this reply as it is now."""
    return replace(head, outbox=tuple(pending if p.message_id == pending.message_id else p for p in head.outbox))


def due(head: Head) -> float | None:
    """When the next of its replies is to be tried; None when nothing waits."""
    return min((pending.next_at for pending in head.outbox), default=None)


def outbox_key(tenant: Tenant, session_id: SessionId) -> str:
    """Where the record of a waiting session lives, in the whole table."""
    return f"{OUTBOXES}{tenant}/{session_id}"


def encode_waiting(waiting: Waiting) -> bytes:
    """The record as stored."""
    return json.dumps([1, waiting.tenant, waiting.session_id, waiting.due, waiting.since]).encode()


def decode_waiting(body: bytes, name: str) -> Waiting:
    """The record back; `Corrupt` names it."""
    try:
        _, tenant, session_id, at, *more = json.loads(body)
        return Waiting(Tenant(tenant), SessionId(session_id), float(at), *(float(each) for each in more[:1]))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="Delete it; the next turn writes it anew.") from error


def note_key(reply: DeadReply) -> str:
    """Where the note about a dead reply lives, below the tenant."""
    return f"{UNDELIVERED}{reply.session_id}/{reply.turn:010d}"


def encode_note(reply: DeadReply) -> bytes:
    """The note as stored."""
    return json.dumps(asdict(reply)).encode()


def decode_note(body: bytes, name: str) -> DeadReply:
    """The note back; `Corrupt` names it."""
    try:
        return DeadReply(**json.loads(body))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="Delete it.") from error
