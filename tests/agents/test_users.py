"""Users of their own: which uid a tree gets, and what happens to what its last holder left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlive.agents import users as module
from outlive.agents.files import read_file, unlink_below, write_files
from outlive.agents.tree import TreeLimits, scan_tree
from outlive.agents.users import Users, check_reachable, hand_over, parse_users, remove_litter
from outlive.agents.workspace import DiskWorkspaces
from outlive.errors import Invalid, Unavailable
from outlive.protocols import FileContent
from tests.agents.places import passable_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
FIRST = 2_100_000_000


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """A range that no other test uses."""
    return Users(FIRST, FIRST + 999, tmp_path / "uids")


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder for trees."""
    with passable_folder() as folder:
        yield folder / "trees"


def modes_of_files(folder: Path) -> set[int]:
    """The modes of a folder and of the files directly in it."""
    return {path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir()) if path == folder or path.is_file()}


@pytest.mark.parametrize("text", ["", "5", "a-b", "5000-4000", "10-9999", "2000-2010", "1000-4294967295"])
def test_a_broken_range_is_refused(text: str) -> None:
    """A range that is none, too small, or reaches into the system's users names the setting."""
    with pytest.raises(Invalid, match="OUTLIVE_AGENT_UIDS"):
        parse_users(text)


def test_a_tree_keeps_its_uid(users: Users, tmp_path: Path) -> None:
    """The same tree gets the same uid again, inside the range, and another tree another one."""
    found = []
    for name in ("a", "b", "a"):
        uid, lock = users.take(tmp_path / name)
        os.close(lock)
        found.append(uid)
    assert found[0] == found[2] != found[1]
    assert all(users.first <= uid <= users.last for uid in found)


def test_two_live_trees_never_share_a_uid(tmp_path: Path) -> None:
    """In a range of one candidate, whoever comes second is refused until the first has given it back."""
    few = Users(FIRST, FIRST, tmp_path / "uids")
    _, lock = few.take(tmp_path / "a")
    with pytest.raises(Unavailable, match="OUTLIVE_AGENT_UIDS"):
        few.take(tmp_path / "b")
    os.close(lock)
    os.close(few.take(tmp_path / "b")[1])


def test_a_collision_takes_the_next_uid(users: Users, tmp_path: Path) -> None:
    """While a tree's own uid is held, it gets the one after it."""
    first, held = users.take(tmp_path / "a")
    second, lock = users.take(tmp_path / "a")
    assert second == first + 1 or (first, second) == (users.last, users.first)
    for each in (held, lock):
        os.close(each)


