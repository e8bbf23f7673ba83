"""The processes that `bench.delivery` measures: an intake, and a worker with an agent that answers at once."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from bench.delivery import SECRET, settings_at
from outlive.channels.slack.decisions import Decision, Turn
from outlive.channels.slack.rules import Rules
from outlive.entrypoints.mcp_server.http import listen
from outlive.entrypoints.slack.serving import Endpoint, serve
from outlive.flows.accept_message import accept_message
from outlive.flows.work_queue import work_queue
from outlive.settings import Settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app


def main() -> None:
    """`PART FOLDER URL`; says on stdout when it is ready."""
    part, folder, url = sys.argv[1:4]
    run = {"intake": _intake, "worker": _worker}[part]
    asyncio.run(run(settings_at(Path(folder), url)))


def _ready(**more: object) -> float:
    print(json.dumps({"ready": True, **more}), flush=True)
    return time.process_time()


def _done(since: float) -> None:
    """How much processor time the work took, in seconds: it holds on a busy machine, too."""
    print(json.dumps({"cpu": time.process_time() - since}), flush=True)


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return stop


async def _intake(settings: Settings) -> None:
    async with open_app(settings, agent=InstantAgent()) as app:
        engine = app.engine

        async def take(decision: Decision) -> None:
            if not isinstance(decision, Turn):
                raise TypeError(f"{decision} is no message")
            await accept_message(engine.queue, decision.inbound, engine.clock)

        rules = Rules(bot_user="U0BOT", team_id="T0TEAM", allowed=frozenset({"U0ADA"}), tenant="bench")
        endpoint = Endpoint(take, rules, SECRET, engine.clock, print)
        with listen("127.0.0.1", 0) as listening:
            since = _ready(port=listening.getsockname()[1])
            await serve(endpoint, listening, _stopped())
            _done(since)


async def _worker(settings: Settings) -> None:
    async with open_app(settings, agent=InstantAgent()) as app:
        stop = _stopped()
        since = _ready()
        await asyncio.to_thread(sys.stdin.readline)
        await work_queue(app.engine, stop, wait=0.05)
        _done(since)


if __name__ == "__main__":
    main()
