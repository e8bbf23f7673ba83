"""`outlive profile show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.profile_folder import make_profile, make_skill, server, subagent
from tests.entrypoints.conftest import Outlive


def test_the_shipped_profile_is_shown(outlive: Outlive) -> None:
    """The prompt's size, the subagent, both servers with their state, and the skill are there."""
    shown = outlive.ok("profile", "show", "default")
    assert shown["prompt_bytes"] > 500
    assert [each["name"] for each in shown["subagents"] + shown["skills"]] == ["aws-support", "hello-world"]
    assert [(each["kind"], each["enabled"]) for each in shown["servers"]] == [("http", False), ("command", False)]


def test_people_read_a_table(outlive: Outlive, tmp_path: Path) -> None:
    """Each part has its line, and the limits are among the fields."""
    settings = {"permissions": {"ask": ["Bash(git push *)"]}, "max_turns": 7, "max_usd": 1.5}
    folder = make_profile(tmp_path / "bot", settings=settings, agents=subagent(), mcp=server(command="calc"))
    make_skill(folder, "greet", "Hi.")
    out = outlive("profile", "show", str(folder)).out
    assert "7 turns, $1.5" in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "subagent helper Helps." in lines
    assert "server calc on, command, calc" in lines
    assert "skill greet Use it in tests." in lines
    assert "rule ask Bash(git push *)" in lines


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_not_shown(
    outlive: Outlive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    """Neither what the environment filled in nor headers, passwords and queries written into the file are printed."""
    monkeypatch.setenv("CALC_TOKEN", "s3cret-a")
    url = "https://user:s3cret-b@host/mcp?key=s3cret-c"
    folder = make_profile(tmp_path / "bot", mcp=server(url=url, headers={"A": "${CALC_TOKEN}", "B": "s3cret-d"}))
    out = outlive("profile", "show", str(folder), *form).out
    assert ("s3cret" in out, "https://host/mcp" in out) == (False, True)


def test_a_broken_profile_is_refused(outlive: Outlive, tmp_path: Path) -> None:
    """A profile that cannot be loaded exits 2 with file, line and fix."""
    folder = make_profile(tmp_path / "bot", agents="{")
    assert "agents.json, line 1" in outlive.refused(2, "profile", "show", str(folder))["message"]
