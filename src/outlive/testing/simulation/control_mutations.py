"""Deliberate faults in approvals, limits of money and the kill switch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from outlive.core import approvals, quotas, spending
from outlive.core.approvals import Decided, Refused
from outlive.core.quotas import Control
from outlive.core.spending import Claim, Entry, Granted, Spending
from outlive.errors import Unavailable
from outlive.flows import change_record, run_turn, work_queue
from outlive.flows.limits import count_spending, read_controls
from outlive.flows.limits.read_controls import Controls
from outlive.flows.turn import admit_turn, answer_approval, commit_turn
from outlive.flows.turn.watch_stop import Halt


def late_answers_count() -> AbstractContextManager[Any]:
    """An answer counts after the question has expired."""

    def judge(open_: Any, answer: Any, *, at: float, **rest: Any) -> Any:
        return approvals.judge(open_, answer, at=min(at, open_.expires_at - 1) if open_ else at, **rest)

    return patch.object(answer_approval, "judge", judge)


def anybody_answers() -> AbstractContextManager[Any]:
    """An answer counts whoever gives it."""

    def judge(open_: Any, answer: Any, *, sender: str, **rest: Any) -> Any:
        return approvals.judge(open_, answer, sender=open_.sender if open_ else sender, **rest)

    return patch.object(answer_approval, "judge", judge)


def answered_questions_stay_open() -> AbstractContextManager[Any]:
    """A question is open after its answer, too."""
    real = answer_approval.with_approval

    def with_approval(line: Any, deferred: Any, head: Any, inbound: Any, policy: Any) -> Any:
        line = real(line, deferred, head, inbound, policy)
        return line if line.approval else replace(line, approval=head.approval)

    return patch.object(commit_turn, "with_approval", with_approval)


def refusals_close_questions() -> AbstractContextManager[Any]:
    """A question is gone after a turn in which the agent was not asked."""
    return patch.object(commit_turn, "left_open", lambda line, _head: line)


def denials_are_forgotten() -> AbstractContextManager[Any]:
    """A redelivered answer means yes."""
    real = answer_approval.verdict

    def verdict(head: Any, inbound: Any, policy: Any) -> Decided | Refused | None:
        found = real(head, inbound, policy)
        return replace(found, allowed=True) if isinstance(found, Decided) else found

    return patch.object(run_turn, "verdict", verdict)


def questions_are_not_committed() -> AbstractContextManager[Any]:
    """A turn ends with a question that its line does not keep."""
    real = answer_approval.with_approval

    def with_approval(*given: Any) -> Any:
        return replace(real(*given), approval=None)

    return patch.object(commit_turn, "with_approval", with_approval)


def stop_is_believed_too_long() -> AbstractContextManager[Any]:
    """What a worker has read of the switch, it believes for a quarter of a minute."""
    real = Controls.read

    async def read(self: Controls, table: Any, stores: Any, clock: Any, seconds: float) -> Any:
        return await real(self, table, stores, clock, 3 * seconds)

    return patch.object(Controls, "read", read)


def unreadable_is_unlimited() -> AbstractContextManager[Any]:
    """Where limits and switch cannot be read, there are none."""
    real = read_controls.read_control

    async def read_control(*given: Any) -> Control:
        try:
            return await real(*given)
        except Unavailable:
            return Control()

    return patch.object(read_controls, "read_control", read_control)


def running_turns_are_not_stopped() -> AbstractContextManager[Any]:
    """The switch is not looked at while a turn runs."""

    @asynccontextmanager
    async def halted(*_given: object) -> AsyncIterator[Halt]:
        yield Halt()

    return patch.object(run_turn, "halted_when_told", halted)


def tenant_alone_is_stopped() -> AbstractContextManager[Any]:
    """The switch for all tenants stops nobody."""

    def effective(tenant: Control, everyone: Control, process: Any) -> Control:
        return quotas.effective(tenant, replace(everyone, stopped=None), process)

    return patch.object(admit_turn, "effective", effective)


def controls_written_blindly() -> AbstractContextManager[Any]:
    """A record is written over whatever somebody else has made of it meanwhile."""

    async def write(table: Any, key: str, row: Any, body: bytes) -> None:
        now = await table.read(key)
        await real(table, key, row if now is None else replace(row or now, version=now.version, fence=now.fence), body)

    real = change_record._write
    return patch.object(change_record, "_write", write)


def nothing_is_set_aside() -> AbstractContextManager[Any]:
    """Turns that run at one time know nothing of each other's money."""
    real = spending.reserve

    def reserve(before: Spending, *given: Any) -> Any:
        found = real(before, *given)
        if not isinstance(found, Granted):
            return found
        entries = tuple(replace(each, reserved=0.0) for each in found.spending.entries)
        return replace(found, spending=replace(found.spending, entries=entries))

    return patch.object(count_spending, "reserve", reserve)


