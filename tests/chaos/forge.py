"""Makes workers with an instant agent: each line on stdin, a JSON object, is answered with a fork.

A worker tells on stdout of each call of its agent, each reply that its channel sent and each turn, one line each; lines
are short enough that a pipe keeps them whole, and what was written before a SIGKILL is read.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from outlive.core.messages import Inbound
from outlive.entrypoints.working import stopped_by_signals
from outlive.errors import OutliveError, Unavailable
from outlive.flows.delivery.tend import tended
from outlive.flows.run_turn import Turn
from outlive.flows.work_queue import Outcome, work_queue
from outlive.protocols import AgentEvent, AgentTurn, FileRef, Reply
from outlive.settings import load_settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app


def tell(event: str, **fields: Any) -> None:
    """One line, written in one call."""
    os.write(1, (json.dumps({"event": event, "pid": os.getpid(), **fields})[:3500] + "\n").encode())


class TellingAgent(InstantAgent):
    """Says that it was called, and takes its time at random between its steps."""

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        words = (turn.prompt or "").split()
        tell("call", message_id=next((word for word in words if word.startswith("m-")), None))
        del self.runs[:]
        async for event in super().run(turn):
            await asyncio.sleep(random.uniform(0, PACE))
            yield event


class TellingChannel:
    """Says what was sent; once in a while it takes long."""

    async def deliver(self, reply: Reply) -> None:
        kind = "notice" if reply.stop_reason == "dead_letter" else "reply"
        tell(kind, message_id=reply.message_id, text=reply.text[:200])
        await asyncio.sleep(random.uniform(0, PACE))

    async def fetch(self, file: FileRef) -> bytes:
        raise FileNotFoundError(file.name)


OPENED_LATER = (
    *("outlive.postgres.table", "outlive.postgres.queue", "outlive.redis.hot_cache", "outlive.redis.broadcast"),
    *("outlive.aws.table", "outlive.aws.queue"),
)
"""What a worker loads with its stores: loaded before it is forked, or most kills would hit an import."""

PACE = float(os.environ.get("CHAOS_PACE", "0.02"))


async def work() -> None:
    """As `outlive worker` does, with the agent and the channel of this module."""
    stop = asyncio.Event()

    async def on_outcome(inbound: Inbound, outcome: Outcome) -> None:
        if isinstance(outcome, Turn):
            tell("turn", message_id=inbound.message_id, how=outcome.how)
        elif isinstance(outcome, OutliveError):
            tell("failed", message_id=inbound.message_id, error=f"{type(outcome).__name__}: {outcome}"[:300])

    async with AsyncExitStack() as open_for_now:
        try:
            app = await open_for_now.enter_async_context(open_app(load_settings(), agent=TellingAgent()))
        except Unavailable as error:  # as `outlive worker` does: it says so and ends, and is started again
            tell("fault", error=f"not started: {error}"[:300])
            return
        channels = {"console": TellingChannel()}
        engine, beside = replace(app.engine, channels=channels), replace(app.beside, channels=channels)
        tell("started")
        with stopped_by_signals(stop):
            async with tended(beside, lambda message: tell("fault", error=message[:300])):
                await work_queue(engine, stop, wait=0.5, on_outcome=on_outcome)


def child(order: dict[str, Any]) -> None:
    """One worker; `fsize` is what its files may grow to, as on a disk that is full."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    os.environ["OUTLIVE_WORKSPACES"] = order["host"]
    if order.get("fsize"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["fsize"],) * 2)
    try:
        asyncio.run(work())
    except BaseException as error:  # what ends a worker that is not killed is a finding
        tell("died", error=f"{type(error).__name__}: {error}"[:300], full=bool(order.get("fsize")))
        raise


def main() -> None:
    """A worker for each line."""
    for module in OPENED_LATER:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are reaped at once
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            finally:
                os._exit(0)
        tell("forked", child=pid)


if __name__ == "__main__":
    main()
