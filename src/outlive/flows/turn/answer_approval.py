"""A person's answer to a waiting tool call: judged against the head, and what it leaves in ledger and head."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.answers import answer_in
from outlive.core.approvals import NOT_TAKEN, Decided, Refused, ask, judge, question_text
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound
from outlive.core.sessions import Head
from outlive.flows.engine import Policy
from outlive.protocols import DeferredCall, TurnDone


def with_answer(inbound: Inbound) -> Inbound:
    """The message with the answer that its words are, for channels that know no buttons."""
    return inbound if inbound.answer else replace(inbound, answer=answer_in(inbound.text))


def verdict(head: Head, inbound: Inbound, policy: Policy) -> Decided | Refused | None:
    """What the message means for the open question; None when it answers none.

    An answer counts from when it was sent: one that was given in time is not lost to a queue, or to a worker that
    died while it ran the call.
    """
    if inbound.answer is None:
        return None
    return judge(head.approval, inbound.answer, sender=inbound.sender, at=inbound.sent_at, approvers=policy.approvers)


def not_taken(head: Head, refused: Refused) -> TurnDone:
    """The end of a turn that only says why the answer changes nothing; no agent runs."""
    return TurnDone(refused.reason, head.agent_session_id or "", stop_reason=NOT_TAKEN)


def with_approval(
    line: LedgerLine, deferred: DeferredCall | None, head: Head, inbound: Inbound, policy: Policy
) -> LedgerLine:
    """The turn's line with the question that is open behind it, and the rule that was lifted in it."""
    if deferred is not None:
        question = ask(
            deferred, message_id=line.message_id, sender=line.sender, at=line.at, seconds=policy.approval_seconds
        )
        text = "\n\n".join(part for part in (line.reply, question_text(deferred, question)) if part)
        line = replace(line, reply=text, approval=question)
    lifted = inbound.answer is not None and inbound.answer.choice == "always" and head.approval is not None
    return replace(line, lifted=head.approval.rule) if lifted and head.approval else line


def left_open(line: LedgerLine, head: Head) -> LedgerLine:
    """The line of a turn in which the agent was not asked: what waited before it waits on, until it expires."""
    still_open = head.approval is not None and line.at < head.approval.expires_at
    return replace(line, approval=head.approval) if still_open else line


def lifted_rules(head: Head, inbound: Inbound) -> tuple[str, ...]:
    """What no longer asks while this message is answered: an `always` counts at once."""
    always = inbound.answer is not None and inbound.answer.choice == "always"
    return (*head.lifted_rules, head.approval.rule) if always and head.approval else head.lifted_rules
