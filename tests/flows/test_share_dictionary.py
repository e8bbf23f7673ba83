"""Dictionaries of a tenant, across workers that stay alive while others erase."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.erase_many import erase_tenant
from outlive.testing.instant_agent import InstantAgent
from tests.flows.conftest import Meanwhile

LISTING = " ".join(f"skill-{Random(7).getrandbits(60):x}-{number}" for number in range(400))

STEPS = [
    *(("objects.list", nth) for nth in (1, 12, 13, 14, 15)),
    *(("table.scan", nth) for nth in (2, 12, 13, 14)),
    *(("objects.delete", nth) for nth in (1, 2)),
    ("table.delete", 2),
]
"""Calls of an erase: the list of sessions, the removal of one, and of everything else."""


class ListingAgent(InstantAgent):
    """Begins each transcript with a listing that all sessions have in common, as the CLI does."""

    def _note(self, path: Path) -> None:
        super()._note(path)
        entry = {"type": "attachment", "attachment": {"type": "skill_listing", "content": LISTING}}
        with path.open("a") as file:
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")


def listing_worker(world, **given):
    """A worker whose agent's first turns have something to share."""
    return replace(world.worker(**given), agent=ListingAgent())


async def said(world, engine, text: str) -> Turn:
    """One message to this worker."""
    turn = await run_turn(engine, world.inbound(text))
    assert isinstance(turn, Turn)
    return turn


def stored_dictionaries(world) -> list[str]:
    """Keys of the tenant's dictionaries."""
    return [key for key in world.server.blobs if key.startswith("acme/dictionaries/")]


@pytest.mark.promise("P1")
async def test_a_dictionary_that_was_erased_elsewhere_is_stored_again(world) -> None:
    """A worker that lives through its tenant's erase stores the dictionary anew: what it commits can be restored."""
    engine = listing_worker(world)
    await said(world, engine, "before")
    assert stored_dictionaries(world)
    assert (await erase_tenant(world.worker("other"), world.stores)).complete
    after = await said(world, engine, "write a.txt: after")
    assert stored_dictionaries(world)
    assert (await world.restored(after.session_id))["work/a.txt"][1] == b"after"


@pytest.mark.promise("P1")
@pytest.mark.parametrize(("call", "nth"), STEPS)
async def test_a_session_that_begins_while_its_tenant_is_erased_is_whole_or_gone(world, call, nth) -> None:
    """Whatever step of the erase a first turn falls between, its session is restored, or it is no session any more."""
    engine = listing_worker(world)
    await said(world, engine, "before")
    turns: list[Turn] = []

    async def first_turn() -> None:
        turns.append(await said(world, engine, "write a.txt: meanwhile"))

    eraser = world.worker("other", Meanwhile(call, first_turn, nth=nth))
    await erase_tenant(eraser, eraser.stores("acme"))
    (turn,) = turns
    if any(turn.session_id in key for key in world.server.rows):
        assert (await world.restored(turn.session_id))["work/a.txt"][1] == b"meanwhile"
