"""Another host, another worker: everything the agent has comes back, and a turn that was cut off is finished."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from outlive.agents.transcript import StartedTurn, note_turn
from outlive.core.transcripts import check_chain
from outlive.errors import NotFound
from outlive.testing.scripted_model import script
from tests.agents.conftest import Begin, Session, content_of
from tests.agents.watching import count_naming, gone, until

pytestmark = pytest.mark.cli

ECHO = {"tool": "Bash", "input": {"command": "echo ran >> ran"}}
BIG = {"tool": "Bash", "input": {"command": "yes 0123456789 | head -c 400000"}}
WORKER = """
import asyncio, sys
from pathlib import Path
from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.profiles import Profiles
from outlive.protocols import AgentTurn
async def work(root, url, prompt):
    agent = ClaudeAgent(ModelSettings("scripted", base_url=url), Profiles())
    async for event in agent.run(AgentTurn(Path(root), prompt, None)):
        print(event, flush=True)
asyncio.run(work(*sys.argv[1:]))
"""


def transcript(session: Session) -> Path:
    """The only transcript there is."""
    (path,) = session.workspace.root.glob("config/projects/session/*.jsonl")
    return path


async def test_everything_comes_back_on_another_host(session: Session) -> None:
    """Memory, files, tasks and large outputs of the first host are there on the second."""
    written = {
        "tool": "Write",
        "input": {"file_path": str(session.work / "notes/plan.md"), "content": "Ship on Friday"},
    }
    await session.ask("My name is Ada. " + script(written, BIG, {"text": "noted"}))
    await session.ask("add tasks: buy milk, write the report")
    await session.move()
    assert (session.work / "notes/plan.md").read_text() == "Ship on Friday"
    outputs = [path for path in session.workspace.root.rglob("tool-results/*") if path.stat().st_size == 400_000]
    assert str(outputs[0]) in str(session.tool_results())
    assert "buy milk" in (await session.ask("What are my tasks?")).text
    assert "Ada" in (await session.ask("What is my name?")).text


async def test_the_model_is_told_the_same_on_another_host(session: Session) -> None:
    """An edit of a restored file is answered as if the file had never moved."""
    path = str(session.work / "a.txt")
    (session.work / "a.txt").write_text("alpha\n")
    await session.ask(script({"tool": "Read", "input": {"file_path": path}}, {"text": "read"}))
    await session.move()
    edit = {"tool": "Edit", "input": {"file_path": path, "old_string": "alpha", "new_string": "beta"}}
    await session.ask(script(edit, {"text": "edited"}))
    assert "modified" not in session.tool_results()[-1]
    assert (session.work / "a.txt").read_text() == "beta\n"


async def test_a_tree_comes_back_byte_for_byte(session: Session) -> None:
    """What is kept after a turn is exactly what is there after a move."""
    await session.ask(script(ECHO, BIG, {"text": "done"}))
    before = await content_of(session.workspace)
    await session.move()
    assert await content_of(session.workspace) == before


# ------------------------------------------------------------------------------------- turns cut off in the middle


async def die(session: Session, prompt: str | None, condition: Callable[[], bool]) -> None:
    """Run a turn until `condition` holds, then kill everything, and move what is kept to another host."""
    turn = asyncio.create_task(session.events(prompt))
    await until(condition)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await session.move()


def ends_with(session: Session, *types: str) -> bool:
    """Whether the transcript's last message is of one of these types, and on disk."""
    try:
        entries = [entry for entry in session.entries() if entry["type"] in {"user", "assistant"}]
    except (AssertionError, OSError, ValueError):
        return False
    blocks = entries[-1]["message"]["content"] if entries else ""
    return (blocks[0]["type"] if isinstance(blocks, list) else "prompt") in types


async def test_cut_off_after_the_prompt(begin: Begin) -> None:
    """A turn that had only its prompt is answered on another host, without a new message."""
    session, _ = await begin("My name is Ada.")
    await die(session, "What is my name? " + script({"text": "Ada.", "delay": 1}), lambda: ends_with(session, "prompt"))
    assert (await session.ask(None)).text == "Ada."


async def test_cut_off_in_the_first_turn(session: Session) -> None:
    """The first turn of a session is finished like any other."""
    await die(session, script({"text": "hello", "delay": 1}), lambda: ends_with(session, "prompt"))
    assert (await session.ask(None)).text == "hello"


async def test_cut_off_in_a_tool(session: Session) -> None:
    """A tool that was running is called again, and the turn goes on behind it."""
    call = {"tool": "Bash", "input": {"command": "echo ran >> ran; sleep 1"}}
    await die(session, script(call, {"text": "done"}), lambda: ends_with(session, "tool_use"))
    assert (await session.ask(None)).text == "done"
    assert set((session.work / "ran").read_text().split()) == {"ran"}


async def test_cut_off_after_a_tool(session: Session) -> None:
    """A tool that had answered is not called again."""
    slow = script(ECHO, {"text": "done", "delay": 1})
    await die(session, slow, lambda: ends_with(session, "tool_result"))
    assert (await session.ask(None)).text == "done"
    assert (session.work / "ran").read_text() == "ran\n"


async def test_cut_off_before_the_prompt_was_heard(begin: Begin) -> None:
    """A message that never reached the transcript is sent from the tree's own note, in the old conversation."""
    session, _ = await begin("My name is Ada.")
    path = transcript(session)
    note_turn(session.workspace.root, StartedTurn("What is my name?", path.stat().st_size))
    assert "Ada" in (await session.ask(None)).text


