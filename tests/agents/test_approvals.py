"""The real CLI and calls that need a person: what is deferred, what is made, what is refused."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from outlive.agents.claude import ClaudeAgent
from outlive.agents.deferred_calls import waiting_calls
from outlive.agents.processes import SupervisedProcess
from outlive.core.approvals import Decided, DeferredCall, call_digest, denial
from outlive.errors import Invalid
from outlive.testing.scripted_model import script

from .conftest import Begin, Session, with_agent
from .profile_folder import make_profile, server

pytestmark = pytest.mark.cli

RULE = "Bash(touch *)"
TOUCH = {"tool": "Bash", "input": {"command": "touch one && echo x >> runs"}}
AGAIN = {"tool": "Bash", "input": {"command": "touch two && echo y >> runs"}}
ECHO = {"tool": "Bash", "input": {"command": "echo hi"}}
DONE = {"text": "all done"}


@pytest.fixture
def asking(session: Session, make_agent) -> Session:
    """A conversation in which `touch` needs a person."""
    return with_agent(session, make_agent(ask=(RULE,)))


def decided(call: DeferredCall, *, allowed: bool = True, note: str = "") -> Decided:
    """A person's verdict on a call."""
    digest = call_digest(call.tool_use_id, call.name, json.loads(call.input_json))
    return Decided(digest, allowed, "" if allowed else denial(note))


async def deferred(session: Session, *steps: dict[str, object]) -> DeferredCall:
    """The call that a scripted turn ends with."""
    done = await session.ask(script(*steps))
    assert done.stop_reason == "tool_deferred"
    assert done.deferred is not None
    return done.deferred


async def waiting(begin: Begin, *steps: dict[str, object], first: tuple[str, ...] = ()) -> tuple[Session, DeferredCall]:
    """A conversation, on another host, whose scripted turn has ended with this call; equal ones are begun once."""
    session, done = await begin(*first, script(*steps), ask=(RULE,))
    assert done.stop_reason == "tool_deferred"
    assert done.deferred is not None
    return session, done.deferred


def runs(session: Session) -> str:
    """What the calls have left."""
    file = session.work / "runs"
    return file.read_text() if file.exists() else ""


async def test_a_call_that_needs_a_person_ends_the_run(begin: Begin) -> None:
    """The call is not made, and the end of the run names the tool, its arguments and the rule that asked."""
    asking, call = await waiting(begin, TOUCH, DONE)
    assert (call.name, json.loads(call.input_json), call.rule) == ("Bash", TOUCH["input"], RULE)
    assert call.summary == TOUCH["input"]["command"]
    assert runs(asking) == ""


async def test_an_allowed_call_is_made_once(begin: Begin) -> None:
    """On another host the verdict makes exactly the call that waited, and the model goes on with its result."""
    asking, call = await waiting(begin, TOUCH, DONE)
    done = await asking.ask(None, decision=decided(call))
    assert (done.text, done.stop_reason, runs(asking)) == ("all done", "end_turn", "x\n")


async def test_the_next_call_is_asked_about_anew(begin: Begin) -> None:
    """A verdict covers one call: the next one that a rule covers is deferred, however early it comes."""
    asking, call = await waiting(begin, TOUCH, AGAIN, DONE)
    done = await asking.ask(None, decision=decided(call))
    assert done.deferred is not None
    assert json.loads(done.deferred.input_json) == AGAIN["input"]
    assert runs(asking) == "x\n"


async def test_the_same_call_again_is_a_call_of_its_own(asking: Session) -> None:
    """A verdict for a call does not cover an equal one that the model makes later."""
    call = await deferred(asking, TOUCH, TOUCH, DONE)
    done = await asking.ask(None, decision=decided(call))
    assert done.deferred is not None
    again = await asking.ask(None, decision=decided(call))
    assert again.deferred == done.deferred
    assert runs(asking) == "x\n"


