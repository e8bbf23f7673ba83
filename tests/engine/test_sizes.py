"""Large and odd trees: stored and returned exactly, or refused by name before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from outlive.agents.tree import TreeLimits
from outlive.agents.workspace import DiskWorkspaces
from outlive.errors import Invalid, TooLarge
from outlive.flows.turn.hydrate_tree import hydrate_tree
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import disk

MIB = 1024 * 1024


class BulkAgent(InstantAgent):
    """Does something large to the tree before it answers."""

    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    async def run(self, turn):
        self.act(turn.root)
        async for event in super().run(turn):
            yield event


def _with(world, act):
    return replace(world.worker("w1"), agent=BulkAgent(act))


async def _restored(world, tmp_path):
    """The tree as a new host gets it."""
    engine = world.observer
    stores, head = engine.stores("acme"), await world.head()
    workspace = await disk(tmp_path / "restored").open("acme", head.session_id)
    await hydrate_tree(engine, stores, head, workspace)
    return workspace.root


@pytest.mark.promise("P13")
async def test_fifty_megabytes_with_megabyte_lines_come_back(world, tmp_path) -> None:
    """A 50 MB transcript whose lines have 1 MB each, NUL and half a surrogate among them, is restored byte for byte."""
    lines = [json.dumps({"type": "big", "n": n, "text": "x\0\ud83d" + chr(97 + n % 26) * MIB}) for n in range(50)]
    content = ("\n".join(lines) + "\n").encode()

    def act(root):
        (root / "config/projects/session").mkdir(parents=True, exist_ok=True)
        (root / "config/projects/session/big.jsonl").write_bytes(content)

    await world.turn(_with(world, act), "one")
    assert (await _restored(world, tmp_path) / "config/projects/session/big.jsonl").read_bytes() == content


@pytest.mark.promise("P13")
async def test_a_transcript_that_was_rewritten_is_stored_anew(world, tmp_path) -> None:
    """When an append-only file was changed in the middle, its whole new content is what the next host gets."""
    await world.turn(world.worker("w1"), "one")

    def act(root):
        (path,) = (root / "config/projects/session").glob("*.jsonl")
        path.write_bytes(path.read_bytes().replace(b"Message 1", b"Massage 1"))

    await world.turn(_with(world, act), "two")
    (path,) = (await _restored(world, tmp_path) / "config/projects/session").glob("*.jsonl")
    assert b"Massage 1" in path.read_bytes()
    assert path.read_bytes().count(b"\n") == 6


@pytest.mark.promise("P13")
async def test_files_modes_links_and_deletions_come_back(world, tmp_path) -> None:
    """Contents, permission bits, links inside the tree, empty folders and deletions are restored as they were."""

    def act(root):
        work = root / "work"
        (work / "run.sh").write_bytes(b"#!/bin/sh\n")
        (work / "run.sh").chmod(0o751)
        (work / "link").symlink_to("run.sh")
        (work / "empty").mkdir()
        (work / "twin").write_bytes(b"#!/bin/sh\n")

    await world.turn(_with(world, act), "one")
    await world.turn(world.worker("w1"), "delete twin")
    work = await _restored(world, tmp_path) / "work"
    assert (work / "run.sh").stat().st_mode & 0o777 == 0o751
    assert (work / "link").readlink().name == "run.sh"
    assert sorted(path.name for path in work.iterdir()) == ["empty", "link", "run.sh"]


@pytest.mark.promise("P9")
async def test_a_link_out_of_the_tree_is_refused(world) -> None:
    """A turn that leaves a link to a place outside of its tree is not committed, and the error names the link."""
    with pytest.raises(Invalid, match="out"):
        await world.turn(_with(world, lambda root: (root / "work/out").symlink_to("/etc/passwd")), "one")
    assert (await world.turn(world.worker("w1"), "two")).after == 1


@pytest.mark.promise("P13")
async def test_a_tree_over_the_limit_is_refused(world, tmp_path) -> None:
    """A tree with more entries than the limit is refused with the limit in the error, and the session goes on."""
    small = replace(_with(world, _many), workspaces=DiskWorkspaces(tmp_path / "small", limits=TreeLimits(100)))
    with pytest.raises(TooLarge, match="100"):
        await world.turn(small, "one")
    assert (await world.turn(world.worker("w2"), "two")).after == 1


def _many(root) -> None:
    for number in range(200):
        (root / f"work/{number}").write_text("x")


@pytest.mark.promise("P11")
async def test_an_unchanged_file_costs_nothing(world) -> None:
    """A 5 MB file that stays as it is, is copied or is moved adds nothing to what the next turns write."""
    content = bytes(range(256)) * 20_000
    await world.turn(_with(world, lambda root: (root / "work/big").write_bytes(content)), "one")
    before = world.counts.copy()
    await world.turn(_with(world, lambda root: (root / "work/copy").write_bytes(content)), "two")
    await world.turn(_with(world, lambda root: (root / "work/big").rename(root / "work/moved")), "three")
    assert (world.counts - before).objects_put_bytes < 5_000


@pytest.mark.promise("P6")
async def test_a_file_that_goes_while_it_is_looked_at_is_gone(world) -> None:
    """A file that is deleted between the look at the tree and its reading neither fails the turn nor comes back."""
    engine = world.worker("w1")
    scans = []

    class Fleeting:
        async def open(self, tenant, session_id):
            workspace = await engine.workspaces.open(tenant, session_id)
            scan = workspace.scan

            async def scan_then_delete():
                found = await scan()
                (workspace.root / "work/fleeting").unlink(missing_ok=True)
                scans.append(found)
                return found

            workspace.scan = scan_then_delete
            return workspace

    turn = await world.turn(replace(engine, workspaces=Fleeting()), "write fleeting: soon gone")
    assert turn.after == 1
    assert any(stat.path == "work/fleeting" for stat in scans[-1])
    assert await world.file("work/fleeting") is None
