"""Turns on the real CLI: events, limits, permissions, environment, errors."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from pathlib import Path

import pytest

from outlive.agents.claude import ClaudeAgent
from outlive.agents.credentials import ROLE
from outlive.agents.models import ModelSettings
from outlive.agents.options import INHERITED
from outlive.agents.profiles import Profiles
from outlive.errors import AgentFailed, Conflict, Corrupt, Invalid
from outlive.protocols import AgentEvent, SessionSeen, TextPart, ToolFinished, ToolStarted, TurnDone
from outlive.testing.scripted_model import Fail, script
from tests.agents.conftest import AS_ONE, MakeAgent, Session, StayingSession, with_agent
from tests.agents.watching import count_naming, gone, until

pytestmark = pytest.mark.cli


async def test_events_come_in_order(session: Session) -> None:
    """First the id, then live text and tools as they happen, then the id again and the one end."""
    steps = script({"text": "Let me see.", "tool": "Bash", "input": {"command": "echo hi"}}, {"text": "It says hi."})
    events = await session.events(steps)
    kinds = [type(event) for event in events if not isinstance(event, TextPart)]
    assert kinds == [SessionSeen, ToolStarted, ToolFinished, SessionSeen, TurnDone]
    started = events.index(next(event for event in events if isinstance(event, ToolStarted)))
    parts = [event.text if isinstance(event, TextPart) else "" for event in events]
    assert "".join(parts[:started]) == "Let me see."
    assert "".join(parts[started:]) == "It says hi."
    assert events[started] == ToolStarted(events[started].tool_use_id, "Bash", "echo hi")  # type: ignore[union-attr]


async def test_usage_is_of_this_turn(session: Session) -> None:
    """Tokens and money are the turn's own, although the CLI's total grows with the session."""
    first = await session.ask("hello")
    second = await session.ask(script({"tool": "Bash", "input": {"command": "true"}}, {"text": "done"}))
    total = [entry for entry in session.entries() if entry["type"] == "cost-state"][-1]["totalCostUSD"]
    assert first.usage.usd > 0
    assert first.usage.usd + second.usage.usd == pytest.approx(total)
    assert (first.usage.agent_turns, second.usage.agent_turns) == (1, 2)
    assert second.usage.output_tokens > 0


async def test_the_agent_sees_nothing_of_the_worker(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell of the agent has the listed variables, the session's own places, and no secret of ours."""
    monkeypatch.setenv("OUTLIVE_TABLE", "secret-of-ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-ours")
    await session.ask(script({"tool": "Bash", "input": {"command": "env"}}, {"text": "done"}))
    shown = dict(line.partition("=")[::2] for line in session.tool_results()[-1].splitlines())
    inherited = {name for name in shown if name in os.environ and shown[name] == os.environ[name]}
    assert inherited <= INHERITED | {"SHLVL", "SHELL", "_"} | {name for name in shown if name.startswith("LC_")}
    assert not ROLE & shown.keys()
    assert "secret-of-ours" not in str(shown)
    assert shown["HOME"] == str(session.workspace.root / "home")


@AS_ONE
async def test_files_are_written_in_the_working_directory_only(staying: StayingSession) -> None:
    """The agent writes and runs in its own folder without asking; beside it, its file tools are refused."""
    outside = staying.workspace.root / "config" / "settings.json"
    (staying.work / "a/b").unlink(missing_ok=True)  # of a first try
    steps = [
        {"tool": "Write", "input": {"file_path": str(path), "content": "{}"}}
        for path in (staying.work / "a/b", outside)
    ]
    await staying.ask(script(*steps, {"tool": "Bash", "input": {"command": "cat a/b | tee c"}}, {"text": "done"}))
    assert (staying.work / "c").read_text() == "{}"
    assert not outside.exists()


@AS_ONE
async def test_a_message_is_only_words(staying: StayingSession, tmp_path: Path) -> None:
    """Neither a file mention nor a command in a message does anything: the file stays unread, the memory stays."""
    (tmp_path / "secret").write_text("0xSECRET")
    await staying.ask("My name is Ada.")
    await staying.ask(f"look at @{tmp_path}/secret")
    await staying.ask("/clear")
    done = await staying.ask("What is my name?")
    assert "Ada" in done.text
    assert "0xSECRET" not in str([request.body for request in staying.model.requests])


async def test_a_changed_prompt_reaches_a_running_session(
    session: Session, make_agent: MakeAgent, tmp_path: Path
) -> None:
    """The system prompt is read for each turn, and not frozen by the conversation."""
    prompt = tmp_path / "profiles/bot/system_prompt.md"
    prompt.parent.mkdir(parents=True)
    session = with_agent(session, make_agent(profiles=tmp_path / "profiles"))
    for text in ("You are the first.", "You are the second."):
        prompt.write_text(text)
        await session.ask("hello", profile="bot")
        assert text in str(session.model.requests[-1].body["system"])


