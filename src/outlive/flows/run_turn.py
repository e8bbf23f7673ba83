"""One message, one turn: lease, hydrate, run, commit, deliver, release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from outlive.core.approvals import Refused
from outlive.core.ledger import PATH, LedgerLine, find_message
from outlive.core.messages import Inbound, check_inbound
from outlive.core.quotas import Refusal
from outlive.core.turns import Adopt, Continue, Known, Start, Unsure, after_crash, look_up
from outlive.errors import AgentFailed, LeaseLost, NotFound, OutliveError
from outlive.flows.admit_turn import Admitted, admitted, count_for_others, refused
from outlive.flows.answer_approval import lifted_rules, not_taken, verdict, with_answer
from outlive.flows.commit_turn import TurnOnDisk, adopt, commit, flush_while
from outlive.flows.deliver_reply import deliver_pending
from outlive.flows.engine import Engine
from outlive.flows.find_flushes import find_flushes
from outlive.flows.find_session import hold_session
from outlive.flows.hold_lease import Busy, Lease, release_quietly, renewed
from outlive.flows.hydrate_tree import hydrate_tree
from outlive.flows.read_ledger import read_line
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.trace import Trace
from outlive.flows.watch_stop import Halt, halted_when_told, stopped_by
from outlive.protocols import AgentTurn, OnEvent, SessionSeen, TurnDone, Workspace


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
    engine: Engine, inbound: Inbound, *, profile: str = "default", on_event: OnEvent | None = None
) -> Turn | Busy:
    """Answer one message, or find the answer it has had; `Busy` when another worker holds the session, or all of the
    tenant's turns run that may.

    Raises `Invalid` for a message that cannot be accepted, `LeaseLost` when another worker took over, `AgentFailed` and
    `Unavailable` when the turn could not be run or made durable: nothing of it counts then, and it may be tried again.
    """
    inbound = with_answer(inbound)
    check_inbound(inbound)
    trace = Trace()
    stores = engine.stores(inbound.key.tenant)
    with trace.step("lease") as step:
        lease = await hold_session(engine, stores, inbound.key, profile)
        if isinstance(lease, Busy):
            step.found = "busy"
            return lease
        step.found = f"version {lease.head.version}, fence {lease.fence}"
    try:
        async with renewed(engine, lease) as lost:
            turn = await _answer(_Asked(engine, stores, lease, inbound, trace, on_event, lost))
        if isinstance(turn, Busy):
            await lease.release()
            return turn
        with trace.step("deliver"):
            head = await deliver_pending(engine, stores, lease.head, known=turn.line)
        with trace.step("release"):
            await lease.release(head)
    except AgentFailed:
        await asyncio.shield(release_quietly(lease))
        raise
    except BaseException:
        await asyncio.shield(release_quietly(lease, settled=False))
        raise
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
    lost: asyncio.Event
    allowed: Admitted | Refusal = field(default_factory=Admitted)


async def _answer(asked: _Asked) -> Turn | Busy:
    lease, before = asked.lease, asked.lease.head.version
    settled = await _settle(asked)
    if isinstance(settled, Busy):
        return settled
    line, how = settled
    return Turn(line, how, lease.head.session_id, before, lease.head.version, asked.trace)


async def _settle(asked: _Asked) -> tuple[LedgerLine, str] | Busy:
    """The line that answers the message, and how it came about; what costs no money needs no leave."""
    engine, stores, lease, inbound = asked.engine, asked.stores, asked.lease, asked.inbound
    known = look_up(lease.head, inbound.message_id, inbound.sent_at)
    if isinstance(known, Known):
        await count_for_others(engine, stores, lease)
        return await read_line(engine, stores, lease.head, known.answered.offset), "repeat"
    flushes = await find_flushes(engine, stores, lease.head) if lease.dirty else []
    plan = after_crash(flushes, inbound.message_id, engine.policy.on_crash)
    if isinstance(plan, Adopt):
        with asked.trace.step("commit"):
            line = await adopt(engine, stores, lease, plan.flush)
        await count_for_others(engine, stores, lease)
        return line, "adopted"
    if isinstance(verdict(lease.head, inbound, engine.policy), Refused):
        return await _in_workspace(asked, Start(), search=isinstance(known, Unsure))
    async with admitted(engine, stores, lease) as allowed:
        if isinstance(allowed, Busy):
            return allowed
        plan = Start() if isinstance(allowed, Refusal) else plan
        return await _in_workspace(replace(asked, allowed=allowed), plan, search=isinstance(known, Unsure))


async def _in_workspace(asked: _Asked, plan: Start | Continue, *, search: bool) -> tuple[LedgerLine, str]:
    async with _workspace(asked.engine, asked.stores, asked.lease) as workspace:
        try:
            return await _run(asked, plan, workspace, search=search)
        except NotFound:
            if isinstance(plan, Start):
                raise
            # the agent finds no turn to go on with in what was flushed: the message is still there to be run
            return await _run(asked, Start(), workspace, search=False)


@asynccontextmanager
async def _workspace(engine: Engine, stores: TenantStores, lease: Lease) -> AsyncIterator[Workspace]:
    workspace = await engine.workspaces.open(stores.tenant, lease.head.session_id)
    try:
        yield workspace
    finally:
        await workspace.close()


async def _run(asked: _Asked, plan: Start | Continue, workspace: Workspace, *, search: bool) -> tuple[LedgerLine, str]:
    """Restore, run, commit; with `search`, look for an old answer in the ledger before anything is run."""
    engine, stores, lease, trace = asked.engine, asked.stores, asked.lease, asked.trace
    flush = plan.flush if isinstance(plan, Continue) else None
    with trace.step("hydrate") as step:
        tree = await hydrate_tree(engine, stores, lease.head, workspace, flush=flush.ref if flush else None)
        step.found = f"{tree.how}, packs: {tree.packs_read}, {tree.bytes_read:,} bytes"
    if search and (line := find_message(await workspace.read(PATH), asked.inbound.message_id)):
        return line, "repeat"
    await workspace.mark_dirty()
    turn = TurnOnDisk(engine, stores, lease, asked.inbound, workspace, tree.state)
    turn.agent_session_id = flush.agent_session_id if flush else lease.head.agent_session_id
    done = await _done(turn, asked, continuing=flush is not None)
    with trace.step("commit") as step:
        line = await commit(turn, done)
        step.found = f"version {line.version}"
    how = "refused" if isinstance(asked.allowed, Refusal) else "ran"
    return line, "continued" if flush else how


async def _done(turn: TurnOnDisk, asked: _Asked, *, continuing: bool) -> TurnDone:
    """The end of the turn: the agent's, unless the message is an answer that changes nothing."""
    decided = verdict(turn.lease.head, asked.inbound, asked.engine.policy)
    if isinstance(decided, Refused):
        return not_taken(turn.lease.head, decided)
    turn.decision = decided
    with asked.trace.step("agent") as step:
        async with flush_while(turn):
            done = await _agent(turn, asked, continuing=continuing)
        step.found = "; ".join(done.notices)
        return done


