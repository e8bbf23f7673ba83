"""A transcript that lost a line on its way to the disk: refused, whatever was flushed, and the message run anew."""

from __future__ import annotations

import json

import pytest

from outlive.errors import Corrupt
from outlive.testing.instant_agent import InstantAgent


class LosingAgent(InstantAgent):
    """Its first run after `loses` is set writes no line for the prompt, though the next line builds on it."""

    loses = False

    def _append(self, path, entries, kind, text) -> None:
        super()._append(path, entries, kind, text)
        if kind == "user" and self.loses:
            lines = path.read_text().splitlines(keepends=True)
            entries[-1]["uuid"] = "lost"
            built = json.dumps({"type": "tool", "parentUuid": "lost", "uuid": "built"}) + "\n"
            path.write_text("".join([*lines[:-1], built]))
            self.loses = False


@pytest.fixture
def losing(world):
    """A worker whose agent loses a line."""
    world.agent = LosingAgent()
    return world.worker("w1")


@pytest.mark.promise("P5")
async def test_a_hole_in_what_was_flushed_is_refused(world, losing) -> None:
    """A hole is found at the commit although a flush has stored its lines before, and the error names the entry."""
    await world.turn(losing, "one")
    world.agent.loses = True
    with pytest.raises(Corrupt, match="entry lost is missing"):
        await world.turn(losing, "two", paced=True)
    assert (await world.head()).version == 1
    assert [key for key in world.server.blobs if "/00000002-" in key], "it was flushed before it was refused"


@pytest.mark.promise("P5")
async def test_a_message_whose_flush_has_a_hole_is_run_anew(world, losing) -> None:
    """After a refused turn the message is not continued from its flush for ever: the next try runs it afresh."""
    await world.turn(losing, "one")
    world.agent.loses = True
    with pytest.raises(Corrupt):
        await world.turn(losing, "two", paced=True)
    turn = await world.turn(world.worker("w2"), "two")
    assert (turn.how, turn.line.reply) == ("ran", "Message 2: two")
    entries = await world.transcript()
    assert [entry["parentUuid"] for entry in entries] == [None, *(entry["uuid"] for entry in entries[:-1])]