def test_accounts_are_passed_over(users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A uid that somebody has an account with is never an agent's."""
    first, lock = users.take(tmp_path / "a")
    os.close(lock)
    monkeypatch.setattr(module, "_has_account", lambda uid: uid == first)
    second, lock = users.take(tmp_path / "a")
    os.close(lock)
    assert second != first


@needs_root
async def test_what_a_dead_worker_left_is_shut_and_ended(tmp_path: Path, base: Path) -> None:
    """Before a uid goes to another tree, its last one is closed to it and its processes are killed."""
    few = Users(FIRST, FIRST, tmp_path / "uids")
    tree = await DiskWorkspaces(base, users=few).open("t", "a")
    left = await asyncio.create_subprocess_exec("/bin/sleep", "60", user=FIRST, group=FIRST, extra_groups=[])
    for lock in tree._slot.locks:  # the worker dies: nothing is given back
        os.close(lock)
    other = await DiskWorkspaces(base, users=few).open("t", "b")
    assert tree.root.stat().st_mode & 0o777 == 0o700
    assert await asyncio.wait_for(left.wait(), 5) == -signal.SIGKILL
    await other.close()


@needs_root
async def test_who_owns_what(users: Users, base: Path) -> None:
    """The agent's folders and what is restored in them are its own; the root is ours, and shut while it is idle."""
    tree = await DiskWorkspaces(base, users=users).open("t", "s")
    names = ["work/a/b.txt", "config/tasks/x/1.json", "ledger.jsonl"]
    await tree.write([FileContent(name, "file", 0o640, [b"x"]) for name in names])
    owners = {str(path.relative_to(tree.root)): path.lstat().st_uid for path in tree.root.rglob("*")}
    uid = owners["work"]
    assert {name for name, owner in owners.items() if owner == 0} == {"ledger.jsonl"}
    assert set(owners.values()) == {0, uid}
    assert (tree.root.stat().st_uid, tree.root.stat().st_mode & 0o777) == (0, 0o710)
    await tree.close()
    assert tree.root.stat().st_mode & 0o777 == 0o700


@needs_root
async def test_another_uid_finds_the_tree_to_be_made_anew(tmp_path: Path, base: Path) -> None:
    """A note about files of another user does not count, so they are restored for the new one."""
    for first, expected in [(FIRST, None), (FIRST, b"note"), (FIRST + 5000, None)]:
        trees = DiskWorkspaces(base, users=Users(first, first + 99, tmp_path / "uids"))
        tree = await trees.open("t", "s")
        assert await tree.note() == expected
        await tree.mark_clean(b"note")
        await tree.close()


@needs_root
async def test_a_note_is_not_for_others(users: Users, base: Path) -> None:
    """What lies beside a tree is readable by the worker alone, since others can pass through the folder."""
    tree = await DiskWorkspaces(base, users=users).open("t", "s")
    await tree.mark_clean(b"note")
    await tree.close()
    assert modes_of_files(base) == {0o711, 0o600}


LOOKS = {
    "scan": lambda root, owner: scan_tree(root, limits=TreeLimits(), ignored=(), now=0, owner=owner),
    "read": lambda root, owner: read_file(root, "work/hard", 0, None, owner),
    "append": lambda root, owner: write_files(
        root, [FileContent("work/hard", "append", 0, [b"x"], append=True)], owner
    ),
}


@needs_root
@pytest.mark.parametrize("how", LOOKS)
async def test_a_second_name_of_somebody_elses_file_is_refused(users: Users, base: Path, how: str) -> None:
    """Where the system lets an agent hard-link a file of ours, it is neither committed, read nor written to."""
    tree = await DiskWorkspaces(base, users=users).open("t", "s")
    (base / "ours").write_text("secret")
    os.link(base / "ours", tree.root / "work" / "hard")
    owner = (tree.root / "work").stat().st_uid
    with pytest.raises(Invalid, match=r"work/hard.*belongs to"):
        LOOKS[how](tree.root, owner)
    assert (base / "ours").read_text() == "secret"
    await tree.close()


@needs_root
async def test_a_closed_folder_above_is_named(users: Users, tmp_path: Path) -> None:
    """Where agents could not reach their own trees, the folder and the commands that help are in the error."""
    (tmp_path / "shut").mkdir(mode=0o700)
    with pytest.raises(Invalid, match=r"closed to others.*chmod o\+x"):
        await DiskWorkspaces(tmp_path / "shut" / "trees", users=users).open("t", "s")


def test_a_program_only_we_can_run_is_named(tmp_path: Path) -> None:
    """The CLI must be executable by everybody."""
    program = Path("/tmp").resolve() / f"outlive-closed-{os.getpid()}"
    program.touch(mode=0o700)
    try:
        with pytest.raises(Invalid, match=r"the CLI .* is closed to other users.*chmod o\+x"):
            check_reachable(program, "the CLI")
    finally:
        program.unlink()


@needs_root
def test_litter_goes_with_its_owner(tmp_path: Path) -> None:
    """Files, folders and links of the user are removed, what links name and what others own stays."""
    for name in ("ours", "theirs", "folder/inside"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("ours")
    for name in ("theirs", "folder", "folder/inside", "link"):
        os.chown(tmp_path / name, FIRST, FIRST, follow_symlinks=False)
    remove_litter(FIRST, [tmp_path, tmp_path / "missing"])
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


@needs_root
def test_a_folder_is_handed_over_whole(tmp_path: Path) -> None:
    """Everything in the folder becomes the user's, and what a link in it names does not."""
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "outside").touch()
    (tmp_path / "folder" / "inner" / "link").symlink_to(tmp_path / "outside")
    hand_over(tmp_path / "folder", FIRST)
    found = [tmp_path / "folder", *(tmp_path / "folder").rglob("*")]
    assert {path.lstat().st_uid for path in found} == {FIRST}
    assert (tmp_path / "outside").stat().st_uid == 0


def test_nothing_is_removed_through_a_link(tmp_path: Path) -> None:
    """A file is removed where it lies, and not where a folder that was swapped for a link leads to."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "link").symlink_to("a")
    for path in ("link/file", "b/file", "c/file"):
        unlink_below(tmp_path, path)
    assert (tmp_path / "a" / "file").exists()
    assert not (tmp_path / "b" / "file").exists()
