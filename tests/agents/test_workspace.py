"""Session trees on this machine: whose they are, who holds them, and what their note is worth."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from outlive.agents import tree_notes
from outlive.agents import workspace as module
from outlive.agents.workspace import FEW, SMALL, DiskWorkspaces
from outlive.errors import Invalid, Unavailable
from outlive.protocols import FileContent

HOLDER = """
import asyncio, sys
from pathlib import Path
from outlive.agents.workspace import DiskWorkspaces
async def hold():
    tree = await DiskWorkspaces(Path(sys.argv[1])).open("t", "s")
    print(tree.root, flush=True)
    await asyncio.sleep(60)
asyncio.run(hold())
"""


@pytest.fixture
def trees(tmp_path: Path) -> DiskWorkspaces:
    """Trees in a folder of their own."""
    return DiskWorkspaces(tmp_path / "base")


async def test_the_path_depends_on_tenant_and_session_only(tmp_path: Path, trees: DiskWorkspaces) -> None:
    """The same session has the same path again, and no two sessions or tenants share one."""
    names: list[str] = []
    for tenant, session in [("t", "s"), ("t", "s"), ("t", "s2"), ("t2", "s"), ("1:t", ":s"), ("1:t:", "s")]:
        tree = await trees.open(tenant, session)
        names.append(str(tree.root))
        await tree.close()
    assert names[0] == names[1]
    assert len(set(names)) == 5


def test_the_default_base_is_the_same_on_every_host() -> None:
    """Without a setting the folder depends on the temporary folder and the user only."""
    expected = Path(os.path.realpath(tempfile.gettempdir()), f"outlive-{os.geteuid()}")
    assert DiskWorkspaces()._base == expected


async def test_only_the_owner_can_enter(trees: DiskWorkspaces) -> None:
    """The base, the tree and its folders are closed to others."""
    tree = await trees.open("t", "s")
    modes = [path.stat().st_mode & 0o777 for path in (tree.root.parent, tree.root, *tree.root.iterdir())]
    assert modes == [0o700] * 6
    await tree.close()


async def test_an_open_base_is_refused(tmp_path: Path) -> None:
    """A base that others can enter is named, with the command that helps."""
    (tmp_path / "base").mkdir(mode=0o755)
    trees = DiskWorkspaces(tmp_path / "base")
    for attempt in (trees.check(), trees.open("t", "s")):
        with pytest.raises(Invalid, match=r"open to other users.*chmod 700"):
            await attempt


async def test_a_base_behind_a_link_is_refused(tmp_path: Path) -> None:
    """Somebody else may have made the link."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "base").symlink_to("real")
    with pytest.raises(Invalid, match="not a folder but a link"):
        await DiskWorkspaces(tmp_path / "base").open("t", "s")


async def test_somebody_elses_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another user is named with the setting that helps."""
    (tmp_path / "base").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Invalid, match=r"belongs to user.*OUTLIVE_WORKSPACES"):
        await DiskWorkspaces(tmp_path / "base").open("t", "s")


async def test_a_base_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the base belongs is a fault with its fix."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="OUTLIVE_WORKSPACES"):
        await DiskWorkspaces(tmp_path / "file" / "base").open("t", "s")


async def test_a_held_tree_is_left_alone(trees: DiskWorkspaces) -> None:
    """Who comes second gets another slot; who comes after both are gone gets the first."""
    first = await trees.open("t", "s")
    second = await trees.open("t", "s")
    assert str(second.root) == f"{first.root}-2"
    await first.close()
    await second.close()
    third = await trees.open("t", "s")
    assert third.root == first.root
    await third.close()


async def test_another_process_keeps_its_tree_until_it_dies(tmp_path: Path, trees: DiskWorkspaces) -> None:
    """A live process holds its slot, and a killed one holds nothing."""
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "base")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        held = holder.stdout.readline().strip()
        tree = await trees.open("t", "s")
        assert str(tree.root) == held + "-2"
        await tree.close()
        holder.kill()
    tree = await trees.open("t", "s")
    assert str(tree.root) == held
    await tree.close()


async def test_a_note_lasts_until_the_tree_is_dirty(trees: DiskWorkspaces) -> None:
    """A clean tree keeps its note across openings; a dirty one has none, and saying so twice is no fault."""
    tree = await trees.open("t", "s")
    assert await tree.note() is None
    await tree.mark_clean(b"first\nsecond\n")
    await tree.close()
    tree = await trees.open("t", "s")
    assert await tree.note() == b"first\nsecond\n"
    for _ in range(2):
        await tree.mark_dirty()
    assert await tree.note() is None
    await tree.close()


async def test_a_note_does_not_outlast_the_machine(trees: DiskWorkspaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart of the machine the files may be older than their note, so it no longer counts."""
    tree = await trees.open("t", "s")
    await tree.mark_clean(b"note")
    monkeypatch.setattr(tree_notes, "boot_id", lambda: b"another boot")
    assert await tree.note() is None
    await tree.close()


