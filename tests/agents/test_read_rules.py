"""What the agent's own file tools may look at, in the real CLI."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.testing.scripted_model import script
from tests.agents.conftest import AS_ONE, Session, StayingSession

pytestmark = pytest.mark.cli
SECRET = "the-neighbours-secret"


async def read(session: Session, path: str | Path) -> str:
    """What the Read tool answers."""
    await session.ask(script({"tool": "Read", "input": {"file_path": str(path)}}, {"text": "ok"}))
    return session.tool_results()[-1]


@pytest.mark.promise("P9")
@pytest.mark.parametrize("how", ["path", "link", "detour"])
@AS_ONE
async def test_the_read_tool_does_not_leave_the_tree(staying: StayingSession, how: str) -> None:
    """A neighbour's file is refused by its path, through a link and by way of the parent folder."""
    secret = staying.workspace.root.parent / "neighbour" / f"{how}.txt"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text(SECRET)
    link, detour = staying.work / f"{how}-link.txt", staying.work / f"../../neighbour/{how}.txt"
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    answer = await read(staying, {"path": secret, "link": link, "detour": detour}[how])
    assert SECRET not in answer
    assert "denied" in answer or "permission" in answer.lower()


@AS_ONE
async def test_the_read_tool_reads_the_own_tree(staying: StayingSession) -> None:
    """Files of the working directory and large tool outputs beside it are read without a question."""
    (staying.work / "own.txt").write_text("mine")
    assert "mine" in await read(staying, staying.work / "own.txt")
    await staying.ask(script({"tool": "Bash", "input": {"command": "seq 1 90000"}}, {"text": "ok"}))
    found = staying.workspace.root.glob("config/projects/session/*/tool-results/*")
    large = max(found, key=lambda path: path.stat().st_mtime)
    await staying.ask(script({"tool": "Read", "input": {"file_path": str(large), "limit": 3}}, {"text": "ok"}))
    assert "2" in staying.tool_results()[-1].split("\n")[1]


@AS_ONE
async def test_the_read_tool_reads_what_programs_bring(staying: StayingSession) -> None:
    """Documentation and headers below /usr are read without a question."""
    assert "root" not in await read(staying, "/etc/shadow")
    await staying.ask(script({"tool": "Read", "input": {"file_path": "/usr/include/stdio.h"}}, {"text": "ok"}))
    assert "denied" not in staying.tool_results()[-1]
