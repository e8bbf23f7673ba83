"""A flush of a tree in which an agent is at work: what its transcript tells of is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outlive.agents import tree
from outlive.agents.tree import IGNORED, TreeLimits, scan_tree
from outlive.agents.workspace import DiskWorkspace, DiskWorkspaces
from outlive.core.keys import SessionId
from outlive.core.packs import PackName
from outlive.core.trees import TreeState
from outlive.errors import Conflict
from outlive.flows.turn.capture_tree import Capture, look

TRANSCRIPT = "config/projects/session/one.jsonl"


@pytest.fixture
async def workspace(tmp_path: Path):
    """A tree with one line in its transcript."""
    found = await DiskWorkspaces(tmp_path / "trees").open("acme", "session")
    (found.root / TRANSCRIPT).parent.mkdir(parents=True)
    (found.root / TRANSCRIPT).write_text("1\n")
    yield found
    await found.close()


def work(root: Path) -> None:
    """What an agent does: the effect first, the line that tells of it second."""
    (root / "work/new.txt").write_text("new\n")
    (root / "config/projects/session/one/tool-results").mkdir(parents=True, exist_ok=True)
    (root / "config/projects/session/one/tool-results/x.txt").write_text("large\n")
    with (root / TRANSCRIPT).open("a") as lines:
        lines.write("2\n")


async def looked(workspace: DiskWorkspace) -> Capture:
    """A look at the tree while the agent runs."""
    state = TreeState(SessionId("s" * 32), 0)
    return await look(state, workspace, PackName("00000001-00000001"), whole_lines=True)


async def test_work_between_scan_and_reading(workspace: DiskWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is written after the scan waits for the next flush, as do the files that it tells of."""
    scan = workspace.scan

    async def scan_then_work() -> Any:
        found = await scan()
        work(workspace.root)
        return found

    monkeypatch.setattr(workspace, "scan", scan_then_work)
    entries = (await looked(workspace)).draft.entries
    assert {path: entry.size for path, entry in entries.items()} == {TRANSCRIPT: 2}


@pytest.mark.parametrize("place", ["work", "config/projects"])
def test_work_during_the_scan(
    workspace: DiskWorkspace, monkeypatch: pytest.MonkeyPatch, place: str, place_scanner: Callable[..., Any]
) -> None:
    """Work that is done while a folder is scanned never shows as its line alone."""
    monkeypatch.setattr(tree, "_place", place_scanner(workspace.root, place))
    stats = scan_tree(workspace.root, limits=TreeLimits(), ignored=IGNORED, now=0)
    sizes = {stat.path: stat.size for stat in stats}
    assert sizes[TRANSCRIPT] == 2 or {"work/new.txt", "config/projects/session/one/tool-results/x.txt"} <= sizes.keys()


@pytest.fixture
def place_scanner() -> Callable[..., Any]:
    """Makes scanners behind whose first look at a place the agent works."""
    original = tree._place

    def make(root: Path, watched: str) -> Callable[..., Any]:
        done = [False]

        def scan(walk: Any, place: str) -> Any:
            found = list(original(walk, place))
            if place == watched and not done[0]:
                done[0] = True
                work(root)
            return found

        return scan

    return make


async def test_a_file_that_does_not_hold_still_holds_the_lines_back(
    workspace: DiskWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is flushed while one file cannot be read as it is, since the lines beside it may tell of its content."""
    work(workspace.root)
    read = workspace.read

    async def restless(path: str, *place: Any) -> bytes:
        if path == "work/new.txt":
            raise Conflict("it changes")
        return await read(path, *place)

    monkeypatch.setattr(workspace, "read", restless)
    with pytest.raises(Conflict):
        await looked(workspace)
