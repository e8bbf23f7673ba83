"""Reading and writing below a root: exactly what was asked, and never through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from outlive.agents import files
from outlive.agents.files import empty_folder, read_file, remove_files, write_files
from outlive.agents.tree import RESTORED_AGE
from outlive.errors import Conflict, Invalid, NotFound, Unavailable
from outlive.protocols import FileContent

TRAVERSALS = ["../x", "work/../../x", "/etc/x", "work//x", "home/x", ""]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a folder outside that nothing may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (tmp_path / "root/work").mkdir(parents=True)
    return tmp_path / "root"


def file(path: str, *parts: bytes, mode: int = 0o644, append: bool = False, kind: str = "file") -> FileContent:
    """Content for a path."""
    return FileContent(path, kind, mode, parts, append=append)


def test_parts_become_one_file(root: Path) -> None:
    """Content, mode and parents are as asked, and the time is old enough for the CLI."""
    write_files(root, [file("work/a/b.bin", b"one\0", b"\xfftwo", mode=0o750)])
    assert (root / "work/a/b.bin").read_bytes() == b"one\0\xfftwo"
    info = (root / "work/a/b.bin").stat()
    assert stat.S_IMODE(info.st_mode) == 0o750
    assert info.st_ctime - info.st_mtime == pytest.approx(RESTORED_AGE, abs=1.5)


def test_replacing_leaves_other_names_alone(root: Path) -> None:
    """A hard link to the old content keeps the old content."""
    (root / "work/a").write_text("old")
    os.link(root / "work/a", root / "work/b")
    write_files(root, [file("work/a", b"new")])
    assert ((root / "work/a").read_text(), (root / "work/b").read_text()) == ("new", "old")
    assert sorted(os.listdir(root / "work")) == ["a", "b"]


def test_append(root: Path) -> None:
    """Parts go behind what is there, also when nothing is."""
    for part in (b"one\n", b"two\n"):
        write_files(root, [file("ledger.jsonl", part, append=True, kind="append", mode=0o600)])
    assert (root / "ledger.jsonl").read_bytes() == b"one\ntwo\n"


def test_links_and_folders(root: Path) -> None:
    """Links are made as given, folders with their mode; either may take the other's place."""
    link = FileContent("work/l", "link", 0o777, target="a/b")
    write_files(root, [link, FileContent("work/d", "dir", 0o700)])
    assert os.readlink(root / "work/l") == "a/b"
    assert stat.S_IMODE((root / "work/d").stat().st_mode) == 0o700
    write_files(root, [FileContent("work/d", "link", 0o777, target="l"), FileContent("work/l", "dir", 0o755)])
    assert (root / "work/d").is_symlink()
    assert not (root / "work/l").is_symlink()


def test_a_link_in_the_way_gives_way(root: Path) -> None:
    """Writing below a link replaces the link by a folder; what it named is untouched."""
    os.symlink("../../outside", root / "work/trap")
    os.symlink("../../outside/secret", root / "work/file")
    write_files(root, [file("work/trap/secret", b"new"), file("work/file", b"new")])
    assert (root.parent / "outside/secret").read_text() == "secret"
    assert (root / "work/trap/secret").read_text() == "new"
    assert not (root / "work/file").is_symlink()


def test_append_never_follows_a_link(root: Path) -> None:
    """A link where the ledger belongs is a fault of the tree, not a way out."""
    os.symlink("../outside/secret", root / "ledger.jsonl")
    with pytest.raises(Unavailable, match=r"ledger.jsonl"):
        write_files(root, [file("ledger.jsonl", b"x", append=True, kind="append")])
    assert (root.parent / "outside/secret").read_text() == "secret"


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leaves_the_tree(root: Path, path: str) -> None:
    """Reading, writing and removing refuse the same paths."""
    with pytest.raises(Invalid):
        write_files(root, [file(path, b"x")])
    with pytest.raises(Invalid):
        read_file(root, path, 0, None)
    with pytest.raises(Invalid):
        remove_files(root, [path])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (FileContent("work/f", "file", 0o4755), "mode 4755"),
        (FileContent("work/f", "pipe", 0o644), "unknown kind 'pipe'"),
        (FileContent("work/f", "link", 0o777, target="/etc/passwd"), "leaves the tree"),
    ],
)
def test_entries_that_no_scan_gives_are_refused(root: Path, content: FileContent, said: str) -> None:
    """What could not have been kept cannot be restored either."""
    with pytest.raises(Invalid, match=said):
        write_files(root, [content])


