"""A tool call that waits for a person: the question, who may answer it and until when, the verdict."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from outlive.core.answers import Answer

TOOL_DEFERRED = "tool_deferred"
"""Stop reason of a turn that ends with a question."""
NOT_TAKEN = "answer_not_taken"
"""Stop reason of a turn that only says why an answer changes nothing."""
SHOWN_INPUT = 3000
"""Characters of a call's arguments that the question shows."""
SUMMARY_LENGTH = 80


@dataclass(frozen=True, slots=True)
class DeferredCall:
    """A call that the agent did not make because a person has to allow it."""

    tool_use_id: str
    name: str
    input_json: str
    """Its arguments, whole."""
    rule: str
    """The rule that asked."""
    summary: str
    """The telling argument on one line."""


@dataclass(frozen=True, slots=True)
class Approval:
    """The open question, as small as a head wants it; the whole call is in the transcript."""

    id: str
    """8 hexadecimal digits."""
    tool: str
    summary: str
    digest: str
    """Of the call: its id, its tool and its arguments. Nothing else runs on the answer."""
    rule: str
    message_id: str
    """The message whose turn asked."""
    sender: str
    """Who may answer; empty for anybody in the chat."""
    asked_at: int
    expires_at: int
    """Whole epoch seconds."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdict on one call, as the agent is given it."""

    digest: str
    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that changes nothing, and why, for whoever gave it."""

    reason: str


# ------------------------------------------------------------------------------------------------ asking


def call_digest(tool_use_id: str, name: str, arguments: object) -> str:
    """40 hexadecimal digits that stand for exactly this call, whatever the order of its arguments."""
    canonical = json.dumps([tool_use_id, name, arguments], sort_keys=True, separators=(",", ":"))
    return blake2b(canonical.encode(), digest_size=20).hexdigest()


def ask(call: DeferredCall, *, message_id: str, sender: str, at: float, seconds: float) -> Approval:
    """The question about a call, open for `seconds`."""
    digest = call_digest(call.tool_use_id, call.name, json.loads(call.input_json))
    return Approval(
        id=digest[:8],
        tool=call.name,
        summary=call.summary[:SUMMARY_LENGTH],
        digest=digest,
        rule=call.rule,
        message_id=message_id,
        sender=sender,
        asked_at=int(at),
        expires_at=int(at + seconds),
    )


def question_text(call: DeferredCall, approval: Approval) -> str:
    """The question as every channel can show it; a part of the arguments that is left out is said to be."""
    shown = _arguments_text(call)
    left = len(shown) - SHOWN_INPUT
    more = f"\n(… and {left:,} more characters that are not shown)" if left > 0 else ""
    until = datetime.fromtimestamp(approval.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"May I use {approval.tool}?\n\n{shown[:SHOWN_INPUT]}{more}\n\n"
        f"Answer until {until} with one of\n"
        f"/once {approval.id}  this one time\n"
        f"/always {approval.id}  and do not ask again in this session for {approval.rule}\n"
        f"/deny {approval.id}  not at all; words behind it are told to me\n"
        "Any other message means no."
    )


def _arguments_text(call: DeferredCall) -> str:
    arguments: dict[str, Any] = json.loads(call.input_json)
    values = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in arguments.items())
    return "\n".join(f"{name}: {value}" for name, value in values)


# --------------------------------------------------------------------------------------------- answering


def judge(
    open_: Approval | None, answer: Answer, *, sender: str, at: float, approvers: Collection[str] = ()
) -> Decided | Refused:
    """What an answer given by `sender` at `at` means for the question that is open."""
    if open_ is None:
        return Refused("Nothing is waiting for an answer here.")
    if open_.id != answer.approval_id:
        return Refused(f"Question {answer.approval_id} is not open; the one that is open is {open_.id}.")
    if at >= open_.expires_at:
        return Refused(f"Question {open_.id} has expired: {open_.tool} was not used. Ask for it again if you want it.")
    if open_.sender and sender != open_.sender and sender not in approvers:
        return Refused(f"Question {open_.id} is not yours to answer.")
    if answer.choice == "deny":
        return Decided(open_.digest, allowed=False, reason=denial(answer.note))
    return Decided(open_.digest, allowed=True)


def denial(note: str) -> str:
    """What the model is told about a call that a person refused."""
    said = f" They said: {note}" if note else ""
    return f"The user did not allow this call, and it was not made.{said}"


# ------------------------------------------------------------------------------------------- stored forms


def approval_json(approval: Approval | None) -> dict[str, Any] | None:
    """The question as stored."""
    return None if approval is None else asdict(approval)


def approval_from_json(value: dict[str, Any] | None) -> Approval | None:
    """The question back; `KeyError` or `TypeError` when it is none."""
    return None if value is None else Approval(**value)
