"""The decisions of a turn, as plain functions called between awaits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from outlive.core.keys import message_digest
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound, whole_text
from outlive.core.packs import PackRef
from outlive.core.sessions import ANSWERED_WINDOW, TITLE_LENGTH, Answered, Head, Pending, Summary

CLOCK_MARGIN = 3600.0
"""How far clocks of senders and workers may differ before a repeat is looked up in the history, in seconds."""


class CrashPolicy(Enum):
    """What becomes of a turn whose worker died: finish it, or run it again from the last commit."""

    CONTINUE = "continue"
    RERUN = "rerun"


# ------------------------------------------------------------------------------- has it been answered?


@dataclass(frozen=True, slots=True)
class New:
    """Nobody has answered it: run it."""


@dataclass(frozen=True, slots=True)
class Known:
    """It was answered by this turn: send that reply again if it is still pending, run nothing."""

    answered: Answered


@dataclass(frozen=True, slots=True)
class Unsure:
    """Older than the window: look into the ledger before anything is run."""


def look_up(head: Head, message_id: str, sent_at: float) -> New | Known | Unsure:
    """Whether the head knows an answer to this message."""
    digest = message_digest(message_id)
    for answered in reversed(head.answered):
        if answered.digest == digest:
            return Known(answered)
    # `answered_until` has lost its fraction of a second: without the 1 the margin was that much too small
    if head.answered_until and sent_at < head.answered_until + 1 + CLOCK_MARGIN:
        return Unsure()
    return New()


# --------------------------------------------------------------------------- what did a dead holder leave?


@dataclass(frozen=True, slots=True)
class Flush:
    """The newest provisional pack of a turn that was never committed."""

    ref: PackRef
    fence: int
    message_id: str
    message: str
    """The inbound message, encoded."""
    agent_session_id: str | None
    complete: bool
    """The turn had ended and its ledger line is in the pack: only the commit was missing."""
    handed_over: bool = False
    """Its worker let it go in good order, because its time was up: it is continued under any policy."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run the message from the committed version."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Restore the flushed bytes and let the agent finish the turn by itself."""

    flush: Flush


@dataclass(frozen=True, slots=True)
class Adopt:
    """Commit what the dead holder had finished; the agent is not run."""

    flush: Flush


def after_crash(flushes: Sequence[Flush], message_id: str, policy: CrashPolicy) -> Start | Continue | Adopt:
    """What to do with what a dead holder left, when this message is to be answered.

    Flushes of another message count for nothing: that message was never acknowledged and comes again by itself.
    """
    own = [flush for flush in flushes if flush.message_id == message_id]
    if policy is CrashPolicy.RERUN:
        own = [flush for flush in own if flush.complete or flush.handed_over]
    if not own:
        return Start()
    newest = max(own, key=lambda flush: (flush.complete, flush.fence, flush.ref.name))
    if newest.complete:
        return Adopt(newest)
    if newest.agent_session_id is None:
        return Start()
    return Continue(newest)


# ------------------------------------------------------------------------- the ledger and the head after a commit


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What the agent ended with."""

    text: str
    agent_session_id: str
    stop_reason: str = "end_turn"
    is_error: bool = False
    usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_version: str = ""
    agent_turns: int = 0
    seconds: float = 0.0


def committed(
    head: Head, line: LedgerLine, *, fence: int, ledger_size: int, packs: tuple[PackRef, ...], region: str
) -> Head:
    """The head after this turn in the worker's `region`: version n+1, message answered, reply in the outbox."""
    offset = head.ledger_size
    new = [Answered(message_digest(each), line.turn, offset, int(line.at)) for each in (line.message_id, *line.joined)]
    answered = (*head.answered, *new)
    left = answered[:-ANSWERED_WINDOW]
    return replace(
        head,
        version=line.version,
        prompt_version=line.prompt_version or head.prompt_version,
        agent_session_id=line.agent_session_id or head.agent_session_id,
        packs=packs,
        ledger_size=ledger_size,
        answered=answered[-ANSWERED_WINDOW:],
        answered_until=max([head.answered_until, *(gone.at for gone in left)]),
        outbox=(*head.outbox, Pending(line.message_id, line.session_key, line.turn, offset)),
        summary=_summary(head.summary, line),
        clean_fence=fence,
        updated_at=line.at,
        last_active_region=region,
        approval=line.approval,
        lifted_rules=(*head.lifted_rules, line.lifted) if line.lifted else head.lifted_rules,
    )


def _summary(before: Summary, line: LedgerLine) -> Summary:
    return Summary(
        title=before.title or " ".join(line.text.split())[:TITLE_LENGTH],
        turns=line.turn,
        usd=round(before.usd + line.usd, 6),
        input_tokens=before.input_tokens + line.input_tokens,
        output_tokens=before.output_tokens + line.output_tokens,
        cache_read_tokens=before.cache_read_tokens + line.cache_read_tokens,
        cache_write_tokens=before.cache_write_tokens + line.cache_write_tokens,
        agent_turns=before.agent_turns + line.agent_turns,
        seconds=round(before.seconds + line.seconds, 3),
    )


def ledger_line(head: Head, inbound: Inbound, done: TurnResult, *, at: float, fence: int, worker: str) -> LedgerLine:
    """The line of the turn that is about to be committed."""
    return LedgerLine(
        turn=head.summary.turns + 1,
        version=head.version + 1,
        at=at,
        message_id=inbound.message_id,
        session_key=str(inbound.key),
        sender=inbound.sender,
        text=whole_text(inbound),
        reply=done.text,
        agent_session_id=done.agent_session_id,
        stop_reason=done.stop_reason,
        is_error=done.is_error,
        usd=done.usd,
        input_tokens=done.input_tokens,
        output_tokens=done.output_tokens,
        cache_read_tokens=done.cache_read_tokens,
        cache_write_tokens=done.cache_write_tokens,
        agent_turns=done.agent_turns,
        seconds=done.seconds,
        fence=fence,
        worker=worker,
        prompt_version=done.prompt_version,
        joined=tuple(each.message_id for each in inbound.joined),
    )


def lease_renewal(lease_seconds: float) -> float:
    """How long to wait between renewals: a third, so that two may fail before the lease runs out."""
    return lease_seconds / 3
