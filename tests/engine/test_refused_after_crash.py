"""A turn that a dead worker left and that is refused then: nothing goes on from what it had stored."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.agents.tree import TreeLimits
from outlive.agents.workspace import DiskWorkspaces
from outlive.core.quotas import Quotas
from outlive.errors import TooLarge
from outlive.flows.limits.change_limits import stop_turns
from outlive.flows.run_turn import run_turn
from outlive.protocols import TextPart
from outlive.testing.faults import Crash, CrashBefore, Plan, on
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import FLUSH

WRITE = "write notes.txt: two"


@pytest.fixture
async def left(world):
    """A universe in which a worker has died in its second turn, some of which is stored."""
    await world.turn(world.worker("w1"), "one")
    plan = Plan(on("agent.run", CrashBefore(), nth=3), clock=world.clock)

    async def until_stored(_event) -> None:
        while "objects.put" not in [step.name for step in plan.steps]:
            await world.clock.let_pass(FLUSH + 0.5)

    with suppress(Crash):
        await run_turn(world.worker("w1", plan), world.message(WRITE), on_event=until_stored)
    await world.clock.let_pass(31)
    return world


class Hoarder(InstantAgent):
    """Leaves more files than may be kept."""

    async def run(self, turn):
        async for event in super().run(turn):
            yield event
        for number in range(200):
            (turn.root / f"work/{number}").write_text("x")


async def refused_late(world, engine) -> None:
    """The message on this worker, with something stored before its end."""
    before = world.counts.objects_put

    async def until_stored(event) -> None:
        while isinstance(event, TextPart) and event.text == "…" and world.counts.objects_put == before:
            await world.clock.let_pass(FLUSH + 0.5)

    await run_turn(engine, world.message(WRITE), on_event=until_stored)


@pytest.mark.parametrize("limit", [None, 0.0005])
async def test_a_turn_that_may_not_go_on_leaves_nothing_to_go_on_from(left, limit) -> None:
    """Refused by the switch or by a limit, it is answered with that alone, and the next turn starts from there."""
    if limit is None:
        await stop_turns(left.observer, left.observer.stores("acme"), reason="maintenance", by="root")
    refusing = left.worker("w2", control_seconds=0.0, quotas=Quotas(max_usd_per_session=limit))
    turn = await left.turn(refusing, WRITE)
    assert (turn.how, turn.after, await left.file("work/notes.txt")) == ("refused", 2, None)
    assert (await left.turn(left.worker("w3"), "three")).line.reply == "Message 2: three"
    assert left.agent.runs[-1].prompt == "three"


@pytest.mark.parametrize("was_stored", [True, False])
async def test_a_message_whose_tree_was_refused_starts_anew(left, tmp_path, was_stored) -> None:
    """Refused for its tree behind a crash, a message runs from the last commit, whatever is stored of it or was not."""
    if not was_stored:
        for key in [key for key in left.server.blobs if "/packs/00000002" in key]:
            del left.server.blobs[key]
    small = DiskWorkspaces(tmp_path / "small", limits=TreeLimits(100))
    with pytest.raises(TooLarge, match="100"):
        await refused_late(left, replace(left.worker("w2"), workspaces=small, agent=Hoarder()))
    turn = await left.turn(left.worker("w3"), WRITE)
    assert (turn.how, left.agent.runs[-1].prompt) == ("ran", WRITE)
    assert (turn.line.reply, await left.file("work/notes.txt")) == (f"Message 2: {WRITE}", b"two")
