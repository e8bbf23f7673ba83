"""The simulated agent in histories with controls: it has a price, needs a person now and then, and can be stopped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Any

from outlive.core.approvals import TOOL_DEFERRED, call_digest
from outlive.errors import NotFound
from outlive.protocols import (
    AgentEvent,
    AgentTurn,
    Clock,
    DeferredCall,
    SessionSeen,
    TextPart,
    ToolFinished,
    ToolStarted,
    TurnDone,
    Usage,
)
from outlive.testing.simulation.agent import TRANSCRIPTS, SimulatedAgent, prompts_in, read_entries
from outlive.testing.simulation.controls import PRICE, RULE, Run
from outlive.testing.simulation.controls_monitor import ControlsMonitor
from outlive.testing.simulation.disks import Tree
from outlive.testing.simulation.monitor import answer_to
from outlive.testing.simulation.processes import Process

TOOL = "Pay"
NAP = 2.0
"""Seconds after which a working agent looks whether it is to stop."""
Entries = list[dict[str, Any]]


class AskingAgent(SimulatedAgent):
    """As the simulated agent; every step costs `PRICE`, and some calls wait for a person."""

    def __init__(
        self, process: Process, monitor: ControlsMonitor, clock: Clock, random: Random, *, asks: float
    ) -> None:
        """`asks`: how likely a run is to need a person."""
        super().__init__(process, monitor, clock, random, loses_lines=False)
        self._judge, self._asks = monitor, asks
        self._stopped: dict[Path, bool] = {}
        """Whether the run in this folder was told to stop."""

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """Answer the prompt, go on with the verdict on a waiting call, or finish what was interrupted."""
        session_id = turn.root.parts[3]
        self._stopped[turn.root] = False
        begun = self._judge.run_began(self._process, session_id, turn)
        try:
            async for event in self._run(turn):
                self._judge.run_goes_on(self._process, session_id, begun)
                yield event
        finally:
            self._judge.run_ended(session_id, begun)
            self._stopped.pop(turn.root, None)

    async def _run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        tree = self._process.disk.at(turn.root)
        session_id = turn.agent_session_id or f"{self._random.getrandbits(64):016x}"
        path = f"{TRANSCRIPTS}{session_id}.jsonl"
        entries = read_entries(tree, path)
        self._check_tenant(tree)
        if turn.prompt is None and (not prompts_in(entries) or entries[-1]["type"] == "assistant"):
            raise NotFound("there is no interrupted turn to continue.")
        run = Run(PRICE, "", decided=turn.decision.digest if turn.decision else "")
        await self._take_up(turn, tree, path, entries)
        yield SessionSeen(session_id)
        async for event in self._work(turn, tree, path, entries, run):
            yield event
        call = None if self._is_over(turn, run) else self._call(turn, entries)
        if call is not None:
            await self._say(tree, path, entries, "call", call.input_json)
            run.asked = digest_of(call.input_json)
        await self._write_notes(tree, entries)
        run.text = answer_to(*prompts_in(entries)[-1].split(" ")[:2])
        if call is None:
            await self._say(tree, path, entries, "assistant", run.text)
        yield TextPart(run.text)
        self._judge.run_told(turn.root.parts[3], run)
        yield TurnDone(run.text, session_id, Usage(usd=run.usd), self._why(turn, call), deferred=call)

    async def _take_up(self, turn: AgentTurn, tree: Tree, path: str, entries: Entries) -> None:
        """See to the call that waits, and write down what was asked."""
        if entries and entries[-1]["type"] == "call":
            arguments = entries[-1]["message"]["content"]
            digest = digest_of(arguments)
            if turn.decision and turn.decision.allowed and turn.decision.digest == digest:
                self._judge.call_made(self._process, turn.root.parts[3], digest)
                tree.put(f"work/made-{digest}.txt", b"made")
                await self._say(tree, path, entries, "result", f"made {digest}")
            else:
                await self._say(tree, path, entries, "result", f"refused {digest}")
        if turn.prompt is not None:
            await self._say(tree, path, entries, "user", turn.prompt)

    async def _work(
        self, turn: AgentTurn, tree: Tree, path: str, entries: Entries, run: Run
    ) -> AsyncGenerator[AgentEvent, None]:
        """A few tools, each after one more model call, until there is no more money or somebody says stop."""
        for _ in range(self._random.choice((0, 0, 1, 1, 2, 4))):
            if self._is_over(turn, run):
                return
            run.usd = round(run.usd + PRICE, 6)
            name = f"{self._random.getrandbits(32):08x}"
            yield ToolStarted(name, "Write", name)
            await self._say(tree, path, entries, "tool", name)
            await self._nap(turn.root, self._random.random() ** 3 * 60)
            tree.put(f"work/{name}.txt", name.encode())
            yield ToolFinished(name, is_error=False)

    async def _nap(self, root: Path, seconds: float) -> None:
        while seconds > 0 and not self._stopped[root]:
            await self._clock.sleep(min(seconds, NAP))
            seconds -= NAP

    def _is_over(self, turn: AgentTurn, run: Run) -> bool:
        return self._stopped[turn.root] or (turn.max_usd is not None and run.usd >= turn.max_usd - PRICE / 2)

    def _call(self, turn: AgentTurn, entries: Entries) -> DeferredCall | None:
        """The call that a person has to allow, now and then."""
        if RULE in turn.lifted_rules or self._random.random() >= self._asks:
            return None
        number = f"{self._random.getrandbits(64):016x}"
        arguments = json.dumps({"id": number, "for": prompts_in(entries)[-1].split(" ")[1]})
        return DeferredCall(number, TOOL, arguments, RULE, f"pay {number}")

    def _why(self, turn: AgentTurn, call: DeferredCall | None) -> str:
        if call is not None:
            return TOOL_DEFERRED
        return "interrupted" if self._stopped[turn.root] else "end_turn"

    async def interrupt(self, root: Path) -> bool:
        """Tell the run in the folder to stop; one in five has no ears."""
        await asyncio.sleep(0)
        if root not in self._stopped:
            return False
        if self._random.random() < 0.8:
            self._stopped[root] = True
        return True


def digest_of(arguments: str) -> str:
    """What stands for the call with these arguments, which name it."""
    decoded = json.loads(arguments)
    return call_digest(decoded["id"], TOOL, decoded)
