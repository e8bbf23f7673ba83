"""Which trees from outside may become a session's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.agents.tree import PLACES, TreeLimits
from outlive.agents.tree import kind_of as kind_on_disk
from outlive.errors import Invalid, TooLarge
from outlive.flows.sessions.write_tree import NewFile
from outlive.flows.turn import check_tree as module
from outlive.flows.turn.check_tree import FOLDERS, MAX_BYTES, MAX_ENTRIES, check_tree, find_holes, kind_of

FILE = NewFile("file", 0o600, b"x")


def link(target: str) -> NewFile:
    """A link."""
    return NewFile("link", 0o777, target=target)


def test_what_is_let_in_is_what_a_workspace_keeps() -> None:
    """Folders, limits and kinds of file are those of the workspaces on disk."""
    assert set(FOLDERS) == {place.path for place in PLACES if place.kept and "." not in place.path}
    assert TreeLimits(MAX_ENTRIES, MAX_BYTES) == TreeLimits()
    for path in ("config/projects/session/a.jsonl", "config/projects/a.json", "work/a.jsonl", "config/tasks/a/1.json"):
        assert kind_of(path) == kind_on_disk(path)


@pytest.mark.parametrize("target", ["a", "./a", "sub/../a", "../work/a", "nowhere", "sub/deep/../../a"])
def test_links_inside_are_fine(target) -> None:
    """A link may point anywhere in the tree, and at nothing."""
    check_tree({"work/a": FILE, "work/sub/b": FILE, "work/link": link(target)})


@pytest.mark.parametrize(
    "links",
    [
        {"work/l": "/etc"},
        {"work/l": "../.."},
        {"work/l": "../../work/../../x"},
        {"work/a": "..", "work/b": "a/../x"},
        {"work/x/y/up": "../..", "work/l": "x/y/up/../../.."},
        {"work/l": "l"},
        {"work/l": "m/x", "work/m": "l"},
        {"work/l": "a\0b"},
    ],
)
def test_links_out_of_the_tree_are_refused_by_name(links) -> None:
    """A link that leads out, by itself or through others, or in a circle, is named."""
    with pytest.raises(Invalid, match="leads out of the tree"):
        check_tree({path: link(target) for path, target in links.items()})


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "work/" + "/".join(parts))
TARGETS = st.lists(st.one_of(NAMES, st.sampled_from(["..", "."])), min_size=1, max_size=6).map("/".join)


@pytest.mark.promise("P9")
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(PATHS, TARGETS, min_size=1, max_size=5))
def test_no_set_of_links_leads_out_on_a_real_disk(links) -> None:
    """Links that are let in resolve inside the root when they really lie on a disk."""
    try:
        check_tree({path: link(target) for path, target in links.items()})
    except Invalid:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for path, target in links.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(target)
        assert all(f"{os.path.realpath(root / path)}/".startswith(f"{root}/") for path in links)


@pytest.mark.parametrize("above", [FILE, link("a")])
def test_nothing_lies_below_a_file_or_a_link(above) -> None:
    """A path that goes through a file or a link of the same tree is refused."""
    with pytest.raises(Invalid, match="goes through"):
        check_tree({"work/a": FILE, "work/x": above, "work/x/y": FILE})


@pytest.mark.parametrize(
    "path", ["", "/", "x", "work", "work/", "work/../x", "../work/x", "home/x", "config/settings.json", "ledger.jsonl"]
)
def test_paths_outside_the_kept_parts_are_refused(path) -> None:
    """Only paths below the parts that a workspace keeps are let in."""
    with pytest.raises(Invalid, match="may not be in a session"):
        check_tree({path: FILE})


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o100644])
def test_odd_modes_are_refused(mode) -> None:
    """A file that would run as another user is refused."""
    with pytest.raises(Invalid):
        check_tree({"work/a": NewFile("file", mode, b"")})


def test_an_empty_folder_is_for_the_working_directory(monkeypatch) -> None:
    """Empty folders are kept in `work` and nowhere else."""
    check_tree({"work/empty": NewFile("dir", 0o755)})
    with pytest.raises(Invalid, match="empty"):
        check_tree({"config/tasks/empty": NewFile("dir", 0o755)})


@pytest.mark.parametrize(("name", "limit"), [("MAX_ENTRIES", 1), ("MAX_BYTES", 1)])
def test_a_tree_over_a_limit_is_refused(monkeypatch, name, limit) -> None:
    """Too many files, or too many bytes, are refused with the numbers."""
    monkeypatch.setattr(module, name, limit)
    with pytest.raises(TooLarge, match="2 entries and 2 bytes"):
        check_tree({"work/a": FILE, "work/b": FILE})


def test_holes_are_looked_for_in_transcripts_only() -> None:
    """A file of the user's that looks like a transcript may be as it likes."""
    lost = b'{"parentUuid":"gone","uuid":"here"}\n'
    files = {
        "work/a.jsonl": NewFile("file", 0o600, lost),
        "config/projects/session/a.jsonl": NewFile("append", 0o600, lost),
    }
    assert find_holes(files) == {"config/projects/session/a.jsonl": ["gone"]}
