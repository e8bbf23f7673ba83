"""`outlive profile new`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.entrypoints.conftest import Outlive


def test_a_new_profile_is_valid(outlive: Outlive, tmp_path: Path) -> None:
    """The folder is written where the setting says, and passes the check as it is, with an example of each part."""
    made = outlive.ok("profile", "new", "bot", "--profiles", str(tmp_path / "own"))
    assert made["folder"] == str(tmp_path / "own/bot")
    shown = outlive.ok("profile", "show", "bot", "--profiles", str(tmp_path / "own"))
    assert (len(shown["subagents"]), len(shown["servers"]), len(shown["skills"])) == (1, 2, 1)
    assert outlive("profile", "check", made["folder"]).code == 0


def test_a_profile_that_exists_is_left_alone(outlive: Outlive, tmp_path: Path) -> None:
    """A second one of that name is refused, and what stands there stays."""
    (tmp_path / "own/bot").mkdir(parents=True)
    (tmp_path / "own/bot/mine").touch()
    assert outlive.refused(1, "profile", "new", "bot", "--profiles", str(tmp_path / "own"))["fix"]
    assert [path.name for path in (tmp_path / "own/bot").iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [["bot"], ["../bot", "--profiles", "own"], ["Bot", "--profiles", "own"]])
def test_what_cannot_be_written_is_refused(outlive: Outlive, tmp_path: Path, words: list[str]) -> None:
    """Without a folder of one's own, or with a name that is none, nothing is written."""
    before = sorted(tmp_path.rglob("*"))
    assert outlive.refused(2, "profile", "new", *words)["fix"]
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "stdin"] == before