def test_a_full_disk_is_a_fault_of_the_backend(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file and keeps the system's own."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(Unavailable, match=r"'work/f'.*No space left"):
        write_files(root, [file("work/f", b"x")])


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("offset", "length", "expected"), [(0, None, b"0123456789"), (4, None, b"456789"), (4, 3, b"456"), (20, 5, b"")]
)
def test_ranges(root: Path, offset: int, length: int | None, expected: bytes) -> None:
    """Offset and length choose the bytes; behind the end there are none."""
    (root / "work/f").write_bytes(b"0123456789")
    assert read_file(root, "work/f", offset, length) == expected


def test_a_missing_file_is_not_found(root: Path) -> None:
    """Nothing there is not the same as nothing in it."""
    with pytest.raises(NotFound, match="work/none"):
        read_file(root, "work/none", 0, None)


@pytest.mark.parametrize("where", ["work/link", "work/dir/secret"])
def test_reading_never_follows_a_link(root: Path, where: str) -> None:
    """A link to a file, or on the way to one, is refused."""
    os.symlink("../../outside/secret", root / "work/link")
    os.symlink("../../outside", root / "work/dir")
    with pytest.raises((NotFound, Unavailable), match=where):
        read_file(root, where, 0, None)


def test_a_pipe_is_not_read(root: Path) -> None:
    """A pipe put in a file's place neither blocks nor counts as a file."""
    os.mkfifo(root / "work/f")
    with pytest.raises(Invalid, match="is not a file"):
        read_file(root, "work/f", 0, None)


def test_a_file_that_does_not_hold_still_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes during every attempt is an error, never half of each content."""
    path = root / "work/f"
    path.write_bytes(b"x")
    monkeypatch.setattr(files, "_read_fully", lambda *_: path.write_bytes(path.read_bytes() + b"x"))
    with pytest.raises(Conflict, match="'work/f' changes while it is read"):
        read_file(root, "work/f", 0, None)


def test_what_grows_may_grow_while_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transcript is read as far as it went when it was opened."""
    path = root / "ledger.jsonl"
    path.write_bytes(b"one\n")
    read = files._read_fully

    def while_growing(file: int, length: int) -> bytes:
        path.write_bytes(b"one\ntwo\n")
        return read(file, length)

    monkeypatch.setattr(files, "_read_fully", while_growing)
    assert read_file(root, "ledger.jsonl", 0, None) == b"one\n"


# ----------------------------------------------------------------------------------------------- removing


def test_removing_takes_empty_folders_along(root: Path) -> None:
    """Folders that become empty go, the others and the kept places stay; twice is no fault."""
    write_files(root, [file("work/a/b/c", b"x"), file("work/a/d", b"x"), file("config/tasks/s/1.json", b"x")])
    for _ in range(2):
        remove_files(root, ["work/a/b/c", "config/tasks/s/1.json"])
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == [
        *("config", "config/tasks", "work", "work/a", "work/a/d"),
    ]


def test_removing_does_not_follow_links(root: Path) -> None:
    """The link goes, what it names stays; a path through a link names nothing."""
    os.symlink("../../outside", root / "work/dir")
    remove_files(root, ["work/dir/secret", "work/dir"])
    assert (root.parent / "outside/secret").exists()
    assert not (root / "work/dir").is_symlink()


def test_emptying_copes_with_any_mode(root: Path) -> None:
    """Folders without permissions and links out are removed, and nothing outside is."""
    write_files(root, [file("work/a/b", b"x")])
    os.symlink("../../outside", root / "work/out")
    (root / "work/a").chmod(0)
    empty_folder(root / "work")
    assert os.listdir(root / "work") == []
    assert (root.parent / "outside/secret").exists()