async def test_nothing_is_left_but_what_is_kept(session: Session) -> None:
    """After a turn the temporary folder and the home are empty, and the note of the running turn is gone."""
    await session.ask(script({"tool": "Bash", "input": {"command": "touch ~/x $TMPDIR/y"}}, {"text": "done"}))
    root = session.workspace.root
    assert os.listdir(root / "tmp") == os.listdir(root / "home") == []
    assert [entry.path.split("/")[0] for entry in await session.workspace.scan()] == ["config"]


# -------------------------------------------------------------------------------------- limits and stops


async def test_max_turns(session: Session) -> None:
    """A turn that reaches its limit ends with what it has, marked as not finished."""
    call = {"tool": "Bash", "input": {"command": "true"}}
    done = await session.ask(script({"text": "Step one.", **call}, call, {"text": "never"}), max_turns=1)
    assert (done.stop_reason, done.is_error, done.text) == ("max_turns", True, "Step one.")


async def test_max_usd_is_for_this_turn(session: Session) -> None:
    """Money spent in earlier turns does not count against a turn's own limit."""
    spent = (await session.ask("hello")).usage.usd
    assert (await session.ask("hello again", max_usd=spent)).stop_reason == "end_turn"
    assert (await session.ask("and again", max_usd=1e-9)).stop_reason == "max_budget"


async def test_the_users_stop_keeps_what_was_done(session: Session) -> None:
    """An interrupted turn ends at once, is no error, and the conversation knows of it."""
    slow = script(
        {"text": "Working.", "tool": "Bash", "input": {"command": "touch begun; sleep 60"}}, {"text": "never"}
    )
    turn = asyncio.create_task(session.events(slow))
    await until((session.work / "begun").exists)
    started = time.monotonic()
    assert await session.agent.interrupt(session.workspace.root)
    done = (await turn)[-1]
    assert isinstance(done, TurnDone)
    assert (done.stop_reason, done.is_error, done.text) == ("interrupted", False, "Working.")
    assert time.monotonic() - started < 10
    assert "hello" in (await session.ask(script({"text": "hello"}))).text


async def test_a_stop_before_the_cli_is_up(session: Session) -> None:
    """A stop that comes early is kept until the turn can be stopped."""
    turn = asyncio.create_task(session.ask(script({"text": "never", "delay": 60})))
    await until(lambda: session.agent._runs.get(session.workspace.root) is not None)
    assert await session.agent.interrupt(session.workspace.root)
    assert (await turn).stop_reason == "interrupted"
    assert not await session.agent.interrupt(session.workspace.root)


@AS_ONE
async def test_one_turn_at_a_time(staying: StayingSession) -> None:
    """A second turn in the same tree is refused while one runs."""
    asked = staying.model.counts["turn"]
    turn = asyncio.create_task(staying.ask(script({"text": "one", "delay": 1})))
    await staying.model.wait_for(asked + 1)
    with pytest.raises(Conflict, match="is running"):
        await staying.ask("two")
    assert (await turn).text == "one"


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(("status", "fix"), [(401, "key"), (429, "limit"), (529, "overloaded")])
async def test_a_failing_model_is_no_answer(session: Session, status: int, fix: str) -> None:
    """An error of the provider fails the turn, with a fix for this kind of error."""
    session.model.order(Fail(status, times=20))
    with pytest.raises(AgentFailed, match=fix):
        await session.ask("hello")


async def test_a_failed_turn_goes_on_when_the_model_is_back(session: Session) -> None:
    """A turn that the provider refused is continued without its message being sent again."""
    session.model.order(Fail(529, times=1))
    with pytest.raises(AgentFailed):
        await session.ask("My name is Ada. " + script({"text": "Hello Ada."}))
    assert (await session.ask(None)).text == "Hello Ada."


@pytest.mark.parametrize("text", ["nul \0 here", "half \ud83d emoji", "-- --help", "🙂\r\n\u2028"])
@AS_ONE
async def test_any_text_arrives(staying: StayingSession, text: str) -> None:
    """What a person sends reaches the model, whatever it holds; half a character arrives as a replacement."""
    await staying.ask(text)
    assert is_told(staying, text.replace("\ud83d", "\ufffd"))


async def test_a_text_of_a_megabyte_arrives(session: Session) -> None:
    """Nothing of it is cut off."""
    await session.ask("x" * 1_000_000)
    assert is_told(session, "x" * 1_000_000)


def is_told(session: Session, text: str) -> bool:
    """Whether the model was asked with this text last."""
    sent = [message["content"] for message in session.model.requests[-1].body["messages"]]
    texts = [block.get("text", "") for content in sent for block in content if isinstance(content, list)]
    return any(text in each for each in [*texts, *sent])


