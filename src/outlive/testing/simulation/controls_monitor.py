"""What must be true at every moment of approvals, limits of money and the kill switch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from outlive.core.approvals import NOT_TAKEN, TOOL_DEFERRED, Approval
from outlive.core.keys import CONTROL_KEY, SPENDING_KEY
from outlive.core.ledger import LedgerLine, decode_line
from outlive.core.messages import Inbound, decode_inbound
from outlive.core.packs import decode_pack
from outlive.core.quotas import Control, Stop, decode_control, stopped_text
from outlive.core.sessions import Head
from outlive.core.spending import Spending, decode_spending
from outlive.protocols import AgentTurn, LeaseChange, Reply, Row
from outlive.testing.simulation.control_history import ControlHistory
from outlive.testing.simulation.controls import CONTROL_SECONDS, LEAST, RULE, Run, Spoken
from outlive.testing.simulation.monitor import Monitor, SessionBelief
from outlive.testing.simulation.processes import HELD, MESSAGE, Process

LIMITS = ("session_limit", "day_limit", "month_limit")
NOT_STARTED, STOPPED = "not_started", "stopped"
Fenced = tuple[str, int]
"""A session and the fence of one lease of it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease when it was taken."""

    at: float
    session_usd: float
    days: float
    """What the tenant's record had counted then."""


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A run of the agent that goes on."""

    at: float
    tenant: str
    fence: int


@dataclass(slots=True)
class Money:
    """A tenant's, as the monitor has added it up."""

    committed: float = 0.0
    """Of all turns."""
    beside: float = 0.0
    """Of turns that held no place when they were committed: adopted, or freed by others since their lease ran out."""
    gone: float = 0.0
    """Of sessions that were erased."""
    spending: Spending = field(default_factory=Spending)