@pytest.mark.parametrize("lines", [[], ['{"type":"queue-operation"}']])
async def test_cut_off_before_the_session_began(session: Session, lines: list[str]) -> None:
    """A first message whose transcript is missing or holds nothing yet begins the session."""
    session.id = "11111111-2222-4333-8444-555555555555"
    folder = session.workspace.root / "config/projects/session"
    folder.mkdir(parents=True)
    for line in lines:
        (folder / f"{session.id}.jsonl").write_text(line + "\n")
    note_turn(session.workspace.root, StartedTurn(script({"text": "begun"}), 0))
    assert (await session.ask(None)).text == "begun"


async def test_cut_off_between_the_lines_of_a_message(session: Session) -> None:
    """Half a message, its text without its tool call, is no answer: the turn goes on."""
    await session.ask(script({"text": "I will.", **ECHO}, {"text": "done"}))
    path = transcript(session)
    lines = path.read_bytes().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if b'"type":"tool_use"' in line)
    path.write_bytes(b"".join(lines[:cut]))
    note_turn(session.workspace.root, StartedTurn("as above", 0))
    assert (await session.ask(None)).text == "done"


async def test_cut_off_after_the_answer(session: Session) -> None:
    """A turn whose answer is in the transcript is not run again, with or without its note."""
    done = await session.ask(script({"text": "The answer is 42."}))
    asked = session.model.counts.total()
    assert (await session.ask(None)).text == done.text
    note_turn(session.workspace.root, StartedTurn("as above", 0))
    assert (await session.ask(None)).text == done.text
    assert session.model.counts.total() == asked


async def test_cut_off_after_the_users_stop(session: Session) -> None:
    """A turn that the user had stopped stays stopped."""
    turn = asyncio.create_task(session.ask(script({"tool": "Bash", "input": {"command": "touch begun; sleep 60"}})))
    await until((session.work / "begun").exists)
    await session.agent.interrupt(session.workspace.root)
    await turn
    assert (await session.ask(None)).stop_reason == "interrupted"


async def test_a_continued_turn_can_be_cut_off_again(session: Session) -> None:
    """Two workers die in one turn, the third finishes it, and the transcript has no hole."""
    prompt = script(ECHO, ECHO, {"text": "done", "delay": 1})
    await die(session, prompt, lambda: ends_with(session, "tool_result"))
    await die(session, None, lambda: ends_with(session, "tool_result") and len(session.tool_results()) == 2)
    assert (await session.ask(None)).text == "done"
    content = b"".join(json.dumps(entry).encode() + b"\n" for entry in session.entries())
    check_chain("transcript", b"", content)


async def test_cut_off_just_after_going_on(session: Session) -> None:
    """A worker that dies when the CLI has only told itself to go on leaves a turn that still ends."""
    await die(session, script(ECHO, {"text": "done", "delay": 1}), lambda: ends_with(session, "tool_result"))
    await die(session, None, lambda: any(entry.get("isMeta") for entry in session.entries()))
    done = await session.ask(None)
    assert (done.stop_reason, done.is_error) == ("end_turn", False)


async def test_a_continued_turn_can_be_stopped(session: Session) -> None:
    """The user's stop works for a turn that goes on by itself."""
    slow = script({"text": "Hm.", "tool": "Bash", "input": {"command": "touch begun; sleep 60"}})
    await die(session, slow, (session.work / "begun").exists)
    (session.work / "begun").unlink()
    turn = asyncio.create_task(session.ask(None))
    await until((session.work / "begun").exists)
    assert await session.agent.interrupt(session.workspace.root)
    assert (await turn).stop_reason == "interrupted"


async def test_a_torn_last_line_is_passed_over(begin: Begin) -> None:
    """A transcript cut in the middle of a line resumes with what is whole."""
    session, _ = await begin("My name is Ada.")
    path = transcript(session)
    path.write_bytes(path.read_bytes()[:-30])
    assert "Ada" in (await session.ask("What is my name?")).text


async def test_nothing_to_continue(begin: Begin) -> None:
    """Without a trace of the turn there is an error that says what to do, not an empty answer."""
    session, _ = await begin("My name is Ada.")
    path = transcript(session)
    path.write_bytes(b'{"type":"mode"}\n')
    with pytest.raises(NotFound, match="Run the message again"):
        await session.ask(None)


# ---------------------------------------------------------------------------------------- a worker that is killed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_killed_worker_leaves_nothing_that_spends(session: Session, number: int) -> None:
    """When a worker dies in a turn, its CLI and the running tool die at once, and another worker finishes the turn."""
    prompt = script({"tool": "Bash", "input": {"command": "echo ran >> ran; sleep 2"}}, {"text": "survived"})
    root = session.workspace.root
    words = [sys.executable, "-c", WORKER, str(root), session.model.url, prompt]
    worker = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    await until((session.work / "ran").exists)
    session.id = transcript(session).stem
    await until(lambda: ends_with(session, "tool_use"))
    assert count_naming(str(root)) >= 2
    asked = session.model.counts["turn"]
    os.kill(worker.pid, number)
    assert gone(str(root), seconds=5)
    await worker.communicate()
    await session.move()
    assert (await session.ask(None)).text == "survived"
    assert session.model.counts["turn"] == asked + 2
