"""The build of the console that is in the package, against its sources."""

from __future__ import annotations

import shutil

import pytest

from scripts.build_console import BUILT, NOTE, ROOT, SOURCES, check


@pytest.fixture
def project(tmp_path):
    """A copy of the console's sources and of its build."""
    for folder in (SOURCES, BUILT):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules"))
    return tmp_path


def test_the_build_is_current() -> None:
    """What is in the package was made from the sources that are there."""
    assert check(ROOT) == []


def test_a_changed_source_makes_it_stale(project) -> None:
    """Any change of a source is noticed."""
    (project / SOURCES / "src" / "api.ts").write_text("// changed\n")
    assert check(project) == [f"{BUILT} is not the build of {SOURCES}."]


def test_an_edited_build_is_noticed(project) -> None:
    """A change of what was built is noticed, as is a file that was not."""
    (project / BUILT / "extra.js").write_text("alert(1)")
    assert check(project) == [f"{BUILT} was edited by hand."]


def test_a_build_without_its_note_is_refused(project) -> None:
    """Without the note nobody knows what it was made from."""
    (project / BUILT / NOTE).unlink()
    assert check(project) == [f"{BUILT / NOTE} cannot be read."]


def test_the_lock_file_names_no_host() -> None:
    """What the build needs is locked by digest, and comes from whichever registry a machine has."""
    locked = (ROOT / SOURCES / "package-lock.json").read_text()
    assert '"integrity"' in locked
    assert '"resolved"' not in locked