async def _agent(turn: TurnOnDisk, asked: _Asked, *, continuing: bool) -> TurnDone:
    """Run the agent, if it may, until it is done, the lease is lost, or the operator's stop has run out of patience."""
    if isinstance(asked.allowed, Refusal):
        return await refused(asked.allowed, asked.lease.head, asked.on_event)
    async with halted_when_told(asked.engine, asked.stores, turn.workspace.root) as halt:
        running = asyncio.create_task(_events(turn, asked.allowed, asked.on_event, continuing=continuing))
        return stopped_by(halt, await _ended(running, asked.lost, halt))


async def _ended(running: asyncio.Task[TurnDone], lost: asyncio.Event, halt: Halt) -> TurnDone:
    losing = asyncio.create_task(lost.wait())
    expiring = asyncio.create_task(halt.overdue.wait())
    try:
        await asyncio.wait({running, losing, expiring}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise halt.failure if halt.failure and not lost.is_set() else LeaseLost
        return running.result()
    finally:
        for task in (running, losing, expiring):
            task.cancel()
        with suppress(asyncio.CancelledError, OutliveError):
            await running


async def _events(turn: TurnOnDisk, allowed: Admitted, on_event: OnEvent | None, *, continuing: bool) -> TurnDone:
    turn.has_run = True
    asked = AgentTurn(
        root=turn.workspace.root,
        prompt=None if continuing or turn.decision else turn.inbound.text,
        agent_session_id=turn.agent_session_id,
        profile=turn.lease.head.profile,
        max_turns=allowed.max_agent_turns,
        max_usd=allowed.max_usd,
        turn_seconds=allowed.turn_seconds,
        decision=turn.decision,
        lifted_rules=lifted_rules(turn.lease.head, turn.inbound),
    )
    done: TurnDone | None = None
    async with aclosing(turn.engine.agent.run(asked)) as events:
        async for event in events:
            match event:
                case SessionSeen(agent_session_id):
                    turn.agent_session_id = agent_session_id
                case TurnDone():
                    done = event
            if on_event is not None:
                await on_event(event)
    if done is None:
        raise AgentFailed(
            "the agent stopped without a result.", fix="See the worker's log; the message is tried again."
        )
    return done
