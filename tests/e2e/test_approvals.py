"""Approvals with the real CLI across hosts that share nothing but the stores: nothing runs while a person thinks."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.options import CliOptions, ModelSettings
from outlive.agents.profiles import Profiles
from outlive.agents.workspace import DiskWorkspaces
from outlive.core.approvals import TOOL_DEFERRED, Approval
from outlive.flows.run_turn import Turn, run_turn
from outlive.protocols import AgentEvent, OnEvent, ToolFinished
from outlive.testing.faults import Crash
from outlive.testing.scripted_model import ScriptedModel, script
from tests.e2e.test_hosts import Hosts
from tests.engine.conftest import FLUSH

pytestmark = pytest.mark.cli

RULE = "Bash(touch *)"
TOUCH = {"tool": "Bash", "input": {"command": "touch one && echo x >> runs"}}
AGAIN = {"tool": "Bash", "input": {"command": "touch two && echo y >> runs"}}
DONE = {"text": "all done"}


def clis_below(host: Path) -> list[str]:
    """Processes that work below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(host):
                found.append((process / "cmdline").read_text())
    return found


class AskingHosts(Hosts):
    """Hosts on which `touch` needs a person; each turn has an agent of its own, as on a machine of its own."""

    async def said(self, text: str, *, on_event: OnEvent | None = None) -> Turn:
        """One turn on a new host; afterwards nothing of it runs any more."""
        shutil.rmtree(self.host, ignore_errors=True)
        settings = ModelSettings("scripted", base_url=self.model.url)
        agent = ClaudeAgent(settings, Profiles(), options=CliOptions(ask=(RULE,)))
        engine = replace(self.world.worker("any"), agent=agent, workspaces=DiskWorkspaces(self.host))
        turn = await run_turn(engine, replace(self.world.message(text), sender="ada"), on_event=on_event)
        assert isinstance(turn, Turn)
        assert clis_below(self.host) == []
        return turn

    async def asked(self, *steps: dict[str, object]) -> Approval:
        """The question that a scripted turn ends with."""
        turn = await self.said(script(*steps))
        assert (turn.line.stop_reason, await self.runs()) == (TOOL_DEFERRED, "")
        assert turn.line.approval is not None
        return turn.line.approval

    async def runs(self) -> str:
        """What the calls have left in the committed tree."""
        return (await self.world.file("work/runs") or b"").decode()


@pytest_asyncio.fixture
async def hosts(tmp_path):
    """A model and hosts."""
    async with ScriptedModel() as model:
        yield AskingHosts(tmp_path, model)


async def test_an_answer_on_another_host_makes_exactly_that_call(hosts) -> None:
    """The run ends at the call and leaves no process; the answer makes it once, elsewhere, and the turn goes on."""
    question = await hosts.asked(TOUCH, DONE)
    assert question.summary == TOUCH["input"]["command"]
    turn = await hosts.said(f"/once {question.id}")
    assert (turn.line.reply, await hosts.runs()) == ("all done", "x\n")
    assert (await hosts.world.head()).approval is None
    await hosts.said("What is my name?")
    assert await hosts.runs() == "x\n"


async def test_the_next_call_is_a_new_question(hosts) -> None:
    """Two calls need two answers, each on a host of its own."""
    first = await hosts.asked(TOUCH, AGAIN, DONE)
    turn = await hosts.said(f"/once {first.id}")
    assert turn.line.approval is not None
    assert await hosts.runs() == "x\n"
    assert (await hosts.said(f"/once {turn.line.approval.id}")).line.reply == "all done"
    assert await hosts.runs() == "x\ny\n"


async def test_always_asks_no_more_in_this_session(hosts) -> None:
    """After `always` the next call of the same turn, and one of a later turn, run without a question."""
    question = await hosts.asked(TOUCH, AGAIN, DONE)
    assert (await hosts.said(f"/always {question.id}")).line.reply == "all done"
    assert (await hosts.said(script(AGAIN, DONE))).line.reply == "all done"
    assert await hosts.runs() == "x\ny\ny\n"


async def test_a_denial_goes_on_without_the_call(hosts) -> None:
    """The model is told what the person said, on another host, and nothing is run."""
    question = await hosts.asked(TOUCH, DONE)
    turn = await hosts.said(f"/deny {question.id} not on a Friday")
    assert turn.line.stop_reason == "end_turn"
    assert "not on a Friday" in json.dumps(hosts.model.requests[-1].body)
    assert await hosts.runs() == ""


async def test_another_message_is_answered_instead(hosts) -> None:
    """A message in place of an answer is answered, the call is not made, and a late answer makes it no more."""
    await hosts.said("My name is Ada")
    question = await hosts.asked(TOUCH, DONE)
    assert "Ada" in (await hosts.said("What is my name?")).line.reply
    assert "Nothing is waiting" in (await hosts.said(f"/once {question.id}")).line.reply
    assert await hosts.runs() == ""


async def test_an_expired_question_is_denied_on_the_next_turn(hosts) -> None:
    """An answer that comes too late makes nothing, and the conversation goes on with the call refused."""
    question = await hosts.asked(TOUCH, DONE)
    hosts.world.clock.advance(1801)
    before = hosts.model.counts["turn"]
    assert "expired" in (await hosts.said(f"/once {question.id}")).line.reply
    assert hosts.model.counts["turn"] == before
    assert (await hosts.said("What is my name?")).line.stop_reason == "end_turn"
    assert await hosts.runs() == ""


async def test_a_worker_that_dies_behind_the_call_is_continued(hosts) -> None:
    """Once the result of the allowed call is stored, a crash leads to its turn's end elsewhere, not to a second run."""
    question = await hosts.asked(TOUCH, {"text": "all done", "delay": 1.0})

    async def die(event: AgentEvent) -> None:
        if isinstance(event, ToolFinished):
            await asyncio.sleep(0.5)  # real: the CLI writes its transcript with a delay
            await hosts.world.clock.let_pass(FLUSH + 0.5)
            raise Crash

    with pytest.raises(Crash):
        await hosts.said(f"/once {question.id}", on_event=die)
    await hosts.world.clock.let_pass(31)
    turn = await hosts.said(f"/once {question.id}")
    assert (turn.how, turn.line.stop_reason, await hosts.runs()) == ("continued", "end_turn", "x\n")


async def test_a_worker_that_dies_in_the_call_makes_it_again(hosts) -> None:
    """When nobody knows how the allowed call ended, the redelivered answer still allows it: at least once."""
    slow = {"tool": "Bash", "input": {"command": "touch one && echo x >> runs && sleep 2"}}
    question = await hosts.asked(slow, DONE)
    dying = asyncio.ensure_future(hosts.said(f"/once {question.id}"))
    while not list(hosts.host.glob("*/work/runs")):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    dying.cancel()
    await asyncio.wait({dying})
    await hosts.world.clock.let_pass(31)
    turn = await hosts.said(f"/once {question.id}")
    assert (turn.line.reply, set((await hosts.runs()).split())) == ("all done", {"x"})
