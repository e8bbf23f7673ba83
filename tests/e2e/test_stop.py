"""A stop from another process reaches a turn of the real CLI."""

from __future__ import annotations

import asyncio

from outlive.flows.delivery.control_session import Stopping, session_status, stop_session
from outlive.protocols import ToolStarted
from outlive.settings import load_settings
from outlive.testing.scripted_model import script
from outlive.wiring import open_app, open_at_rest
from tests.agents.places import passable_folder

SLOW = script({"text": "Working.", "tool": "Bash", "input": {"command": "sleep 60"}}, {"text": "never"})


async def test_a_stop_ends_the_turn_and_keeps_it() -> None:
    """A stop given through other handles on the stores interrupts a running tool, and the turn is committed."""
    begun = asyncio.Event()

    async def watch(event: object) -> None:
        if isinstance(event, ToolStarted):
            begun.set()

    with passable_folder() as folder:
        settings = load_settings(data=folder / "data", workspaces=folder / "trees", model="scripted")
        async with open_app(settings) as worker, open_at_rest(settings) as intake:
            turn = asyncio.create_task(worker.ask("ada", SLOW, on_event=watch))
            await asyncio.wait_for(begun.wait(), 60)
            assert await stop_session(intake.engine, intake.key("ada")) is Stopping.ASKED
            line = (await asyncio.wait_for(turn, 30)).line
            assert (line.stop_reason, line.reply) == ("interrupted", "Working.")
            assert (await worker.ask("ada", script({"text": "still here"}))).line.reply == "still here"
            status = await session_status(intake.engine, intake.key("ada"))
            assert (status.turns, status.running) == (2, False)