async def test_the_gate_stands_before_the_model_is_asked(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """When our side is slow to speak after the start, the call after the allowed one is deferred all the same."""
    write = SupervisedProcess.write

    async def slow(self: SupervisedProcess, data: bytes) -> None:
        await asyncio.sleep(1.0)  # real: the CLI runs meanwhile
        await write(self, data)

    asking, call = await waiting(begin, TOUCH, AGAIN, DONE)
    monkeypatch.setattr(SupervisedProcess, "write", slow)
    done = await asking.ask(None, decision=decided(call))
    assert (done.stop_reason, runs(asking)) == ("tool_deferred", "x\n")


async def test_a_denied_call_is_not_made(begin: Begin) -> None:
    """The model is told that the person refused, with their words, and goes on."""
    asking, call = await waiting(begin, TOUCH, DONE)
    done = await asking.ask(None, decision=decided(call, allowed=False, note="not on a Friday"))
    assert done.stop_reason == "end_turn"
    assert "not on a Friday" in asking.tool_results()[-1]
    assert runs(asking) == ""


async def test_a_changed_call_does_not_pass(begin: Begin) -> None:
    """Other arguments under the same id are not what was allowed: they are asked about anew."""
    asking, call = await waiting(begin, TOUCH, DONE)
    path = asking.workspace.root / "config/projects/session" / f"{asking.id}.jsonl"
    path.write_text(path.read_text().replace("echo x", "echo hacked"))
    done = await asking.ask(None, decision=decided(call))
    assert done.deferred is not None
    assert "hacked" in done.deferred.input_json
    assert runs(asking) == ""


async def test_two_calls_under_one_id_never_pass(begin: Begin) -> None:
    """A second entry that gives the waiting id other arguments makes the call one that nobody can allow."""
    asking, call = await waiting(begin, TOUCH, DONE)
    path = asking.workspace.root / "config/projects/session" / f"{asking.id}.jsonl"
    lines = path.read_text().splitlines()
    forged = next(line for line in lines if '"tool_use"' in line and '"assistant"' in line).replace("echo x", "rm")
    path.write_text("\n".join([*lines, forged]) + "\n")
    done = await asking.ask(None, decision=decided(call))
    assert done.stop_reason != "tool_deferred"
    assert runs(asking) == ""


async def test_another_message_means_no(begin: Begin) -> None:
    """A message instead of an answer refuses the call, costs one model call, and is answered."""
    asking, _ = await waiting(begin, TOUCH, DONE, first=("My name is Ada",))
    before = asking.model.counts["turn"]
    done = await asking.ask("What is my name?")
    assert "Ada" in done.text
    assert "wrote the message that follows" in asking.tool_results()[-1]
    assert runs(asking) == ""
    assert asking.model.counts["turn"] == before + 1


async def test_a_lifted_rule_asks_no_more(asking: Session) -> None:
    """What a lifted rule covers is made at once."""
    done = await asking.ask(script(TOUCH, AGAIN, DONE), lifted_rules=(RULE,))
    assert (done.text, runs(asking)) == ("all done", "x\ny\n")


async def test_a_person_may_allow_what_no_rule_allows(session: Session, make_agent) -> None:
    """A call that the permission rules would refuse is made when a person allows it, and only then."""
    outside = session.workspace.root / "outside.txt"
    write = {"tool": "Write", "input": {"file_path": str(outside), "content": "x"}}
    session = with_agent(session, make_agent(ask=("Write",)))
    call = await deferred(session, write, DONE)
    assert not outside.exists()
    await session.ask(None, decision=decided(call))
    assert outside.read_text() == "x"


@pytest.mark.parametrize("calls", [[TOUCH, ECHO], [ECHO, TOUCH], [TOUCH, AGAIN]])
async def test_a_call_beside_others_is_not_made(asking: Session, calls: list[dict[str, object]]) -> None:
    """In a message with several calls the one that needs a person is refused, with the word to make it alone."""
    done = await asking.ask(script({"tools": calls}, DONE))
    assert done.text == "all done"
    assert any("only alone" in result for result in asking.tool_results())
    assert runs(asking) == ""


async def test_a_subagent_cannot_ask(asking: Session) -> None:
    """A subagent's call is refused with the reason, instead of ending the subagent without a word."""
    done = await asking.ask("Ask a subagent to run `touch one && echo x >> runs`")
    assert done.stop_reason == "end_turn"
    assert runs(asking) == ""
    assert "subagent cannot ask" in done.text


async def test_a_question_that_was_not_committed_is_asked_again(begin: Begin) -> None:
    """A worker that died just before the commit of a question is continued with the question, not with the call."""
    asking, call = await waiting(begin, TOUCH, DONE)
    done = await asking.ask(None)
    assert (done.deferred, runs(asking)) == (call, "")


async def test_a_message_is_not_lost_when_the_refusal_was_not_written(begin: Begin) -> None:
    """A worker that died before it had refused the waiting call is continued with the message."""
    asking, _ = await waiting(begin, TOUCH, DONE, first=("My name is Ada",))
    root = asking.workspace.root
    path = root / "config/projects/session" / f"{asking.id}.jsonl"
    before = path.read_bytes()
    await asking.events("What is my name?", until=lambda _: True)
    path.write_bytes(before)
    done = await asking.ask(None)
    assert "Ada" in done.text
    assert waiting_calls(path.read_bytes()) == []


async def test_a_broken_rule_is_refused_at_once(make_agent: Callable[..., ClaudeAgent]) -> None:
    """An agent is not made with a rule that nobody can read."""
    with pytest.raises(Invalid, match=r"Bash\(git"):
        make_agent(ask=("Bash(git",))


async def test_a_servers_tool_is_asked_about(session: Session, make_agent, tmp_path) -> None:
    """A rule of the profile covers an MCP server's tool, which is called on another host once it is allowed."""
    calculator = server(command=sys.executable, args=[str(Path(__file__).with_name("calculator.py"))])
    settings = {"permissions": {"ask": ["mcp__calc"]}}
    folder = make_profile(tmp_path / "profiles/bot", mcp=dict(calculator), settings=settings)
    session = with_agent(session, make_agent(profiles=folder.parent))
    done = await session.ask(script({"tool": "mcp__calc__add", "input": {"a": 1, "b": 2}}, DONE), profile="bot")
    assert done.deferred is not None
    assert (done.deferred.rule, session.tool_results()) == ("mcp__calc", [])
    await session.move()
    await session.ask(None, profile="bot", decision=decided(done.deferred))
    assert "3" in session.tool_results()[-1]
