"""What is known to go wrong with the SDK and its CLI, and the test that shows that it does not go wrong here.

| what the SDK or its CLI does by itself | where it is tested |
|---|---|
| resume loses the task list, large outputs, subagents' sidecars | `tests/e2e/test_scenarios.py` |
| resume loses the files' history | here |
| a line above 1 MiB ends the session | here |
| nothing is stored until the turn ends | `tests/e2e/test_kills.py`, `tests/e2e/test_random_kills.py` |
| a cut-off turn stays cut off | `test_resume.py`, six positions |
| a missing or swapped batch is forgotten without a word | `tests/flows/test_history_on_disk.py`, `tests/engine/` |
| a folder that cannot be written: answers as always, keeps nothing | here |
| entries come after the result; cost restarts | here; `test_claude.py`, usage |
| background work goes on behind the result | `tests/e2e/scenarios.py`, background subagent and shell |
| the system prompt is frozen | `test_claude.py`, a changed prompt |
| an unknown id fails late; `session_id` starts a second conversation | `test_claude.py`, damage; here |
| the session id of a query is ignored in a process that is used again | here |
| transcripts are deleted after 30 days | here |
| paths into the configuration folder go stale | `tests/e2e/test_scenarios.py`, large output |
| compaction | `tests/e2e/test_scenarios.py` |
| SIGTERM of the worker leaves a CLI that finishes the turn | `test_resume.py`, `tests/e2e/test_kills.py` |
| cancelling takes up to 5 s in which the CLI goes on | `test_claude.py`, nothing is left |
| the user's stop must keep everything | `test_claude.py`, the user's stop |
| every run leaves files in the temporary folder | `test_claude.py`, `tests/e2e/test_random_kills.py` |
| automatic memory lies outside of the session | here |
| a shell reads the profile of the machine's user | here |
| root may not bypass permissions | `test_claude.py`, bypassing |
| a message is read for commands and file mentions | `test_claude.py`, only words |
| half a character in a text | `test_claude.py`, any text |
| the whole environment is handed down | `test_claude.py`, nothing of the worker |
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from outlive.agents.workspace import DiskWorkspaces
from outlive.errors import AgentFailed
from outlive.testing.scripted_model import script
from tests.agents.conftest import MakeAgent, Session, with_agent

pytestmark = pytest.mark.cli


def bash(command: str) -> dict[str, object]:
    """A step that runs a command."""
    return {"tool": "Bash", "input": {"command": command}}


async def test_many_large_results_at_once(session: Session) -> None:
    """Fifteen files of 38 KB read in one step, and then a picture of 2 MB, do not end a session."""
    for number in range(15):
        (session.work / f"{number}.txt").write_text("0123456789abcdef " * 2235 + "\n")
    files = [{"tool": "Read", "input": {"file_path": str(session.work / f"{number}.txt")}} for number in range(15)]
    (session.work / "p.png").write_bytes(noise())
    picture = {"tool": "Read", "input": {"file_path": str(session.work / "p.png")}}
    await session.ask(script({"tools": files}, picture, {"text": "read"}))
    assert "read" in (await session.ask(script({"text": "read on"}))).text
    assert len(session.tool_results()) == 16
    assert max(len(str(entry)) for entry in session.entries()) > 1 << 20


def noise() -> bytes:
    """A picture of 2 MB, in PNG."""
    rows = b"".join(b"\0" + os.urandom(2700) for _ in range(800))
    head = struct.pack(">IIBBBBB", 900, 800, 8, 2, 0, 0, 0)
    chunks = {b"IHDR": head, b"IDAT": zlib.compress(rows, 0), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


async def test_a_transcript_that_cannot_be_written(session: Session) -> None:
    """A turn whose transcript has no place to go is an error, although the CLI reports success."""
    (session.workspace.root / "config/projects").write_text("in the way")
    with pytest.raises(AgentFailed, match=r"could not be written to disk: its transcript cannot be read"):
        await session.ask("hello")


async def test_what_comes_after_the_result_is_kept(session: Session) -> None:
    """What the CLI writes when it has given its result is in the transcript when the turn is over."""
    for text in ("one", "two"):
        await session.ask(text)
        kinds = [entry["type"] for entry in session.entries()]
        assert kinds.index("cost-state") > kinds.index("assistant")
    assert kinds.count("cost-state") == 2


async def test_a_conversation_has_one_beginning(session: Session) -> None:
    """Turn after turn, on one host and another, the transcript stays one conversation under one id."""
    ids = set()
    for number in range(3):
        ids.add((await session.ask(f"message {number}")).agent_session_id)
        await session.move()
    roots = [entry for entry in session.entries() if "uuid" in entry and entry.get("parentUuid") is None]
    assert (len(ids), len(roots)) == (1, 1)


async def test_two_sessions_of_one_agent_know_nothing_of_each_other(session: Session, tmp_path: Path) -> None:
    """One agent that serves two sessions, at once and in turn, keeps them apart."""
    tree = await DiskWorkspaces(tmp_path / "trees").open("tenant", "another")
    other = replace(session, workspace=tree, id=None)
    await asyncio.gather(session.ask("My name is Ada."), other.ask("My name is Grace."))
    texts = [(await each.ask("What is my name?")).text for each in (session, other)]
    await tree.close()
    assert ("Ada" in texts[0], "Grace" in texts[0]) == (True, False)
    assert ("Ada" in texts[1], "Grace" in texts[1]) == (False, True)


async def test_old_transcripts_are_not_swept(session: Session) -> None:
    """A session that nobody has touched for a year is still there, whole, and so is its neighbour in the folder."""
    await session.ask("My name is Ada.")
    folder = session.workspace.root / "config/projects/session"
    neighbour = folder / "11111111-2222-4333-8444-555555555555.jsonl"
    neighbour.write_text("{}\n")
    last_year = time.time() - 400 * 86400
    for path in session.workspace.root.rglob("config/**/*"):
        os.utime(path, (last_year, last_year))
    assert "Ada" in (await session.ask("What is my name?")).text
    assert neighbour.exists()


async def test_the_files_history_comes_back(session: Session, make_agent: MakeAgent) -> None:
    """The copies that a rewind of files needs are there on another host, byte for byte."""
    session = with_agent(session, make_agent(variables={"CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING": "true"}))
    path = session.work / "a.txt"
    path.write_text("first\n")
    read = {"tool": "Read", "input": {"file_path": str(path)}}
    edit = {"tool": "Edit", "input": {"file_path": str(path), "old_string": "first", "new_string": "second"}}
    await session.ask(script(read, edit, {"text": "done"}))
    copies = {file: file.read_bytes() for file in (session.workspace.root / "config/file-history").rglob("*@v*")}
    assert b"first\n" in copies.values()
    await session.move()
    assert {file: file.read_bytes() for file in copies} == copies


async def test_nothing_is_remembered_outside_of_the_session(session: Session) -> None:
    """The agent is offered no memory folder: what it keeps is in its working directory or in its transcript."""
    await session.ask("remember that the code is 42")
    assert not list(session.workspace.root.rglob("config/**/memory"))
    assert "/memory" not in str(session.model.requests[-1].body)


async def test_a_shell_begins_the_same_everywhere(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user of the machine has in a shell profile does not reach the agent's shell."""
    for name in (".bashrc", ".profile", ".bash_profile"):
        (tmp_path / name).write_text("export FROM_PROFILE=yes\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    await session.ask(script(bash("echo [$FROM_PROFILE] $HOME"), {"text": "done"}))
    assert session.tool_results()[-1] == f"[] {session.workspace.root / 'home'}"
