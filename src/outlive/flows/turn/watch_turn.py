"""Beside a running turn: the stop that somebody asks for, and the messages that come meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from outlive.core.controls import WhileBusy, decode_stop, is_meant, stop_key
from outlive.core.messages import Inbound, decode_inbound, join
from outlive.core.session_options import SessionOptions
from outlive.errors import OutliveError, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.turn.chosen_options import busy_mode
from outlive.flows.turn.commit_turn import TurnOnDisk
from outlive.flows.turn.running_turns import RunningTurn

AGAIN = 0.25
"""Seconds between two attempts to interrupt an agent that is still starting."""
LOOK_AHEAD = 16


@asynccontextmanager
async def watched(turn: TurnOnDisk) -> AsyncIterator[None]:
    """While the block runs the agent, it can be stopped, from this process at once and from others within a tick.

    Every `policy.stop_poll_seconds`: one table read, and one look into the queue where messages steer or interrupt.
    """
    engine, lease = turn.engine, turn.lease
    running = RunningTurn(turn.inbound.message_id, engine.clock.now())
    with engine.running.entered(turn.stores.tenant, lease.head.session_id, running):
        tasks = [asyncio.create_task(_obey(turn, running)), asyncio.create_task(_look(turn, running))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


async def _obey(turn: TurnOnDisk, running: RunningTurn) -> None:
    """Ask until the agent hears it: it may be starting."""
    await running.stop.wait()
    while not await turn.engine.agent.interrupt(turn.workspace.root):
        await turn.engine.clock.sleep(AGAIN)


async def _look(turn: TurnOnDisk, running: RunningTurn) -> None:
    """A table or a queue that does not answer is asked again at the next tick."""
    clean_fence = turn.lease.head.clean_fence
    while not running.stop.is_set():
        await turn.engine.clock.sleep(turn.engine.policy.stop_poll_seconds)
        with suppress(Unavailable):
            if await _is_stopped(turn, clean_fence) or await _is_overtaken(turn):
                running.stop.set()


async def _is_stopped(turn: TurnOnDisk, clean_fence: int) -> bool:
    key = stop_key(turn.lease.head.session_id)
    row = await turn.stores.table.read(key)
    return row is not None and is_meant(decode_stop(row.body, key), clean_fence, turn.lease.fence)


async def _is_overtaken(turn: TurnOnDisk) -> bool:
    """Whether a message waits that is to interrupt; one that is to steer is handed over here."""
    match busy_mode(turn.engine, turn.lease.head.options):
        case WhileBusy.STEER:
            await _steer(turn)
            return False
        case WhileBusy.INTERRUPT:
            return bool(await messages_behind(turn.engine, turn.inbound))
        case WhileBusy.QUEUE | WhileBusy.COLLECT:
            return False


async def _steer(turn: TurnOnDisk) -> None:
    """Hand over what waits, in its order, up to the first that the agent cannot take any more.

    A message counts as answered with the turn's commit. Until then it is in the queue, and a crash brings it back.
    """
    for message in await messages_behind(turn.engine, turn.inbound):
        longer = join(turn.inbound, [message])
        if longer is turn.inbound or not await turn.engine.agent.steer(turn.workspace.root, message.text):
            return
        turn.inbound = longer


async def messages_behind(engine: Engine, inbound: Inbound) -> list[Inbound]:
    """What waits in the queue behind this message, and is not joined to it yet; up to one that cannot be read."""
    known = {inbound.message_id, *(each.message_id for each in inbound.joined)}
    found: list[Inbound] = []
    for message in await engine.queue.waiting(str(inbound.key), limit=LOOK_AHEAD):
        try:
            decoded = decode_inbound(message.body)
        except OutliveError:
            break
        if decoded.message_id not in known:
            found.append(decoded)
    return found


async def collected(engine: Engine, inbound: Inbound, options: SessionOptions) -> Inbound:
    """The message and, where its session collects, those that wait behind it, for one turn.

    The others stay in the queue: when their turn comes they are found answered, and nothing is run for them.
    """
    if busy_mode(engine, options) is not WhileBusy.COLLECT:
        return inbound
    with suppress(Unavailable):
        return join(inbound, await messages_behind(engine, inbound))
    return inbound


def as_begun(inbound: Inbound, message: str) -> Inbound:
    """The message of a turn that a dead worker began, with what was joined to it then and nothing that came since."""
    return replace(inbound, joined=decode_inbound(message.encode()).joined)
