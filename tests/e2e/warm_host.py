"""One machine with the real CLI kept alive between turns, beside other workers that share only the stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.residents import Residents
from outlive.agents.running import Cli
from outlive.agents.spares import SpareLimits, Spares
from outlive.agents.warm import WarmLimits, WarmProcesses
from outlive.agents.workspace import DiskWorkspaces, Slot, spare_session_id
from outlive.clock import SystemClock
from outlive.core.keys import SessionKey
from outlive.flows.engine import Engine, NoSpares
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.turn.first_turn import first_turn
from outlive.testing.scripted_model import ScriptedModel
from tests.agents.watching import naming
from tests.engine.conftest import KEY, World


@dataclass
class Host:
    """A worker with a folder of trees, and an agent whose processes stay."""

    engine: Engine
    agent: ClaudeAgent
    trees: Path
    world: World
    spares: Spares[Slot, Cli] | None = None

    async def wait_ahead(self) -> list[str]:
        """The processes once all that are to be started ahead wait."""
        assert self.spares is not None
        self.spares.begin(first_turn(self.engine))
        await self.spares.settled()
        return self.processes()

    async def turn(self, text: str, *, key: SessionKey = KEY, engine: Engine | None = None) -> Turn:
        """One turn on this host."""
        turn = await run_turn(engine or self.engine, replace(self.world.message(text), key=key))
        assert isinstance(turn, Turn)
        return turn

    def processes(self) -> list[str]:
        """The process ids of the supervisors of the CLIs in this host's trees."""
        return [row.split()[0] for row in naming(str(self.trees)) if "supervisor.py" in row]


@dataclass
class Universe:
    """The stores, a model, and whoever works on them."""

    world: World
    model: ScriptedModel
    base: Path
    agents: list[ClaudeAgent]

    def host(
        self,
        name: str = "a",
        *,
        profiles: Path | None = None,
        ask: tuple[str, ...] = (),
        spares: int = 0,
        **limits: float,
    ) -> Host:
        """A host of its own, with warm processes; `processes=0` for one without, `spares` for some started ahead."""
        residents = Residents[Slot]()
        kept = WarmLimits(**limits)  # type: ignore[arg-type]
        warm = WarmProcesses[Cli](kept, residents, SystemClock()) if kept.processes else None
        settings = ModelSettings("scripted", base_url=self.model.url, retries=0)
        trees = self.base / name
        spaces = DiskWorkspaces(trees, residents=residents)
        waiting = None
        if warm is not None and spares:
            waiting = Spares[Slot, Cli](SpareLimits(spares, settle_seconds=0), spaces, warm, spare_session_id)
        agent = ClaudeAgent(
            settings, Profiles(profiles), turn_seconds=60.0, options=CliOptions(ask=ask), warm=warm, spares=waiting
        )
        self.agents.append(agent)
        engine = replace(self.world.worker(name), agent=agent, workspaces=spaces, spares=waiting or NoSpares())
        return Host(engine, agent, trees, self.world, waiting)


@asynccontextmanager
async def universe(base: Path) -> AsyncIterator[Universe]:
    """Everything is ended in the end."""
    async with ScriptedModel() as model:
        made = Universe(World(base / "disks"), model, base, [])
        try:
            yield made
        finally:
            for agent in made.agents:
                await agent.close()
