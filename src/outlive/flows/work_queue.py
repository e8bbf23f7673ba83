"""A worker's loop: receive, run the turn, acknowledge; and what becomes of a message whose turn fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from outlive.core.messages import Inbound, decode_inbound
from outlive.core.telemetry import MessageReceived
from outlive.errors import Conflict, LeaseLost, OutliveError, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.telemetry import about, about_message
from outlive.flows.turn.first_turn import first_turn
from outlive.flows.turn.hand_over import HandedOver
from outlive.flows.turn.hold_lease import Busy
from outlive.protocols import Delivery, OnEvent

BUSY_PAUSE = 1.0
RETRY_PAUSES = (2.0, 15.0, 60.0)
"""Seconds before a failed message is delivered again, by receives so far."""

Outcome = Turn | Busy | HandedOver | OutliveError
OnOutcome = Callable[[Inbound, Outcome], Awaitable[None]]


async def work_queue(
    engine: Engine,
    stop: asyncio.Event,
    *,
    wait: float = 1.0,
    on_event: OnEvent | None = None,
    on_outcome: OnOutcome | None = None,
    deadline: float | None = None,
) -> None:
    """Take messages until `stop` is set, or until `deadline` (epoch seconds): a turn running then is handed over.

    After a stop the running turn has `policy.grace_seconds` to finish; then it is cut off, flushed and released, and
    its message goes back unharmed.
    """
    stopping = asyncio.create_task(stop.wait())
    if deadline is None:  # otherwise this process is about to end
        engine.spares.begin(first_turn(engine))
    try:
        while not stop.is_set() and (deadline is None or engine.clock.now() < deadline):
            delivery = await _next(engine, wait if deadline is None else min(wait, deadline - engine.clock.now()))
            if delivery is not None:
                await _within_grace(engine, stopping, work_one(engine, delivery, on_event, on_outcome, deadline))
    finally:
        stopping.cancel()


async def _next(engine: Engine, wait: float) -> Delivery | None:
    try:
        return await engine.queue.receive(visibility=engine.policy.visibility_seconds, wait=wait)
    except Unavailable:
        await engine.clock.sleep(BUSY_PAUSE)
        return None


async def _within_grace(engine: Engine, stopping: asyncio.Task[bool], work: Awaitable[None]) -> None:
    """Finish the work; once a stop is asked for, within the grace time."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=engine.policy.grace_seconds)
    finally:
        if not working.done():
            working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def work_one(
    engine: Engine,
    delivery: Delivery,
    on_event: OnEvent | None = None,
    on_outcome: OnOutcome | None = None,
    deadline: float | None = None,
) -> None:
    """Run one delivery's turn and settle the delivery by how it went; see `run_turn` for the deadline."""
    outcome: Outcome
    inbound: Inbound | None = None
    try:
        async with _kept_invisible(engine, delivery):
            inbound = decode_inbound(delivery.message.body)
            with about_message(inbound), about(receives=delivery.receives):
                _tell_received(engine, delivery, inbound)
                outcome = await run_turn(
                    engine, inbound, profile=engine.policy.profile, on_event=on_event, deadline=deadline
                )
    except OutliveError as error:
        outcome = error
    except BaseException:
        await asyncio.shield(_give_back(engine, delivery, 0.0, "the worker was stopped", count=False))
        raise
    await _settle(engine, delivery, outcome)
    if on_outcome is not None and inbound is not None:
        await on_outcome(inbound, outcome)


def _tell_received(engine: Engine, delivery: Delivery, inbound: Inbound) -> None:
    now = engine.clock.now()
    engine.telemetry.past("queue", delivery.sent_at, now, parent=inbound.traceparent)
    engine.telemetry.event(MessageReceived(max(now - delivery.sent_at, 0.0)))


async def _settle(engine: Engine, delivery: Delivery, outcome: Outcome) -> None:
    match outcome:
        case Turn():
            with suppress(Conflict, Unavailable):  # it comes again and is answered from the head
                await engine.queue.ack(delivery)
        case Busy() | LeaseLost():
            reason = outcome.reason if isinstance(outcome, Busy) else outcome.message
            await _give_back(engine, delivery, BUSY_PAUSE, reason, count=False)
        case HandedOver(steps=steps):
            # A turn that gets no step further in a whole invocation never will: it becomes a dead letter in the end.
            await _give_back(engine, delivery, 0.0, "handed over at the deadline", count=not steps)
        case OutliveError():
            pause = RETRY_PAUSES[min(delivery.receives, len(RETRY_PAUSES)) - 1]
            await _give_back(engine, delivery, pause, str(outcome), count=True)


async def _give_back(engine: Engine, delivery: Delivery, delay: float, reason: str, *, count: bool) -> None:
    """Best effort: a message that cannot be given back comes again when its visibility timeout runs out."""
    with suppress(Conflict, Unavailable):
        await engine.queue.give_back(delivery, delay=delay, reason=reason, count=count)


@asynccontextmanager
async def _kept_invisible(engine: Engine, delivery: Delivery) -> AsyncIterator[None]:
    """Extend the visibility timeout while the block runs."""
    beating = asyncio.create_task(_heartbeat(engine, delivery))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _heartbeat(engine: Engine, delivery: Delivery) -> None:
    visibility = engine.policy.visibility_seconds
    while True:
        await engine.clock.sleep(visibility / 3)
        try:
            await engine.queue.extend(delivery, visibility)
        except Conflict:
            return  # somebody else has it now; the lease decides who may commit
        except Unavailable:
            continue
