"""`outlive profile check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.profile_folder import make_profile, server
from tests.entrypoints.conftest import Outlive


def test_every_profile_is_checked(outlive: Outlive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name all are read: sound ones are listed, a broken one is named with its line, and the exit is 2."""
    make_profile(tmp_path / "own/bad", settings='{\n "memry": true\n}')
    make_profile(tmp_path / "own/good")
    monkeypatch.setenv("OUTLIVE_PROFILES", str(tmp_path / "own"))
    done = outlive("profile", "check", "--json")
    found = {each["name"]: each["error"] for each in done.json["profiles"]}
    assert (done.code, found["default"], found["good"]) == (2, None, None)
    assert "settings.json, line 2: 'memry' is not known here. Did you mean 'memory'?" in found["bad"]


def test_a_folder_is_checked(outlive: Outlive, tmp_path: Path) -> None:
    """A path is taken for a profile's folder, wherever it is."""
    folder = make_profile(tmp_path / "somewhere/bot", mcp=server(command="a"), settings='{"memory_tools": true}')
    done = outlive("profile", "check", str(folder))
    assert (done.code, "1 of 1 MCP server on" in done.out) == (0, True)


def test_people_read_the_fault_and_its_fix(outlive: Outlive, tmp_path: Path) -> None:
    """The fault and the fix stand on stdout, the count on stderr."""
    folder = make_profile(tmp_path / "bot", mcp=server(command="a", args=["${NOT_SET_HERE}"]))
    done = outlive("profile", "check", str(folder))
    assert (done.code, "line 6: the variable NOT_SET_HERE is not set" in done.out) == (2, True)
    assert "fix: Set NOT_SET_HERE" in done.out
    assert done.err == "1 of 1 profiles are broken.\n"


def test_an_unknown_name_is_told(outlive: Outlive) -> None:
    """A name that no profile has is a fault, with the nearest one."""
    done = outlive("profile", "check", "defualt")
    assert (done.code, "Did you mean 'default'?" in done.out) == (2, True)
