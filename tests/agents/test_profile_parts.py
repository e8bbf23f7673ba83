"""What a whole profile holds, and what its digest follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from outlive.agents.equipment import lay_out
from outlive.agents.models import ModelSettings
from outlive.agents.options import TOOLS, CliOptions
from outlive.agents.profiles import load_folder
from outlive.agents.servers import server_faults
from outlive.errors import AgentFailed
from outlive.protocols import AgentTurn
from tests.agents.profile_folder import make_profile, make_skill, server, subagent, write

HTTP = {"url": "https://host/mcp?key=${TOKEN}", "headers": {"Authorization": "Bearer ${TOKEN}"}}


def test_comments_are_left_out(tmp_path: Path) -> None:
    """A key that starts with // is a comment, at any depth and as often as wanted."""
    settings = '{"//": "a", "//": "b", "permissions": {"// why": "c", "ask": ["Bash(rm *)"]}, "max_turns": 3}'
    profile = load_folder(make_profile(tmp_path, settings=settings))
    assert (profile.ask, profile.settings.max_turns) == (("Bash(rm *)",), 3)


def test_a_subagent_takes_its_prompt_from_a_file(tmp_path: Path) -> None:
    """`prompt_file` is a path below the profile; tools and model are taken over."""
    write(tmp_path / "agents/helper.md", "You help.")
    fields = {"description": "Helps.", "prompt_file": "agents/helper.md", "tools": ["Read"], "model": "haiku"}
    (found,) = load_folder(make_profile(tmp_path, agents={"helper": fields})).subagents
    assert (found.prompt, found.tools, found.model) == ("You help.", ("Read",), "haiku")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Plain: with a colon  # a comment", "Plain: with a colon"),
        ('"Quoted # text"', "Quoted # text"),
        (">\n  Folded\n  text", "Folded text"),
        ("|\n  Two\n  lines", "Two\nlines"),
        ("Goes\n  on", "Goes on"),
    ],
)
def test_a_description_is_read_as_yaml(tmp_path: Path, written: str, read: str) -> None:
    """Plain, quoted, folded and literal texts mean what they mean in YAML."""
    folder = make_profile(tmp_path)
    make_skill(folder, "greet", "Hi.", description=written)
    assert load_folder(folder).skills[0].description == read


def test_secrets_are_filled_in_and_never_shown(tmp_path: Path) -> None:
    """`${NAME}` comes from the environment into the CLI's file, and neither into what is shown nor the arguments."""
    folder = make_profile(tmp_path / "profile", mcp=server(**HTTP))
    profile = load_folder(folder, variables={"TOKEN": "s3cret"})
    (tmp_path / "root/tmp").mkdir(parents=True)
    equipment = lay_out(profile, tmp_path / "root")
    assert equipment.secrets is not None
    assert equipment.secrets.read_text().count("s3cret") == 2
    assert equipment.secrets.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in f"{profile} {equipment}"
    assert profile.servers[0].place == "https://host/mcp"
    equipment.forget_secrets()
    assert not equipment.secrets.exists()


def test_a_server_that_is_off_needs_no_secret(tmp_path: Path) -> None:
    """A variable that is not set does not matter to a server that is switched off."""
    profile = load_folder(make_profile(tmp_path, mcp=server(**HTTP, enabled=False)), variables={})
    assert (profile.running_servers, profile.servers[0].config) == ((), {})


def digest(folder: Path, **variables: str) -> str:
    """The prompt version of a folder."""
    return load_folder(folder, variables=variables).digest


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "You are another."},
        {"agents": subagent()},
        {"mcp": server(command="b")},
        {"settings": {"max_turns": 3}},
        {"settings": {"permissions": {"ask": ["Bash"]}}},
    ],
)
def test_the_digest_follows_every_part(tmp_path: Path, change: dict[str, Any]) -> None:
    """Another prompt, subagent, server or setting is another prompt version."""
    before = digest(make_profile(tmp_path))
    assert digest(make_profile(tmp_path, **change)) != before


def test_the_digest_follows_skills_and_prompt_files(tmp_path: Path) -> None:
    """A changed byte in a skill, in a file beside it or in a subagent's prompt is another prompt version."""
    agents = {"helper": {"description": "x", "prompt_file": "helper.md"}}
    write(tmp_path / "helper.md", "one")
    folder = make_profile(tmp_path, agents=agents)
    seen = [digest(folder)]
    write(tmp_path / "helper.md", "two")
    seen.append(digest(folder))
    beside = make_skill(folder, "greet", "Hi.").parent
    seen.append(digest(folder))
    write(beside / "run.sh", "true")
    seen.append(digest(folder))
    (beside / "run.sh").chmod(0o755)
    seen.append(digest(folder))
    assert len(set(seen)) == 5


def test_the_digest_does_not_follow_secrets(tmp_path: Path) -> None:
    """A renewed token is the same prompt version; so is a change of a server that is off."""
    folder = make_profile(tmp_path, mcp=server(**HTTP))
    assert digest(folder, TOKEN="one") == digest(folder, TOKEN="two")
    off = digest(make_profile(tmp_path, mcp=server(command="a", enabled=False)))
    assert digest(make_profile(tmp_path, mcp=server(command="b", enabled=False))) == off


def test_the_profile_decides_how_the_cli_is_started(tmp_path: Path) -> None:
    """Tools, rules and model of the profile come in; of two limits the smaller one counts."""
    settings = {"extra_tools": ["WebFetch"], "permissions": {"allow": ["WebFetch"], "deny": ["Bash(rm *)"]}}
    limits = {"model": "haiku", "max_turns": 5, "max_usd": 2}
    folder = make_profile(tmp_path / "profile", settings=settings | limits, mcp=server(command="a"))
    make_skill(folder, "greet", "Hi.")
    (tmp_path / "tmp").mkdir()
    equipment = lay_out(load_folder(folder), tmp_path)
    options = equipment.options(CliOptions())
    assert options.tools == (*TOOLS, "WebFetch", "Skill")
    assert options.rules["allow"] == ("Skill(greet)", "Skill(profile:greet)", "mcp__calc", "WebFetch")
    assert options.rules["deny"] == ("Bash(rm *)",)
    assert equipment.model(ModelSettings("scripted", "opus")).model == "haiku"
    turn = equipment.turn(AgentTurn(tmp_path, "hi", None, max_turns=9, max_usd=1.0))
    assert (turn.max_turns, turn.max_usd) == (5, 1.0)


def test_a_server_that_did_not_start_is_told(tmp_path: Path) -> None:
    """A server that is not connected is a notice; a required one fails the turn by its name."""
    started = [{"name": "calc", "status": "failed"}]
    servers = load_folder(make_profile(tmp_path, mcp=server(command="a"))).servers
    assert server_faults([{"name": "calc", "status": "connected"}], servers) == ()
    assert "'calc' did not start" in server_faults(started, servers)[0]
    assert "'calc' did not start" in server_faults([], servers)[0]
    required = load_folder(make_profile(tmp_path, mcp=server(command="a", required=True))).servers
    with pytest.raises(AgentFailed, match=r"'calc' did not start \(failed\)"):
        server_faults(started, required)