class ControlsMonitor(Monitor):
    """Sees what the monitor sees, and judges it by what was said, set and thrown."""

    def __init__(self, blobs: dict[str, tuple[bytes, float]], controls: ControlHistory, *, is_quiet: bool) -> None:
        """`is_quiet`: nothing goes wrong in this history, so what has to happen soon can be timed."""
        super().__init__(blobs)
        self.controls, self._is_quiet = controls, is_quiet
        self.spoken: dict[str, Spoken] = {}
        """message -> the answer that it is."""
        self.lines: dict[tuple[str, str], LedgerLine] = {}
        """(session key, message) -> its turn's line."""
        self.money: dict[str, Money] = {}
        self.answered: set[str] = set()
        """Digests of calls on which a verdict was committed."""
        self.allowed: set[str] = set()
        """Of these, where it was a yes."""
        self._questions: dict[str, Approval | None] = {}
        self._lifted: dict[str, tuple[str, ...]] = {}
        self._taken: dict[Fenced, Taken] = {}
        self._runs: dict[Fenced, Run] = {}
        self._freed: set[Fenced] = set()
        self._running: list[Begun] = []
        self._spent: dict[str, float] = {}

    # ------------------------------------------------------------------------------------------- records

    def row_written(self, by: Process, before: Row | None, after: Row, lease: LeaseChange | None) -> None:
        """A record has changed; `lease` is None for an acquire."""
        tenant, _, rest = after.key.partition("/")
        if rest == CONTROL_KEY:
            self._control_written(by, before, after)
        elif rest == SPENDING_KEY:
            self._spending_written(tenant, before, after)
        super().row_written(by, before, after, lease)
        if rest.startswith("head/") and (lease is None or before is None):
            name = rest.removeprefix("head/")
            head, spent = self._heads[name], self.of(tenant).spending
            self._taken[name, after.fence] = Taken(_now(), head.summary.usd, sum(spent.days.values()))

    def _control_written(self, by: Process, before: Row | None, after: Row) -> None:
        old = decode_control(before.body, before.key) if before else Control()
        if wrong := self.controls.written(by, after.key.partition("/")[0], old, decode_control(after.body, after.key)):
            self.fail("an operator's word was lost", f"{by.name} changed {after.key}: {wrong}")

    def _spending_written(self, tenant: str, before: Row | None, after: Row) -> None:
        money, old = self.of(tenant), decode_spending(before.body if before else None, after.key)
        money.spending = new = decode_spending(after.body, after.key)
        counted = sum(new.days.values())
        if counted > money.committed + LEAST:
            self.fail("money was counted twice", f"{tenant}: {counted} counted, {money.committed} committed")
        if counted < sum(old.days.values()) - LEAST:
            self.fail("money was forgotten", f"{tenant}: {old.days} became {new.days}")
        left = {(each.session_id, each.fence) for each in new.running}
        self._freed |= {(e.session_id, e.fence) for e in old.running if (e.session_id, e.fence) not in left}

    # --------------------------------------------------------------------------------------------- turns

    def _turn(self, name: str, belief: SessionBelief, after: Head, said: tuple[str, ...]) -> tuple[str, ...]:
        told = super()._turn(name, belief, after, said)
        line = self._line(name, belief, after)
        if line is None:
            return told
        self.lines[line.session_key, line.message_id] = line
        before, question = self._questions.get(name), after.approval
        is_run = self._judge(name, belief.tenant, line, before)
        self._check_question(name, line, before, question, is_run=is_run)
        self._check_lifted(name, line, before, after, is_run=is_run)
        self._add_money(name, belief, line)
        self._questions[name], self._lifted[name] = question, after.lifted_rules
        answers = line.message_id in self.spoken and self.spoken[line.message_id].is_rightful(before)
        return told if is_run and not answers else said

    def _line(self, name: str, belief: SessionBelief, head: Head) -> LedgerLine | None:
        """The turn's line, as the pack that was committed has it."""
        ref = head.packs[-1]
        stored = self._blobs[f"{belief.tenant}/sessions/{name}/packs/{ref.name}"][0]
        data = bytes(decode_pack(ref.name, stored, expected=ref).data)
        start = data.find(b'{"turn":%d,"version":%d,"at":' % (head.summary.turns, head.version))
        if start < 0:
            self.fail("a turn without a line", f"session {name}, version {head.version}")
            return None
        return decode_line(data[start : data.index(b"\n", start)])

    def _judge(self, name: str, tenant: str, line: LedgerLine, question: Approval | None) -> bool:
        """Whether this end of a turn is one that may be; and whether the agent was asked for it."""
        place, spoken = (name, line.fence), self.spoken.get(line.message_id)
        is_rightful = spoken is not None and spoken.is_rightful(question)
        told = f"session {name}, version {line.version}, {line.message_id}: {line.stop_reason}, {line.reply!r}"
        if line.stop_reason == NOT_TAKEN:
            if spoken is None or is_rightful or line.usd:
                self.fail("an answer was not taken that counts", told)
            return False
        if spoken is not None and not is_rightful:
            self.fail("an answer was taken that does not count", told)
        if line.stop_reason in (NOT_STARTED, *LIMITS):
            if line.usd or not self._may_be_refused(tenant, place, line):
                self.fail("refused without a reason", told)
            return False
        self._judge_run(place, tenant, line, question if is_rightful else None, told)
        return True

    def _judge_run(self, place: Fenced, tenant: str, line: LedgerLine, decided: Approval | None, told: str) -> None:
        run = self._runs.get(place)
        if run is None:
            self.fail("a turn that no agent ran", told)
            return
        if abs(run.usd - line.usd) > LEAST or not line.reply.startswith(run.text):
            self.fail("another run was committed", f"{told}: the agent told of {run}")
        if run.decided != (decided.digest if decided else ""):
            self.fail("a verdict reached another call", f"{told}: {run.decided}")
        if decided is not None:
            self.answered.add(decided.digest)
            self.allowed |= {decided.digest} if self.spoken[line.message_id].allows else set()
        if line.stop_reason == STOPPED and not self._was_stopped(tenant, self._since(place), line.reply):
            self.fail("stopped without a reason", told)
        if line.stop_reason == "interrupted":
            self.fail("stopped, and nobody is told why", told)

    def _check_question(
        self, name: str, line: LedgerLine, before: Approval | None, after: Approval | None, *, is_run: bool
    ) -> None:
        """Whether the question that is open now is the one that has to be."""
        told = f"session {name}, version {line.version}, {line.stop_reason}: {before} became {after}"
        if after != line.approval:
            self.fail("head and line ask different questions", told)
        if not is_run:
            is_open = before is not None and line.at < before.expires_at
            if after != (before if is_open else None):
                self.fail("a question was closed that nobody answered", told)
            return
        asked = self._runs[name, line.fence].asked if (name, line.fence) in self._runs else ""
        if (after.digest if after else "") != asked or (line.stop_reason == TOOL_DEFERRED) != bool(asked):
            self.fail("a question is not what the agent asks", told)

    def _check_lifted(self, name: str, line: LedgerLine, before: Approval | None, after: Head, *, is_run: bool) -> None:
        """A rule is lifted by a rightful `always` alone that has had its turn, and stays so."""
        spoken, known = self.spoken.get(line.message_id), self._lifted.get(name, ())
        is_always = spoken is not None and spoken.answer.choice == "always" and spoken.is_rightful(before)
        is_lifted = is_run and is_always
        if after.lifted_rules != ((*known, RULE) if is_lifted else known):
            self.fail("a rule was lifted", f"session {name}, version {after.version}: {after.lifted_rules}")

    def _moved_on(self, name: str, belief: SessionBelief, before: Head, after: Head) -> None:
        super()._moved_on(name, belief, before, after)
        if self._index(name, belief, after).get("kind") in ("rewind", "fork"):
            if after.approval is not None:
                self.fail("a question has outlived its tree", f"session {name}, version {after.version}")
            self._questions[name], self._lifted[name] = None, after.lifted_rules

    def _erased(self, name: str, belief: SessionBelief) -> None:
        super()._erased(name, belief)
        self.of(belief.tenant).gone += self._spent.pop(name, 0.0)
        self._questions.pop(name, None)
        self._lifted.pop(name, None)

    # --------------------------------------------------------------------------------------------- money

    def of(self, tenant: str) -> Money:
        """The tenant's money."""
        return self.money.setdefault(tenant, Money())

    def _add_money(self, name: str, belief: SessionBelief, line: LedgerLine) -> None:
        money = self.of(belief.tenant)
        money.committed = round(money.committed + line.usd, 6)
        self._spent[name] = self._spent.get(name, 0.0) + line.usd
        if line.fence != belief.fence or (name, line.fence) in self._freed:
            money.beside = round(money.beside + line.usd, 6)
        most = self.controls.most_money(belief.tenant)
        if most is not None and money.committed - money.beside - money.gone > most + LEAST:
            self.fail("a limit was passed", f"{belief.tenant} has spent {money} of {most}")

    def _check_given(self, place: Fenced, tenant: str, max_usd: float | None) -> None:
        """A turn never starts with more than is left, by limits that its worker may have known."""
        taken = self._taken[place]
        most = self.controls.most_for_a_turn(tenant, taken.at, taken.session_usd, taken.days)
        if most is not None and (max_usd is None or max_usd > most + LEAST):
            self.fail("a turn was given more than is left", f"{place} was given {max_usd}, and {most} is left")

    # ---------------------------------------------------------------------------------------- the agent

    def run_began(self, by: Process, session_id: str, turn: AgentTurn) -> Begun:
        """An agent was asked."""
        place, tenant = HELD.get(), turn.root.parts[2]
        message = _message()
        self.agent_started(by, session_id, (str(message.key), message.message_id))
        if place[0] == session_id:
            if stop := self.controls.has_been_stopped(tenant, self._since(place)):
                self.fail("a turn began that was stopped", f"{by.name} asks for {message.message_id}: {stop}")
            if self.controls.has_been_unreadable(self._since(place)):
                self.fail("a turn began that may be forbidden", f"{by.name} asks for {message.message_id}")
            self._check_given(place, tenant, turn.max_usd)
        begun = Begun(_now(), tenant, place[1])
        self._running.append(begun)
        most = self.controls.most_at_once if self._is_quiet else None
        if most is not None and len([each for each in self._running if each.tenant == tenant]) > most:
            self.fail("too many turns at once", f"{tenant}: {len(self._running)} of {most}")
        return begun

    def run_goes_on(self, by: Process, session_id: str, begun: Begun) -> None:
        """It has got a step further."""
        if self._is_quiet and (stop := self.controls.is_overdue(begun.tenant, begun.at)):
            self.fail("a stopped turn goes on", f"{by.name} runs session {session_id}: {stop}")

    def run_ended(self, session_id: str, begun: Begun) -> None:  # noqa: ARG002 - told apart by what it began as
        """It is over, in whichever way."""
        self._running = [each for each in self._running if each is not begun]

    def run_told(self, session_id: str, run: Run) -> None:
        """It has come to its end, and tells of itself."""
        name, fence = HELD.get()
        if name == session_id:
            self._runs[name, fence] = replace(run)

    def call_made(self, by: Process, session_id: str, digest: str) -> None:
        """A call that a person had to allow was made."""
        spoken = self.spoken.get(_message().message_id)
        told = f"{by.name} made {digest} in session {session_id}, told by {spoken}"
        if spoken is None or not spoken.allows or spoken.answer.approval_id != digest[:8]:
            self.fail("a call was made that nobody allowed", told)
        elif HELD.get() == (session_id, self.sessions[session_id].fence):
            question = self._questions.get(session_id)
            if question is None or question.digest != digest or not spoken.is_rightful(question):
                self.fail("a call was made whose question is not open", f"{told}; open is {question}")
            if digest in self.answered:
                self.fail("a call was made again", told)

    # --------------------------------------------------------------------------------------- the outside

    def given_back(self, by: Process, reason: str, *, is_counted: bool) -> None:
        """Who waits for a place, or for money that is set aside, becomes no dead letter by it."""
        if is_counted and ("turns of the tenant" in reason or "set aside" in reason):
            self.fail("waiting was counted as a receive", f"{by.name}: {reason}")

    def _check_reply(self, reply: Reply) -> None:
        line = self.lines.get((reply.session_key, reply.message_id))
        if line is None:
            return
        if reply.text != line.reply:
            self.fail("another reply was sent", f"{reply.message_id}: {reply.text!r}, not {line.reply!r}")
        if reply.question != (line.approval if line.stop_reason == TOOL_DEFERRED else None):
            self.fail("another question was sent", f"{reply.message_id}: {reply.question}")

    def _may_be_refused(self, tenant: str, place: Fenced, line: LedgerLine) -> bool:
        since = self._since(place)
        if line.stop_reason == NOT_STARTED:
            return self._was_stopped(tenant, since, line.reply)
        limit = {"session_limit": "max_usd_per_session", "day_limit": "max_usd_per_day"}.get(line.stop_reason)
        used = self.of(tenant).committed  # what is not in the record yet counts when a turn asks for its place
        if line.stop_reason == "session_limit":
            used = self._heads[place[0]].summary.usd
        return self.controls.may_be_used_up(tenant, since, limit or "max_usd_per_month", used)

    def _was_stopped(self, tenant: str, since: float, reply: str) -> bool:
        stops: list[Stop] = self.controls.stops(tenant, since)
        return any(reply.endswith(stopped_text(each)) for each in stops)

    def _since(self, place: Fenced) -> float:
        """How far back a worker's knowledge of the controls may reach, under this lease."""
        return self._taken[place].at - CONTROL_SECONDS


def _message() -> Inbound:
    """What the code that runs now is at work on."""
    return decode_inbound(MESSAGE.get())


def _now() -> float:
    return asyncio.get_running_loop().time()
