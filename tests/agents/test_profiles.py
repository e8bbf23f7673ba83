"""Agent profiles: what is read, and what is refused with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.agents.profile_files import MAX_TEXT_BYTES
from outlive.agents.profiles import Profiles
from outlive.errors import Invalid, TooLarge


def make(folder: Path, name: str, prompt: bytes) -> Path:
    """A profile folder."""
    (folder / name).mkdir()
    (folder / name / "system_prompt.md").write_bytes(prompt)
    return folder


def test_the_shipped_profile_is_there() -> None:
    """Without a folder of one's own there is the default profile, with a prompt."""
    assert Profiles().names() == ["default"]
    assert len(Profiles().load("default").system_prompt) > 500


def test_the_shipped_profile_has_its_examples() -> None:
    """The default profile comes with a subagent, a skill and two servers, which are off: they need the internet."""
    profile = Profiles().load("default")
    assert [subagent.name for subagent in profile.subagents] == ["aws-support"]
    assert [skill.name for skill in profile.skills] == ["hello-world"]
    servers = {server.name: (server.kind, server.enabled) for server in profile.servers}
    assert servers == {"aws-knowledge": ("http", False), "aws-documentation": ("command", False)}
    assert "Skill" in profile.tools


def test_own_profiles_come_before_shipped_ones(tmp_path: Path) -> None:
    """A folder's profile takes the place of the shipped one of the same name."""
    profiles = Profiles(make(make(tmp_path, "default", b"mine"), "billing", b"bills"))
    assert profiles.names() == ["billing", "default"]
    assert profiles.load("default").system_prompt == "mine"


def test_the_digest_follows_the_prompt(tmp_path: Path) -> None:
    """Another prompt gives another digest, the same prompt the same one."""
    profiles = Profiles(make(tmp_path, "one", b"first"))
    before = profiles.load("one").digest
    assert profiles.load("one").digest == before
    (tmp_path / "one" / "system_prompt.md").write_text("second")
    assert profiles.load("one").digest != before


def test_an_unknown_profile_names_the_known_ones() -> None:
    """The error lists the profiles there are, the nearest name, and the setting that adds a folder."""
    with pytest.raises(Invalid, match=r"Did you mean 'default'\? Use one of: default; or set OUTLIVE_PROFILES"):
        Profiles().load("defualt")


@pytest.mark.parametrize("name", ["../default", "/etc", "", ".", "default/", "de\0fault", "Default"])
def test_a_name_is_never_a_path(name: str) -> None:
    """A name that could leave the folder is unknown."""
    with pytest.raises(Invalid, match="there is no agent profile"):
        Profiles().load(name)


@pytest.mark.parametrize(
    ("prompt", "error", "said"),
    [
        (b" \n", Invalid, "is empty"),
        (b"one\ntw\xffo", Invalid, "line 2"),
        (b"a\0b", Invalid, "line 1, holds a NUL"),
        (b"x" * (MAX_TEXT_BYTES + 1), TooLarge, "200,001 bytes"),
    ],
)
def test_a_bad_prompt_is_refused(tmp_path: Path, prompt: bytes, error: type[Invalid], said: str) -> None:
    """The error names the file and what is wrong with it."""
    with pytest.raises(error, match=rf"system_prompt.md.*{said}"):
        Profiles(make(tmp_path, "bad", prompt)).load("bad")


def test_a_missing_prompt_is_refused(tmp_path: Path) -> None:
    """A profile without its file is named."""
    (tmp_path / "hollow").mkdir()
    with pytest.raises(Invalid, match=r"hollow/system_prompt.md cannot be read"):
        Profiles(tmp_path).load("hollow")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """The setting that names the folder is in the error."""
    with pytest.raises(Invalid, match="OUTLIVE_PROFILES"):
        Profiles(tmp_path / "nowhere")
