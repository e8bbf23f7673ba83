"""Sessions with any life, swept."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.sessions.sweep_session import GRACE, sweep_session
from tests.flows.conftest import COMPLETE, UNFINISHED, World

STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abc"), st.integers(1, 3000)),
    st.tuples(st.just("delete"), st.sampled_from("abc")),
    st.tuples(st.just("rewind"), st.integers(0, 4)),
    st.tuples(
        st.just("crash"), st.sampled_from(["complete", "unfinished"]), st.sampled_from(["again", "other", "never"])
    ),
    st.tuples(st.just("wait")),
    st.tuples(st.just("sweep")),
)


async def play(world: World, session: str, step: tuple) -> None:
    """One step of a random life."""
    match step:
        case ("write", name, size):
            await world.say(f"write {name}.txt: {(name + str(size)) * size}")
        case ("delete", name):
            has = f"work/{name}.txt" in await world.restored(session)
            await world.say(f"delete {name}.txt" if has else f"no {name}")
        case ("rewind", back):
            newest = (await world.head(session)).version
            await rewind_session(world.worker(), world.stores, session, max(newest - back, newest - world.keep + 1, 1))
            await world.remember(session)
        case ("crash", how, then):
            inbound = await world.die(COMPLETE if how == "complete" else UNFINISHED, f"write d.txt: {how}")
            if then == "again":
                await run_turn(world.worker("w2"), inbound)
                await world.remember(session)
            elif then == "other":
                await world.say("other", worker="w3")
        case ("wait",):
            world.clock.advance(GRACE)
        case ("sweep",):
            await sweep_session(world.worker("sweeper"), world.stores, session)
            await world.check_versions(session)


@pytest.mark.promise("P1")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=1, max_size=14), st.integers(1, 6))
def test_any_life_and_a_sweep_leave_the_kept_versions_and_nothing_else(steps, keep) -> None:
    """After turns, rewinds, crashes and sweeps in any order, a sweep leaves the kept versions and nothing else."""

    async def live() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            world.keep = keep
            session = (await world.say("begin")).session_id
            for step in steps:
                await play(world, session, step)
            world.clock.advance(GRACE)
            await sweep_session(world.worker("sweeper"), world.stores, session)
            await world.check_versions(session)
            assert set(world.packs(session)) == await world.needed(session)

    asyncio.run(live())
