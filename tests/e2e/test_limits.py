"""The kill switch and the limits against the real CLI."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.options import ModelSettings
from outlive.agents.profiles import Profiles
from outlive.clock import SystemClock
from outlive.core.quotas import Quotas
from outlive.flows.engine import Engine
from outlive.flows.limits.change_limits import start_turns, stop_turns
from outlive.flows.run_turn import Turn, run_turn
from outlive.protocols import ToolStarted
from outlive.testing.scripted_model import ScriptedModel, script
from tests.agents.watching import until
from tests.engine.conftest import World

pytestmark = pytest.mark.cli

SLOW = script({"tool": "Bash", "input": {"command": "echo began > log.txt; sleep 120; echo ended >> log.txt"}})


class Place:
    """Workers with the real CLI on one set of stores, by the real clock."""

    def __init__(self, base: Path, model: ScriptedModel) -> None:
        self.base, self.world = base, World(base)
        self.agent = ClaudeAgent(ModelSettings("scripted", base_url=model.url), Profiles())
        self.model = model

    def worker(self, name: str, **quotas: object) -> Engine:
        """A worker that looks at the switch once a second."""
        engine = self.world.worker(name, lease_seconds=3.0, control_seconds=0.2, quotas=Quotas(**quotas))
        return replace(engine, agent=self.agent, clock=SystemClock())

    async def turn(self, engine: Engine, text: str, began: asyncio.Event | None = None) -> Turn:
        """A turn; `began` is set when its first tool runs."""

        async def watch(event) -> None:
            if began and isinstance(event, ToolStarted):
                began.set()

        turn = await run_turn(engine, self.world.message(text), on_event=watch)
        assert isinstance(turn, Turn)
        return turn

    async def transcript(self) -> str:
        """The committed transcript's bytes, whatever they hold."""
        head = await self.world.head()
        found = await self.world.file(f"config/projects/session/{head.agent_session_id}.jsonl")
        return (found or b"").decode()


@pytest_asyncio.fixture
async def place(tmp_path: Path):
    """A model and a place."""
    async with ScriptedModel() as model:
        found = Place(tmp_path, model)
        yield found
        await found.agent.close()


async def test_the_kill_switch_stops_a_running_turn_and_keeps_it(place) -> None:
    """A tool of two minutes is ended within seconds, transcript and files are committed, and the session goes on."""
    began, stores = asyncio.Event(), place.world.observer.stores("acme")
    task = asyncio.create_task(place.turn(place.worker("w1"), SLOW, began))
    await began.wait()
    await until(lambda: any(place.base.rglob("log.txt")))  # the CLI has said that it begins; now it has begun
    await stop_turns(place.world.observer, stores, reason="the bill", by="root")
    stopped = await asyncio.wait_for(task, 20)
    assert (stopped.how, stopped.line.stop_reason, stopped.after) == ("ran", "stopped", 1)
    assert stopped.line.reply.endswith("Stopped by the operator: the bill")
    assert await place.world.file("work/log.txt") == b"began\n"
    assert "echo began" in await place.transcript()
    await start_turns(place.world.observer, stores)
    went_on = await place.turn(place.worker("w2"), "My name is Ada")
    assert (went_on.how, went_on.line.agent_session_id) == ("ran", stopped.line.agent_session_id)


async def test_the_cli_stops_at_what_the_session_has_left(place) -> None:
    """The CLI ends a turn that uses the rest of its session's money, and the next one is refused without it."""
    first = await place.turn(place.worker("w1"), "hello")
    limit = round(first.line.usd, 6) + 2e-6
    many = script(*({"tool": "Bash", "input": {"command": f"echo {n}"}} for n in range(2)), {"text": "done"})
    ended = await place.turn(place.worker("w1", max_usd_per_session=limit), many)
    requests = len(place.model.requests)
    refused = await place.turn(place.worker("w2", max_usd_per_session=limit), "and again")
    assert (ended.line.stop_reason, refused.how) == ("max_budget", "refused")
    assert len(place.model.requests) == requests


async def test_a_tenants_wall_time_goes_to_the_cli(place) -> None:
    """A turn that takes longer than the tenant's limit is ended by it, with the limit in the error."""
    from outlive.errors import AgentFailed

    with pytest.raises(AgentFailed, match="longer than 2 seconds"):
        await place.turn(place.worker("w1", turn_seconds=2.0), SLOW)
