"""A further message handed to the real CLI while it runs a turn."""

from __future__ import annotations

import asyncio
import json

from outlive.protocols import TurnDone
from outlive.testing.scripted_model import script
from tests.agents.conftest import Session
from tests.agents.watching import until


async def test_a_message_during_a_tool_reaches_the_running_turn(session: Session) -> None:
    """A message given while a tool runs is told to the model with the tool's result, within the same turn."""
    slow = script({"text": "Working.", "tool": "Bash", "input": {"command": "touch begun; sleep 1"}}, {"text": "done"})
    turn = asyncio.create_task(session.events(slow))
    await until((session.work / "begun").exists)
    assert await session.agent.steer(session.workspace.root, "use the BLUE one")
    done = (await turn)[-1]
    assert isinstance(done, TurnDone)
    assert (done.text, done.stop_reason) == ("done", "end_turn")
    first, last = session.model.requests[0], session.model.requests[-1]
    assert "BLUE" not in json.dumps(first.body)
    assert "BLUE" in json.dumps(last.body)


async def test_a_message_during_the_last_answer_is_answered_after_it(session: Session) -> None:
    """A message given when no tool follows is the next prompt of the same process; the turn ends with its answer."""
    turn = asyncio.create_task(session.ask(script({"text": "first", "delay": 1})))
    await session.model.wait_for(1)
    assert await session.agent.steer(session.workspace.root, script({"text": "second"}))
    assert (await turn).text == "second"


async def test_no_turn_takes_no_message(session: Session) -> None:
    """Without a running turn nothing can be handed over, and the caller is told so."""
    assert not await session.agent.steer(session.workspace.root, "hello")
    await session.ask(script({"text": "one"}))
    assert not await session.agent.steer(session.workspace.root, "hello")
