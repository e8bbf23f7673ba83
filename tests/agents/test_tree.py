"""Which files of a tree are kept, and which are refused."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from outlive.agents.tree import IGNORED, PLACES, RESTORED_AGE, TreeLimits, check_link, check_path, scan_tree
from outlive.errors import Invalid, TooLarge
from outlive.protocols import FileStat

ID = "11111111-2222-4333-8444-555555555555"


def scan(root: Path, *, limits: TreeLimits | None = None, now: float | None = None) -> list[FileStat]:
    """The kept entries, some time after the last change unless told otherwise."""
    now = time.time() + 60 if now is None else now
    return scan_tree(root, limits=limits or TreeLimits(), ignored=IGNORED, now=now)


def put(root: Path, *paths: str) -> Path:
    """Small files, and the root back."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    return root


def test_every_place_has_its_decision(tmp_path: Path) -> None:
    """Exactly the places of the table marked as kept are in a scan."""
    for place in PLACES:
        put(tmp_path, place.path if "." in Path(place.path).name else f"{place.path}/file")
    kept = {stat.path.removesuffix("/file") for stat in scan(tmp_path)}
    assert kept == {place.path for place in PLACES if place.kept}


def test_kinds(tmp_path: Path) -> None:
    """Transcripts and the ledger only grow; links are links; empty folders of the user are kept."""
    transcript = f"config/projects/session/{ID}.jsonl"
    put(tmp_path, transcript, "ledger.jsonl", "work/a.jsonl", f"config/projects/session/{ID}/tool-results/b.txt")
    (tmp_path / "work/link").symlink_to("a.jsonl")
    (tmp_path / "work/empty").mkdir()
    (tmp_path / "config/tasks").mkdir()
    kinds = {stat.path: stat.kind for stat in scan(tmp_path)}
    assert kinds == {
        f"config/projects/session/{ID}/tool-results/b.txt": "file",
        transcript: "append",
        "ledger.jsonl": "append",
        "work/a.jsonl": "file",
        "work/empty": "dir",
        "work/link": "link",
    }


def test_path_order(tmp_path: Path) -> None:
    """Entries come in the order of their paths."""
    paths = [stat.path for stat in scan(put(tmp_path, "work/b", "work/a/z", "work/a.txt", "ledger.jsonl"))]
    assert paths == sorted(paths)
    assert len(paths) == 4


def test_ignored_names(tmp_path: Path) -> None:
    """What tools make again is left out, and so is the task list's lock; git's own files are kept."""
    put(
        tmp_path,
        "work/node_modules/x/y",
        "work/m.pyc",
        "work/.git/HEAD",
        "config/tasks/s/.lock",
        "config/tasks/s/1.json",
    )
    assert [stat.path for stat in scan(tmp_path)] == ["config/tasks/s/1.json", "work/.git/HEAD"]


@pytest.mark.parametrize(("mode", "kept"), [(0o644, 0o644), (0o400, 0o400), (0o755, 0o755)])
def test_modes(tmp_path: Path, mode: int, kept: int) -> None:
    """Permission bits are reported as they are."""
    (put(tmp_path, "work/f") / "work/f").chmod(mode)
    assert scan(tmp_path)[0].mode == kept


@pytest.mark.parametrize("bit", [0o4755, 0o2755])
def test_setuid_is_refused(tmp_path: Path, bit: int) -> None:
    """A file that runs as somebody else is named, with the command that helps."""
    (put(tmp_path, "work/su") / "work/su").chmod(bit)
    with pytest.raises(Invalid, match=r"work/su.*chmod ug-s"):
        scan(tmp_path)


