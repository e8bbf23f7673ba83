"""The agent's debug log of each turn, kept beside the session."""

from __future__ import annotations

import pytest

from outlive.errors import AgentFailed, NotFound
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.turn.keep_debug import list_debug, read_debug
from outlive.testing.faults import ErrorBefore, Pass, Plan
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import World


class Logging(InstantAgent):
    """Writes a log, and fails on request."""

    async def run(self, turn):
        """One line, then the turn."""
        if turn.debug_file:
            turn.debug_file.write_text(f"about {turn.prompt}\n")
        if turn.prompt == "fail":
            raise AgentFailed("as asked")
        async for event in super().run(turn):
            yield event


@pytest.fixture
def world(world: World) -> World:
    """An empty universe whose agents log."""
    world.agent = Logging()
    return world


async def _read(world: World, session_id: str, turn: int | None = None) -> str:
    log, content = await read_debug(world.observer, world.observer.stores("acme"), session_id, turn)
    assert turn in (None, log.turn)
    return content.decode()


async def test_each_turn_has_its_log(world) -> None:
    """The log of the newest turn, or of any, is the one the agent wrote in it."""
    for text in ("one", "two"):
        turn = await world.turn(world.worker("w1", debug=True), text)
    assert await _read(world, turn.session_id) == "about two\n"
    assert await _read(world, turn.session_id, 1) == "about one\n"
    assert not list(world.agent.runs[-1].root.rglob("*.log"))


async def test_a_failed_turn_has_its_log_too(world) -> None:
    """A turn that fails leaves its log, and the attempt that succeeds has one of its own."""
    engine = world.worker("w1", debug=True)
    with pytest.raises(AgentFailed):
        await world.turn(engine, "fail")
    turn = await world.turn(engine, "hello")
    logs = await list_debug(engine, engine.stores("acme"), turn.session_id)
    assert [log.turn for log in logs] == [1, 1]
    assert logs[0].attempt < logs[1].attempt
    assert await _read(world, turn.session_id, 1) == "about hello\n"


@pytest.mark.parametrize(("switch", "puts"), [(False, 1), (True, 2)])
async def test_a_log_costs_one_object(world, switch, puts) -> None:
    """Off, no request is made for it and there is none to read; on, a turn writes one object more."""
    turn = await world.turn(world.worker("w1"), "one")
    before = world.counts.copy()
    await world.turn(world.worker("w1", debug=switch), "two")
    assert (world.counts - before).objects_put == puts
    if not switch:
        with pytest.raises(NotFound, match="no debug log"):
            await _read(world, turn.session_id)


async def test_a_log_is_never_restored(world) -> None:
    """Another host that takes the session over has no log of earlier turns in its tree."""
    await world.turn(world.worker("w1", debug=True), "one")
    await world.turn(world.worker("w2"), "two")
    assert not list(world.agent.runs[-1].root.rglob("*.log"))


async def test_a_log_that_cannot_be_stored_fails_no_turn(world) -> None:
    """When the object store refuses the log the turn is committed, and its trace says what is missing."""
    await world.turn(world.worker("w1"), "one")
    rule = lambda step: ErrorBefore() if step.name == "objects.put" and step.nth <= 4 else Pass()  # noqa: E731
    turn = await world.turn(world.worker("w1", Plan(rule, clock=world.clock), debug=True), "two")
    (step,) = [step for step in turn.trace.steps if step.name == "debug"]
    assert step.found.startswith("not stored")
    assert turn.after == 2


async def test_an_erase_takes_the_logs_along(world) -> None:
    """Erasing a session removes its logs and counts them; one that comes late is removed by a sweep."""
    turn = await world.turn(world.worker("w1", debug=True), "one")
    stores = world.observer.stores("acme")
    receipt = await erase_session(world.observer, stores, turn.session_id)
    assert {tier.name: (tier.found, tier.left) for tier in receipt.tiers}["debug logs"] == (1, 0)
    await stores.objects.put(f"sessions/{turn.session_id}/debug/00000002-00000002.log.zst", b"late")
    world.clock.advance(7200)
    await sweep_tenant(world.observer, stores)
    assert not [key for key in world.server.blobs if "/debug/" in key]
