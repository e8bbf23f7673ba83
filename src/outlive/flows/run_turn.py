"""One message, one turn: lease, hydrate, run, commit, deliver, release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from outlive.core.approvals import Refused
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound, check_inbound, whole_text
from outlive.core.quotas import Refusal
from outlive.core.turns import Adopt, Continue, Known, New, Start, Unsure, after_crash, look_up
from outlive.errors import AgentFailed, Corrupt, Invalid, LeaseLost, NotFound, OutliveError
from outlive.flows.deliver_reply import deliver_pending
from outlive.flows.engine import Engine
from outlive.flows.telemetry import about
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.trace import Trace
from outlive.flows.turn.admit_turn import Admitted, admitted, count_for_others, refused
from outlive.flows.turn.answer_approval import lifted_rules, not_taken, verdict, with_answer
from outlive.flows.turn.answered_elsewhere import answered_elsewhere, may_be_elsewhere
from outlive.flows.turn.chosen_options import chosen_model
from outlive.flows.turn.commit_turn import TurnOnDisk, adopt, commit, flush_last, flush_while
from outlive.flows.turn.fetch_files import fetch_files
from outlive.flows.turn.find_flushes import find_flushes
from outlive.flows.turn.find_session import hold_session
from outlive.flows.turn.hand_over import Deadline, HandedOver
from outlive.flows.turn.hold_lease import Busy, Lease, release_quietly, renewed
from outlive.flows.turn.hot_objects import hot_reads
from outlive.flows.turn.hydrate_tree import UP_TO_DATE, hydrate_tree
from outlive.flows.turn.keep_debug import debug_kept
from outlive.flows.turn.keep_trace import keep_trace
from outlive.flows.turn.live_text import shown_live
from outlive.flows.turn.observe_turn import observed, tell_decided, tell_hydrated, tell_taken_over
from outlive.flows.turn.read_ledger import read_line
from outlive.flows.turn.recall_facts import recall_facts
from outlive.flows.turn.search_ledger import search_ledger_here
from outlive.flows.turn.send_file import send_file
from outlive.flows.turn.share_memory import SharedMemory
from outlive.flows.turn.track_task import TrackedTask, tracked
from outlive.flows.turn.turn_tools import TurnTools
from outlive.flows.turn.watch_stop import Halt, halted_when_told, stopped_by
from outlive.flows.turn.watch_turn import as_begun, collected, watched
from outlive.flows.turn.windowed_workspace import windowed
from outlive.protocols import AgentTurn, OnEvent, SessionSeen, ToolFinished, TurnDone, Workspace


@dataclass(frozen=True, slots=True)
class Turn:
    """A committed turn, and how it came about."""

    line: LedgerLine
    how: str
    """How the line came about.

    `ran`, `continued` (a dead worker's turn was finished), `adopted` (only its commit was missing), `repeat`, `refused`
    (a limit or the kill switch kept the agent from being asked; the reply says so).
    """
    session_id: str
    before: int
    """The version it started from; equal to `after` for a repeat."""
    after: int
    trace: Trace


async def run_turn(
    engine: Engine,
    inbound: Inbound,
    *,
    profile: str = "default",
    on_event: OnEvent | None = None,
    deadline: float | None = None,
) -> Turn | Busy | HandedOver:
    """Answer one message, or find the answer it has had; `Busy` when another worker holds the session, or all of the
    tenant's turns run that may.

    At `deadline` (epoch seconds) a turn that is not finished is stored and let go: `HandedOver`. A commit under way is
    finished, so the caller keeps some time in reserve behind it.

    Raises `Invalid` for a message that cannot be accepted, `LeaseLost` when another worker took over, `AgentFailed` and
    `Unavailable` when the turn could not be run or made durable: nothing of it counts then, and it may be tried again.
    """
    inbound = with_answer(inbound)
    check_inbound(inbound)
    trace = Trace(telemetry=engine.telemetry)
    with observed(engine, inbound, trace) as seen:
        outcome = await _held(engine, inbound, profile, on_event, deadline, trace)
        if isinstance(outcome, Turn):
            with about(session_id=outcome.session_id):
                seen.ended(outcome.line, outcome.how)
        else:
            seen.left(outcome)
        return outcome


async def _held(
    engine: Engine, inbound: Inbound, profile: str, on_event: OnEvent | None, deadline: float | None, trace: Trace
) -> Turn | Busy | HandedOver:
    """Find the session and run the turn in it."""
    stores = engine.stores(inbound.key.tenant)
    with trace.step("lease") as step:
        lease = await hold_session(engine, stores, inbound.key, profile)
        if isinstance(lease, Busy):
            step.found = "busy"
            return lease
        step.found = f"version {lease.head.version}, fence {lease.fence}"
    with about(session_id=lease.head.session_id):
        return await _leased(engine, stores, lease, inbound, on_event, deadline, trace)


async def _leased(
    engine: Engine,
    stores: TenantStores,
    lease: Lease,
    inbound: Inbound,
    on_event: OnEvent | None,
    deadline: float | None,
    trace: Trace,
) -> Turn | Busy | HandedOver:
    """The turn under its lease, which is given back whatever happens."""
    try:
        inbound = await collected(engine, inbound, lease.head.options)
        async with renewed(engine, lease) as lost, tracked(engine, stores, lease, inbound) as task:
            until = Deadline(engine.clock, deadline)
            turn = await _answer(_Asked(engine, stores, lease, inbound, trace, on_event, lost, until, task))
        if isinstance(turn, HandedOver):
            await release_quietly(lease, settled=False)
            return turn
        if isinstance(turn, Busy):
            await lease.release()
            return turn
        with trace.step("deliver"):
            head = await deliver_pending(engine, stores, lease.head, known=turn.line)
        with trace.step("release"):
            await lease.release(head)
    except (AgentFailed, Invalid):
        # a tree that was refused is refused again: a turn gone on with from before it would not have all it tells of
        await asyncio.shield(release_quietly(lease))
        raise
    except BaseException:
        await asyncio.shield(release_quietly(lease, settled=False))
        raise
    await keep_trace(engine, stores, lease.head.session_id, trace, turn=turn.line.turn, how=turn.how)
    return turn


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every step of one turn needs."""

    engine: Engine
    stores: TenantStores
    lease: Lease
    inbound: Inbound
    trace: Trace
    on_event: OnEvent | None
    lost: asyncio.Future[None]
    deadline: Deadline
    task: TrackedTask
    allowed: Admitted | Refusal = field(default_factory=Admitted)
    keeps_others: bool = True
    """Whether a dead worker may have left something of another message, which has to be found again."""


async def _answer(asked: _Asked) -> Turn | Busy | HandedOver:
    lease, before = asked.lease, asked.lease.head.version
    settled = await _settle(asked)
    if isinstance(settled, Busy):
        return settled
    if isinstance(settled, HandedOver):
        await asked.task.ended("handed over")
        return settled
    line, how = settled
    failed = line.is_error or how == "refused"
    await asked.task.ended("failed" if failed else "done", line.agent_session_id, line.stop_reason if failed else "")
    return Turn(line, how, lease.head.session_id, before, lease.head.version, asked.trace)


async def _settle(asked: _Asked) -> tuple[LedgerLine, str] | Busy | HandedOver:
    """The line that answers the message, and how it came about; what costs no money needs no leave."""
    engine, stores, lease, inbound = asked.engine, asked.stores, asked.lease, asked.inbound
    known = look_up(lease.head, inbound.message_id, inbound.sent_at)
    if not isinstance(known, Known) and (line := await answered_elsewhere(engine, stores, lease, inbound)):
        return line, "repeat"
    if isinstance(known, Known):
        await count_for_others(engine, stores, lease)
        return await read_line(engine, stores, lease.head, known.answered.offset), "repeat"
    flushes = await find_flushes(engine, stores, lease.head) if lease.dirty else []
    plan = after_crash(flushes, inbound.message_id, engine.policy.on_crash)
    if isinstance(plan, Adopt):
        tell_taken_over(engine, lease, flushes)
        with asked.trace.step("commit"):
            line = await adopt(engine, stores, lease, plan.flush)
        await count_for_others(engine, stores, lease)
        return line, "adopted"
    if isinstance(verdict(lease.head, inbound, engine.policy), Refused):
        return await _in_workspace(asked, Start(), search=isinstance(known, Unsure))
    async with admitted(engine, stores, lease) as allowed:
        if isinstance(allowed, Busy):
            return allowed
        tell_taken_over(engine, lease, flushes)
        plan = Start() if isinstance(allowed, Refusal) else plan
        others = any(flush.message_id != inbound.message_id for flush in flushes)
        asked = replace(asked, allowed=allowed, inbound=_to_run(lease, inbound, plan), keeps_others=others)
        return await _in_workspace(asked, plan, search=isinstance(known, Unsure))


def _to_run(lease: Lease, inbound: Inbound, plan: Start | Continue) -> Inbound:
    """The message with what is joined to it: as a dead worker began it, or without what has been answered since."""
    if isinstance(plan, Continue):
        return as_begun(inbound, plan.flush.message)
    if not inbound.joined:
        return inbound
    head = lease.head
    if head.approval is not None or may_be_elsewhere(lease, inbound):
        # The message may answer the open question, or the others may be answered in a session that the key has left:
        # each is for itself.
        return replace(inbound, joined=())
    new = (each for each in inbound.joined if isinstance(look_up(head, each.message_id, inbound.sent_at), New))
    return replace(inbound, joined=tuple(new))


async def _in_workspace(asked: _Asked, plan: Start | Continue, *, search: bool) -> tuple[LedgerLine, str] | HandedOver:
    async with _workspace(asked.engine, asked.stores, asked.lease) as workspace:
        try:
            return await _run(asked, plan, workspace, search=search)
        except (NotFound, Corrupt):
            if isinstance(plan, Start):
                raise
            # what was flushed has no turn to go on with, or a hole: the message is still there to be run
            return await _run(asked, Start(), workspace, search=False)


@asynccontextmanager
async def _workspace(engine: Engine, stores: TenantStores, lease: Lease) -> AsyncIterator[Workspace]:
    workspace = await engine.workspaces.open(stores.tenant, lease.head.session_id)
    try:
        yield workspace
    finally:
        try:
            # what this turn left is of no use unless its tree was committed, and nothing may live in a tree given back
            await engine.agent.drop(workspace.root, unless=lease.head.tree)
        finally:
            await workspace.close()


async def _run(
    asked: _Asked, plan: Start | Continue, workspace: Workspace, *, search: bool
) -> tuple[LedgerLine, str] | HandedOver:
    """Restore, run, commit; with `search`, look for an old answer in the ledger before anything is run."""
    engine, stores, lease, trace = asked.engine, asked.stores, asked.lease, asked.trace
    flush = plan.flush if isinstance(plan, Continue) else None
    await engine.agent.drop(workspace.root, unless=None if flush else lease.head.tree)
    with trace.step("hydrate") as step, hot_reads() as reads:
        ref = flush.ref if flush else None
        text = whole_text(asked.inbound)
        tree = await asked.deadline.cut(hydrate_tree(engine, stores, lease.head, workspace, flush=ref, asked=text))
        if tree is None:
            return HandedOver(lease.head.session_id, 0, trace)
        step.found = f"{tree}{reads}"
    tell_hydrated(engine, tree, step.seconds)
    if search and (line := await search_ledger_here(engine, stores, lease.head, asked.inbound, tree, workspace)):
        return line, "repeat"
    await workspace.mark_dirty()
    memory = SharedMemory(engine, stores, lease.head.profile) if engine.policy.memory else None
    if memory is not None:
        with trace.step("memory") as step:
            step.found = await memory.take(workspace)
    whole = windowed(workspace, tree.state.windows)
    checked = {} if flush else tree.state.manifest.entries  # a dead worker's flush has been checked by nobody
    turn = TurnOnDisk(engine, stores, lease, asked.inbound, whole, tree.state, checked)
    turn.packs = tree.reader
    is_untouched = tree.how == UP_TO_DATE and not (memory and memory.brought)
    turn.tree = lease.head.tree if is_untouched else ""
    turn.agent_session_id = flush.agent_session_id if flush else lease.head.agent_session_id
    turn.begun = flush is not None
    if asked.inbound.files and flush is None:
        with trace.step("files"):
            turn.inbound = await fetch_files(engine, asked.inbound, workspace)
    async with shown_live(engine, stores, lease.head.session_id, asked.inbound, asked.on_event) as live:
        done = await _done(turn, replace(asked, on_event=live.on_event), continuing=flush is not None)
        if done is None:
            await flush_last(turn)
            return HandedOver(lease.head.session_id, turn.steps, trace)
        with trace.step("commit") as step:
            try:
                line = await commit(turn, done)
            except Invalid:
                lease.dirty = lease.dirty and asked.keeps_others  # what is stored of this one is of the refused tree
                raise
            step.found = f"version {line.version}"
        live.finish(line.reply)
    await engine.agent.keep(workspace.root, lease.head.tree)
    if memory is not None:
        with trace.step("memory") as step:
            step.found = await memory.give(workspace)
    how = "refused" if isinstance(asked.allowed, Refusal) else "ran"
    return line, "continued" if flush else how


async def _done(turn: TurnOnDisk, asked: _Asked, *, continuing: bool) -> TurnDone | None:
    """The end of the turn: the agent's, unless the message is an answer that changes nothing; None: handed over."""
    engine, stores, lease, trace = asked.engine, asked.stores, asked.lease, asked.trace
    decided = verdict(lease.head, asked.inbound, engine.policy)
    if isinstance(decided, Refused):
        return not_taken(lease.head, decided)
    turn.decision = decided
    tell_decided(engine, decided)
    if isinstance(asked.allowed, Admitted) and not (continuing or decided):
        turn.recalled = await recall_facts(turn, trace)
    async with debug_kept(engine, stores, lease, turn.workspace.root, trace) as turn.debug_file:
        with trace.step("agent") as step:
            async with flush_while(turn), watched(turn):
                done = await _agent(turn, asked, continuing=continuing)
            step.found = "; ".join((*(("handed over",) if done is None else done.notices), *turn.results.told))
            return done


async def _agent(turn: TurnOnDisk, asked: _Asked, *, continuing: bool) -> TurnDone | None:
    """Run the agent, if it may, until it is done, the lease is lost, or the operator's stop has run out of patience.

    None when the deadline came first.
    """
    if isinstance(asked.allowed, Refusal):
        return await refused(asked.allowed, asked.lease.head, asked.on_event)
    async with halted_when_told(asked.engine, asked.stores, turn.workspace.root) as halt:
        running = asyncio.create_task(_events(turn, asked.allowed, asked, continuing=continuing))
        done = await _ended(running, asked, halt)
        return None if done is None else stopped_by(halt, done)


async def _ended(running: asyncio.Task[TurnDone], asked: _Asked, halt: Halt) -> TurnDone | None:
    lost, leaving = asked.lost, asked.deadline.passed()
    ends: tuple[asyncio.Future[Any], ...] = (running, lost, halt.overdue, leaving)
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        if lost.done() or halt.overdue.done():
            raise halt.failure if halt.failure and not lost.done() else _passed_on(asked.lease)
        return None
    finally:
        running.cancel()
        leaving.cancel()
        with suppress(asyncio.CancelledError, OutliveError):
            await running


def _passed_on(lease: Lease) -> LeaseLost:
    return LeaseLost(f"session {lease.head.session_id} has passed to another worker; nothing of this turn was written.")


async def _events(turn: TurnOnDisk, allowed: Admitted, asked: _Asked, *, continuing: bool) -> TurnDone:
    turn.has_run, own = True, TurnTools(turn)
    order = AgentTurn(
        root=turn.workspace.root,
        prompt=None if continuing or turn.decision else turn.recalled + whole_text(turn.inbound),
        agent_session_id=turn.agent_session_id,
        profile=turn.lease.head.profile,
        max_turns=allowed.max_agent_turns,
        max_usd=allowed.max_usd,
        turn_seconds=allowed.turn_seconds,
        decision=turn.decision,
        lifted_rules=lifted_rules(turn.lease.head, turn.inbound),
        debug_file=turn.debug_file,
        tree=turn.tree,
        model=chosen_model(turn.engine, turn.lease.head.options),
        tools=(*own.tools, send_file(turn.engine, turn.inbound.key.channel, own)),
        traceparent=turn.engine.telemetry.traceparent(),
        results=turn.results,
    )
    done: TurnDone | None = None
    async with aclosing(turn.engine.agent.run(order)) as events:
        async for event in events:
            match event:
                case SessionSeen(agent_session_id):
                    turn.agent_session_id, turn.begun = agent_session_id, True
                    await asked.task.seen(agent_session_id)
                case ToolFinished():
                    turn.steps += 1
                case TurnDone():
                    done = event
            if asked.on_event is not None:
                await asked.on_event(event)
    own.is_over = True
    if done is None:
        raise AgentFailed(
            "the agent stopped without a result.", fix="See the worker's log; the message is tried again."
        )
    return done