async def test_a_session_without_transcript_is_damage(session: Session) -> None:
    """An id whose transcript is missing or empty never begins a new conversation."""
    session.id = "11111111-2222-4333-8444-555555555555"
    with pytest.raises(Corrupt, match="no transcript"):
        await session.ask("hello")
    path = session.workspace.root / "config/projects/session" / f"{session.id}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    with pytest.raises(Corrupt, match="no conversation"):
        await session.ask("hello")


@pytest.mark.parametrize("text", ["", " \n\t"])
async def test_an_empty_message_is_refused(session: Session, text: str) -> None:
    """Nothing is started for nothing."""
    with pytest.raises(Invalid, match="empty"):
        await session.ask(text)


async def test_an_unknown_profile_is_refused(session: Session) -> None:
    """The known ones are named."""
    with pytest.raises(Invalid, match="Use one of: default"):
        await session.ask("hello", profile="nobody")


def test_an_agent_without_a_model_is_refused() -> None:
    """The missing key is reported when the agent is made, not in the first turn."""
    with pytest.raises(Invalid, match="ANTHROPIC_API_KEY"):
        ClaudeAgent(ModelSettings("anthropic"), Profiles())


def fake_cli(folder: Path, script: str) -> Path:
    """A program in the CLI's place."""
    path = folder / "cli"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


ANSWERS = """read line; id=${line#*request_id\\": \\"}; id=${id%%\\"*}
echo '{"type":"control_response","response":{"subtype":"success","request_id":"'$id'","response":{}}}'"""
RESULT = json.dumps(
    {"type": "result", "subtype": "success", "is_error": False, "duration_ms": 1, "duration_api_ms": 1}
    | {"num_turns": 1, "session_id": "x", "result": "r"}
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo broken >&2; exit 3", r"exit code 3\). broken"),
        (f'{ANSWERS}\necho \'{{"type": "assist\'; exec cat', "printed what is no message"),
        (f"{ANSWERS}\nexit 0", "without a result"),
        (f"{ANSWERS}\necho '{RESULT}'; kill -9 $$", "broke off after its result"),
        (f"{ANSWERS}\nexec sleep 60", "longer than 2 seconds"),
        ("exec sleep 60", "longer than 2 seconds"),
    ],
)
async def test_a_broken_cli_fails_the_turn(
    session: Session, make_agent: MakeAgent, tmp_path: Path, body: str, said: str
) -> None:
    """A CLI that ends early, prints garbage, dies behind its result or hangs is an error with what is known."""
    session = with_agent(session, make_agent(cli_path=fake_cli(tmp_path, body), seconds=2))
    with pytest.raises(AgentFailed, match=said):
        await session.ask("hello")


async def test_a_missing_cli_is_reported(session: Session, make_agent: MakeAgent) -> None:
    """The path that was looked at is in the error."""
    with pytest.raises(AgentFailed, match=r"/no/cli\. Correct cli_path"):
        await with_agent(session, make_agent(cli_path=Path("/no/cli"))).ask("hello")


# ---------------------------------------------------------------------------------------- nothing is left


async def test_a_cancelled_turn_leaves_no_process(session: Session) -> None:
    """Cancelling ends the CLI and its tools before the cancellation is over."""
    turn = asyncio.create_task(session.ask(script({"tool": "Bash", "input": {"command": "touch begun; sleep 4711"}})))
    await until((session.work / "begun").exists)
    root = str(session.workspace.root)
    assert count_naming(root) > 0
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert count_naming(root) == 0


async def test_closing_the_agent_ends_its_turns(session: Session) -> None:
    """A turn that runs when the agent is closed fails, and its processes are gone."""
    turn = asyncio.create_task(session.ask(script({"text": "never", "delay": 60})))
    await session.model.wait_for(1)
    await session.agent.close()
    with pytest.raises(AgentFailed, match="was closed"):
        await turn
    assert gone(str(session.workspace.root), seconds=1)


async def test_a_turn_given_up_leaves_no_process(session: Session) -> None:
    """Leaving the events early ends the CLI."""
    root, running = str(session.workspace.root), []

    def seen(event: AgentEvent) -> bool:
        running.append(count_naming(root))
        return True

    await session.events("hello", until=seen)
    assert running[0] > 0
    assert count_naming(root) == 0


async def test_bypassing_permissions_works_as_any_user(session: Session, make_agent: MakeAgent) -> None:
    """The mode without any check is there by setting, for root as well."""
    session = with_agent(session, make_agent(permission_mode="bypassPermissions"))
    beside = session.workspace.root / "home" / "x"
    await session.ask(script({"tool": "Write", "input": {"file_path": str(beside), "content": "y"}}, {"text": "done"}))
    assert "File created" in session.tool_results()[-1]