def counted_at_every_try() -> AbstractContextManager[Any]:
    """A count that may have landed is made once more."""

    def settle(before: Spending, claim: Claim, now: float) -> Spending:
        entry = spending._entry(before, claim.session_id)
        again = before if entry is None else spending._with(before, replace(entry, fence=claim.fence))
        found = spending.settle(again, claim, now)
        return found if entry is None else spending._with(found, replace(entry, fence=0, counted=entry.counted))

    return patch.object(count_spending, "settle", settle)


@contextmanager
def dead_turns_are_not_counted() -> Iterator[None]:
    """What an earlier holder has left uncounted stays so."""

    def catch_up(before: Spending, claim: Claim, now: float) -> Spending:  # noqa: ARG001
        entry = spending._entry(before, claim.session_id)
        freed = Entry(claim.session_id, claim.fence, 0.0, claim.session_usd)
        return spending._with(before, freed) if entry and entry.fence else before

    with patch.object(spending, "catch_up", catch_up), patch.object(count_spending, "catch_up", catch_up):
        yield


@contextmanager
def adopted_turns_are_not_counted() -> Iterator[None]:
    """Once a dead worker's entry is counted, nothing of its turn is expected any more; so it was until this was run."""

    def catch_up(before: Spending, claim: Claim, now: float) -> Spending:
        entry = spending._entry(before, claim.session_id)
        if entry is None or not entry.fence or entry.fence > claim.fence:
            return before
        return spending.settle(before, replace(claim, fence=entry.fence), now)

    with patch.object(spending, "catch_up", catch_up), patch.object(count_spending, "catch_up", catch_up):
        yield


@contextmanager
def late_claims_are_believed() -> Iterator[None]:
    """A worker under a lease that has passed on sets back what is counted; so it was until this was run."""
    real = spending.reserve

    def reserve(before: Spending, claim: Claim, *given: Any) -> Any:
        entries = [each for each in before.entries if each.session_id != claim.session_id]
        entry = spending._entry(before, claim.session_id)
        if entry is None or (entry.fence < claim.fence and entry.fence):
            return real(before, claim, *given)
        return real(replace(before, entries=tuple(entries)), claim, *given)

    with patch.object(count_spending, "reserve", reserve):
        yield


@contextmanager
def refusals_cost() -> Iterator[None]:
    """A refused turn passes for one that the agent has ended, at a price."""
    real = admit_turn.refused

    async def refused(why: Any, head: Any, on_event: Any) -> Any:
        done = await real(why, head, on_event)
        return replace(done, usage=replace(done.usage, usd=0.01))

    with patch.object(run_turn, "refused", refused):
        yield


def limits_are_not_heeded() -> AbstractContextManager[Any]:
    """A turn is given what it asks for, whatever is left."""
    real = admit_turn._within

    def within(given: Any, max_usd: Any) -> Any:  # noqa: ARG001
        return real(given, given.max_usd_per_turn)

    return patch.object(admit_turn, "_within", within)


def waiting_is_a_receive() -> AbstractContextManager[Any]:
    """A message that waits for a place counts as one whose turn has failed."""
    real = work_queue._give_back

    async def give_back(given: Any, delivery: Any, delay: float, reason: str, *, count: bool) -> None:
        await real(given, delivery, delay, reason, count=count or "the tenant" in reason)

    return patch.object(work_queue, "_give_back", give_back)


FAULTS: Sequence[tuple[str, int, Callable[[], AbstractContextManager[Any]]]] = (
    ("an answer counts after its question has expired", 19, late_answers_count),
    ("anybody may answer", 65, anybody_answers),
    ("a question stays open after its answer", 0, answered_questions_stay_open),
    ("a refused turn closes the open question", 10, refusals_close_questions),
    ("a question is not committed with its turn", 0, questions_are_not_committed),
    ("a no is taken for a yes", 17, denials_are_forgotten),
    ("the switch is believed for three times its seconds", 30, stop_is_believed_too_long),
    ("limits and switch that cannot be read forbid nothing", 13, unreadable_is_unlimited),
    ("running turns are not stopped", 80, running_turns_are_not_stopped),
    ("the switch for all tenants stops nobody", 4, tenant_alone_is_stopped),
    ("limits and switch are written without a version check", 1, controls_written_blindly),
    ("money of running turns is not set aside", 6, nothing_is_set_aside),
    ("a turn is given more than is left", 0, limits_are_not_heeded),
    ("a turn is counted at every try", 60, counted_at_every_try),
    ("a dead worker's turn is not counted", 25, dead_turns_are_not_counted),
    ("an adopted turn is not counted", 223, adopted_turns_are_not_counted),
    ("a late worker's claim is believed", 1216, late_claims_are_believed),
    ("a refusal costs money", 4, refusals_cost),
    ("waiting for a place counts as a receive", 10, waiting_is_a_receive),
)
"""Name, a seed of the histories with controls that finds it, and the fault."""
