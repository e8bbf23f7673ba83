"""Agent profiles: folders that say who the agent is, and what it has. Everything is checked when one is loaded."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outlive.agents.options import TOOLS
from outlive.agents.profile_digest import digest_profile
from outlive.agents.profile_files import read_json, read_text
from outlive.agents.profile_settings import SETTINGS_FILE, ProfileSettings, read_settings
from outlive.agents.servers import ENTRY, SERVERS_FILE, Server, read_servers
from outlive.agents.skills import Skill, read_skills
from outlive.agents.subagents import AGENTS_FILE, Subagent, read_subagents
from outlive.errors import Invalid

PROMPT_FILE = "system_prompt.md"
SHIPPED = Path(__file__).parent / "profiles"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it was read."""

    name: str
    folder: Path
    system_prompt: str
    digest: str
    """The prompt version: 32 hexadecimal digits that change whenever anything does that reaches the model."""
    subagents: tuple[Subagent, ...] = ()
    servers: tuple[Server, ...] = ()
    skills: tuple[Skill, ...] = ()
    settings: ProfileSettings = field(default_factory=ProfileSettings)

    @property
    def ask(self) -> tuple[str, ...]:
        """Permission rules for what somebody has to approve first."""
        return self.settings.ask

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools the agent is shown, beside those of the servers."""
        return offered_tools(self.settings, self.skills)

    @property
    def running_servers(self) -> tuple[Server, ...]:
        """The servers that are switched on, our own among them where the settings want its tools."""
        own = (ENTRY,) if self.settings.memory_tools or self.settings.send_files else ()
        return (*(server for server in self.servers if server.enabled), *own)


class Profiles:
    """The profiles of one folder, and the shipped ones where the folder has none of that name."""

    def __init__(self, folder: Path | None = None, *, variables: Mapping[str, str] | None = None) -> None:
        """`Invalid` when `folder` is given and is not one.

        `variables` fills in `${NAME}` in mcp.json, by default this process's environment.
        """
        if folder is not None and not folder.is_dir():
            raise Invalid(f"profiles folder {folder} does not exist.", fix="Create it or correct OUTLIVE_PROFILES.")
        self._folders = [SHIPPED] if folder is None else [folder, SHIPPED]
        self._variables = os.environ if variables is None else variables

    def names(self) -> list[str]:
        """Every profile there is, sorted."""
        found = {path.name for folder in self._folders for path in folder.iterdir() if path.is_dir()}
        return sorted(name for name in found if NAME.fullmatch(name))

    def load(self, name: str) -> Profile:
        """Read and check a profile; `Invalid` names file, line and fix, or the profiles there are."""
        return load_folder(self._folder(name), variables=self._variables)

    def settings(self, name: str) -> ProfileSettings:
        """Read and check a profile's settings alone; `Invalid` as for `load`."""
        return read_settings(read_json(self._folder(name), SETTINGS_FILE))

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name) or name not in self.names():
            raise Invalid(f"there is no agent profile {name!r}.{self._nearest(name)}", fix=self._known())
        return next(folder / name for folder in self._folders if (folder / name).is_dir())

    def _nearest(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.names(), n=1)
        return f" Did you mean {close[0]!r}?" if close else ""

    def _known(self) -> str:
        known = f"Use one of: {', '.join(self.names())}"
        return f"{known}; or set OUTLIVE_PROFILES to the folder that holds it."


def load_folder(folder: Path, *, variables: Mapping[str, str] | None = None) -> Profile:
    """Read and check the profile in a folder; `Invalid` or `TooLarge` name the file, the line and the fix."""
    if not NAME.fullmatch(folder.name):
        fix = "Use small letters, digits, hyphens and underscores, 64 at most."
        raise Invalid(f"{folder.name!r}, the folder's name, is not a profile's name.", fix=fix)
    prompt = read_text(folder / PROMPT_FILE, fix="Every profile has this file: the agent's system prompt.")
    settings_file = read_json(folder, SETTINGS_FILE)
    settings = read_settings(settings_file)
    skills = read_skills(folder)
    servers = read_servers(read_json(folder, SERVERS_FILE), os.environ if variables is None else variables)
    tools = offered_tools(settings, skills)
    subagents = read_subagents(
        folder, read_json(folder, AGENTS_FILE), tools=tools, servers=[server.name for server in servers]
    )
    if settings_file and subagents and "Agent" not in tools:
        fix = f'Add "Agent" to tools, or remove {AGENTS_FILE}.'
        settings_file.refuse(("tools",), "there are subagents, but not the tool that calls them.", fix=fix)
    digest = digest_profile(prompt, subagents, servers, skills, settings)
    return Profile(folder.name, folder, prompt, digest, subagents, servers, skills, settings)


def offered_tools(
    settings: ProfileSettings, skills: tuple[Skill, ...], default: tuple[str, ...] = TOOLS
) -> tuple[str, ...]:
    """The tools that an agent with these settings and skills is shown, each once."""
    base = default if settings.tools is None else settings.tools
    return tuple(dict.fromkeys([*base, *settings.extra_tools, *(("Skill",) if skills else ())]))