def test_pipes_and_sockets_are_refused(tmp_path: Path) -> None:
    """What has no content to keep is named."""
    (tmp_path / "work").mkdir()
    os.mkfifo(tmp_path / "work/pipe")
    with pytest.raises(Invalid, match="'work/pipe' is a pipe"):
        scan(tmp_path)
    (tmp_path / "work/pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "work/s"))
        with pytest.raises(Invalid, match="'work/s' is a socket"):
            scan(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../../../etc/passwd", "..", "sub/../../../x"])
def test_a_link_out_of_the_tree_is_refused(tmp_path: Path, target: str) -> None:
    """The error names the link and where it points."""
    (tmp_path / "root/work").mkdir(parents=True)
    os.symlink(target, tmp_path / "root/work/link")
    with pytest.raises(Invalid, match="work/link"):
        scan(tmp_path / "root")


def test_a_link_out_through_another_link_is_refused(tmp_path: Path) -> None:
    """A target that looks inside but leads out is found, too."""
    root = tmp_path / "root"
    (root / "work/p/q").mkdir(parents=True)
    (root / "work/s").mkdir()
    os.symlink("../../s", root / "work/p/q/up")
    with pytest.raises(Invalid, match="leads out"):
        check_link(root, "work/p/q/link", "up/../../../x")


def test_a_folder_link_is_not_entered(tmp_path: Path) -> None:
    """Links are kept as links, whatever they name."""
    put(tmp_path, "work/real/f")
    os.symlink("real", tmp_path / "work/link")
    assert [(stat.path, stat.kind) for stat in scan(tmp_path)] == [("work/link", "link"), ("work/real/f", "file")]


def test_too_many_entries(tmp_path: Path) -> None:
    """The error names the entry that is one too many, and the limit's name."""
    with pytest.raises(TooLarge, match=r"more than 2 entries; 'work/c'.*max_entries"):
        scan(put(tmp_path, "work/a", "work/b", "work/c"), limits=TreeLimits(max_entries=2))


def test_too_many_bytes(tmp_path: Path) -> None:
    """The error names the file that goes over the limit, and the limit's name."""
    put(tmp_path, "work/a", "work/b")
    (tmp_path / "work/b").write_text("x" * 100)
    with pytest.raises(TooLarge, match=r"more than 100 bytes; 'work/b' \(100 bytes\).*max_bytes"):
        scan(tmp_path, limits=TreeLimits(max_bytes=100))


def test_too_deep(tmp_path: Path) -> None:
    """Folders nested without end are refused before descriptors run out."""
    (tmp_path / "work" / "/".join("d" * 70)).mkdir(parents=True)
    with pytest.raises(TooLarge, match="deeper than 64"):
        scan(tmp_path)


def test_a_stamp_moves_with_the_content(tmp_path: Path) -> None:
    """Writing the same number of bytes gives another stamp; not writing, the same."""
    path = put(tmp_path, "work/f") / "work/f"
    first = scan(tmp_path)[0].stamp
    assert scan(tmp_path)[0].stamp == first
    time.sleep(0.02)  # one tick of the file system's clock
    path.write_text("y")
    assert scan(tmp_path)[0].stamp != first


def test_a_young_file_has_no_stamp(tmp_path: Path) -> None:
    """A file changed less than two seconds ago may change again unseen, so its stamp is not given."""
    path = put(tmp_path, "work/f") / "work/f"
    changed = path.stat().st_mtime
    assert scan(tmp_path, now=changed + 1.9)[0].stamp == ""
    assert scan(tmp_path, now=changed + 2.1)[0].stamp != ""


def test_a_file_given_an_old_time_is_still_young(tmp_path: Path) -> None:
    """Setting a file's time back does not make a fresh change look rested; only our own restoring does."""
    path = put(tmp_path, "work/f") / "work/f"
    os.utime(path, (5.0, 5.0))
    assert scan(tmp_path, now=path.stat().st_ctime + 1)[0].stamp == ""
    os.utime(path, (5.0, time.time() - RESTORED_AGE))
    assert scan(tmp_path, now=path.stat().st_ctime + 1)[0].stamp != ""


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "work/../../x", "work//x", "work/./x", "../x", "work/x\0", "home/x", "config/settings.json"],
)
def test_paths_outside_what_is_kept(path: str) -> None:
    """A path that is not one of a kept entry is refused by name."""
    with pytest.raises(Invalid, match="path"):
        check_path(path)
