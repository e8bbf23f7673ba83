"""What the agent's own file tools may look at, in the real CLI."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.testing.scripted_model import script
from tests.agents.conftest import Session

pytestmark = pytest.mark.cli
SECRET = "the-neighbours-secret"


async def read(session: Session, path: str | Path) -> str:
    """What the Read tool answers."""
    await session.ask(script({"tool": "Read", "input": {"file_path": str(path)}}, {"text": "ok"}))
    return session.tool_results()[-1]


@pytest.mark.promise("P9")
@pytest.mark.parametrize("how", ["path", "link", "detour"])
async def test_the_read_tool_does_not_leave_the_tree(session: Session, tmp_path: Path, how: str) -> None:
    """A neighbour's file is refused by its path, through a link and by way of the parent folder."""
    secret = tmp_path / "trees" / "neighbour" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    (session.work / "link.txt").symlink_to(secret)
    path = {"path": secret, "link": session.work / "link.txt", "detour": session.work / "../../neighbour/secret.txt"}
    answer = await read(session, path[how])
    assert SECRET not in answer
    assert "denied" in answer or "permission" in answer.lower()


async def test_the_read_tool_reads_the_own_tree(session: Session) -> None:
    """Files of the working directory and large tool outputs beside it are read without a question."""
    (session.work / "own.txt").write_text("mine")
    assert "mine" in await read(session, session.work / "own.txt")
    await session.ask(script({"tool": "Bash", "input": {"command": "seq 1 90000"}}, {"text": "ok"}))
    (large,) = session.workspace.root.glob("config/projects/session/*/tool-results/*")
    await session.ask(script({"tool": "Read", "input": {"file_path": str(large), "limit": 3}}, {"text": "ok"}))
    assert "2" in session.tool_results()[-1].split("\n")[1]


async def test_the_read_tool_reads_what_programs_bring(session: Session) -> None:
    """Documentation and headers below /usr are read without a question."""
    assert "root" not in await read(session, "/etc/shadow")
    await session.ask(script({"tool": "Read", "input": {"file_path": "/usr/include/stdio.h"}}, {"text": "ok"}))
    assert "denied" not in session.tool_results()[-1]