@pytest.mark.parametrize("count", [FEW - 1, FEW + 1])
async def test_a_scan_finds_few_files_and_many(trees: DiskWorkspaces, count: int) -> None:
    """A tree that is too large to be looked through on the event loop is found whole, once and again."""
    tree = await trees.open("t", "s")
    await tree.write([FileContent(f"work/{number:03}", "file", 0o644, [b"x"]) for number in range(count)])
    for _ in range(2):
        assert [stat.path for stat in await tree.scan()] == [f"work/{number:03}" for number in range(count)]
    await tree.close()


@pytest.mark.parametrize("size", [0, SMALL - 1, SMALL, SMALL + 1])
async def test_a_file_of_any_size_is_read_whole(trees: DiskWorkspaces, size: int) -> None:
    """A file is read to its end where no length is given, also one that is too long to be read on the event loop."""
    tree = await trees.open("t", "s")
    await tree.write([FileContent("work/a", "file", 0o644, [b"x" * size])])
    assert await tree.read("work/a") == b"x" * size
    assert await tree.read("work/a", 1) == b"x" * max(size - 1, 0)
    await tree.close()


async def test_wiping(trees: DiskWorkspaces) -> None:
    """An emptied tree has its folders, no files and no note."""
    tree = await trees.open("t", "s")
    await tree.write([FileContent("work/a/b", "file", 0o644, [b"x"])])
    await tree.mark_clean(b"note")
    await tree.wipe()
    assert await tree.scan() == []
    assert await tree.note() is None
    assert (tree.root / "work").is_dir()
    await tree.close()


async def test_a_round_trip(trees: DiskWorkspaces) -> None:
    """What a scan and reads give, written into an empty tree, scans and reads the same."""
    tree = await trees.open("t", "s")
    await tree.write(
        [
            FileContent("work/.git/HEAD", "file", 0o444, [b"ref\n"]),
            FileContent("work/l", "link", 0o777, target=".git/HEAD"),
            FileContent("work/d", "dir", 0o711),
            FileContent("config/projects/session/x.jsonl", "append", 0o600, [b"{}\n"]),
        ]
    )
    before = await content_of(tree)
    await tree.wipe()
    await tree.write(before)
    assert await content_of(tree) == before
    await tree.close()


async def content_of(tree: module.DiskWorkspace) -> list[FileContent]:
    """Everything a tree holds."""
    return [
        FileContent(
            stat.path,
            stat.kind,
            stat.mode,
            [await tree.read(stat.path)] if stat.kind in {"file", "append"} else (),
            stat.target,
        )
        for stat in await tree.scan()
    ]


async def test_closing_waits_for_work_that_was_cancelled(trees: DiskWorkspaces) -> None:
    """The lock is not given back while a thread still writes for a caller that has gone."""
    tree = await trees.open("t", "s")
    go, events = threading.Event(), []
    work = asyncio.create_task(tree._off_loop(lambda: (go.wait(5), events.append("written"))))
    await asyncio.sleep(0)
    work.cancel()
    closing = asyncio.create_task(tree.close())
    asyncio.get_running_loop().call_later(0.05, go.set)
    await closing
    assert events == ["written"]


async def test_a_tree_given_back_is_not_used(trees: DiskWorkspaces) -> None:
    """After closing, every use is refused; closing again is no fault."""
    tree = await trees.open("t", "s")
    for _ in range(2):
        await tree.close()
    with pytest.raises(Invalid, match="given back"):
        await tree.scan()


@pytest.mark.parametrize(("tenant", "session"), [("", "s"), ("t", "")])
async def test_a_tree_needs_both_names(trees: DiskWorkspaces, tenant: str, session: str) -> None:
    """An empty tenant or session is refused."""
    with pytest.raises(Invalid, match="needs a tenant and a session"):
        await trees.open(tenant, session)
