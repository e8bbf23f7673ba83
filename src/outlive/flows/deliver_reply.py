"""Replies out of the outbox: committed first, sent after, tried again by themselves, never made again."""

from __future__ import annotations

from outlive.core.approvals import TOOL_DEFERRED
from outlive.core.keys import parse_session_key
from outlive.core.ledger import LedgerLine
from outlive.core.outbox import NOTE_TTL, DeadReply, due, encode_note, failed_once_more, note_key, put_off, replaced
from outlive.core.sessions import Head, Pending, delivered
from outlive.core.telemetry import ReplyDelivered, ReplyGivenUp, ReplyPutOff, fault_of
from outlive.errors import OutliveError, Unavailable, Undelivered
from outlive.flows.delivery.remember_outbox import remember_outbox
from outlive.flows.engine import Engine
from outlive.flows.overwrite import overwrite
from outlive.flows.telemetry import about
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.outgoing_files import named, reply_files
from outlive.flows.turn.read_ledger import read_line
from outlive.protocols import Reply, ReplyFile

EMPTY = {"interrupted": "Stopped.", "end_turn": "(no text)"}
"""What a reply without a text says, by why the turn ended."""


async def deliver_pending(engine: Engine, stores: TenantStores, head: Head, *, known: LedgerLine | None) -> Head:
    """Try every reply that is due, oldest first per session key, and return the head with what is left.

    A reply that cannot be sent now stays with the time of its next try, and the session is noted for the retry loop: a
    channel's failure never fails the turn. `known` is a line that need not be read again. What was sent counts as sent
    only when the caller writes the head, so it may be sent once more: at least once, never a second model call.
    """
    blocked: set[str] = set()
    for pending in head.outbox:
        if pending.session_key in blocked or pending.next_at > engine.clock.now():
            blocked.add(pending.session_key)
            continue
        line = known if known and known.message_id == pending.message_id else None
        line = line or await read_line(engine, stores, head, pending.offset)
        whom = {"tenant": stores.tenant, "session_id": head.session_id, "session_key": pending.session_key}
        with about(**whom, message_id=pending.message_id, turn=pending.turn), engine.telemetry.span("reply"):
            left = await _deliver(engine, stores, head, pending, line)
        if left is None:
            head = delivered(head, pending.message_id)
        else:
            head = replaced(head, left)
            blocked.add(pending.session_key)
    if (at := due(head)) is not None:
        since = min((pending.since for pending in head.outbox if pending.since), default=0.0)
        await remember_outbox(engine, stores.tenant, head.session_id, at, since)
    return head


def reply_of(pending: Pending, line: LedgerLine, files: tuple[ReplyFile, ...] = ()) -> Reply:
    """What a channel is given; files that it is not given are named in the text."""
    text = line.reply if line.reply.strip() else EMPTY.get(line.stop_reason, f"({line.stop_reason})")
    last = line.joined[-1] if line.joined else line.message_id
    return Reply(
        pending.session_key,
        pending.message_id,
        pending.turn,
        text if files else text + named(line.files),
        question=line.approval if line.stop_reason == TOOL_DEFERRED else None,
        reply_to=last,
        stop_reason=line.stop_reason,
        progress=pending.progress,
        files=files,
    )


async def _deliver(
    engine: Engine, stores: TenantStores, head: Head, pending: Pending, line: LedgerLine
) -> Pending | None:
    """Send it; what stays in the outbox, None when it is settled."""
    tell, channel = engine.telemetry.event, parse_session_key(pending.session_key).channel
    try:
        await send_reply(engine, reply_of(pending, line, _files(engine, stores, head, line)))
        tell(ReplyDelivered(channel, engine.clock.now() - line.at, pending.tries + 1))
    except Unavailable as error:
        now = engine.clock.now()
        left = _left(engine, pending, error, now)
        if left.since + engine.policy.give_up_seconds > now:
            tell(ReplyPutOff(channel, now - line.at, left.tries, fault_of(error)))
            return left
        await _give_up(engine, stores, head, left, f"given up: {error}")
        tell(ReplyGivenUp(channel, now - line.at, left.tries, fault_of(error)))
    except OutliveError as error:
        await _give_up(engine, stores, head, pending, str(error))
        tell(ReplyGivenUp(channel, engine.clock.now() - line.at, pending.tries + 1, fault_of(error)))
    return None


def _files(engine: Engine, stores: TenantStores, head: Head, line: LedgerLine) -> tuple[ReplyFile, ...]:
    """Of the line, where its channel sends files."""
    channel = engine.channels.get(parse_session_key(line.session_key).channel)
    return reply_files(engine, stores, head, line) if getattr(channel, "sends_files", False) else ()


def _left(engine: Engine, pending: Pending, error: Unavailable, now: float) -> Pending:
    if parse_session_key(pending.session_key).channel not in engine.channels:
        return put_off(pending, now)
    after, progress = (error.retry_after, error.progress) if isinstance(error, Undelivered) else (0.0, "")
    return failed_once_more(pending, now, after, progress)


async def send_reply(engine: Engine, reply: Reply) -> None:
    """Hand it to its channel; `Unavailable` to try again, any other error of ours to give up.

    A channel that is not set up here is tried again: another worker may have it. So is one with a defect, which a new
    release may mend.
    """
    name = parse_session_key(reply.session_key).channel
    channel = engine.channels.get(name)
    if channel is None:
        raise Undelivered(
            f"channel {name!r} is not set up on this worker.", fix="Set it up, or run the worker that has it."
        )
    try:
        await channel.deliver(reply)
    except OutliveError:
        raise
    except Exception as error:
        raise Undelivered(f"channel {name!r} failed unexpectedly: {error!r}.", original=error) from error


async def _give_up(engine: Engine, stores: TenantStores, head: Head, pending: Pending, error: str) -> None:
    """Keep a note that people find; the text itself stays in the ledger."""
    now = engine.clock.now()
    note = DeadReply(
        head.session_id, pending.session_key, pending.message_id, pending.turn, pending.tries + 1, now, error
    )
    await overwrite(stores.table, note_key(note), encode_note(note), engine.clock, expires_at=now + NOTE_TTL)
