"""What a profile adds to a turn: files laid out for the CLI, and how it is started with them.

Everything is written anew for each turn into `tmp/`, which is not kept: a path below it is the same on every host.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from outlive.agents.files import unlink_below
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profile, offered_tools
from outlive.agents.servers import START_SECONDS
from outlive.agents.skills import SKILLS_FOLDER, Skill
from outlive.protocols import AgentTurn

PLUGIN = "profile"
"""Name of the plugin that carries the skills: the agent knows them as `profile:NAME` and as `NAME`."""
MEMORY_SWITCH = "CLAUDE_CODE_DISABLE_AUTO_MEMORY"


@dataclass(frozen=True, slots=True)
class Equipment:
    """A profile laid out in a session's tree."""

    profile: Profile
    prompt_file: Path
    arguments: tuple[str, ...] = ()
    """Of the CLI; no secret is among them."""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Path | None = None
    """The file with the servers' secrets: only the CLI's start needs it."""

    @property
    def folder(self) -> Path:
        """Where all of it lies: `tmp/profile` below the root."""
        return self.prompt_file.parent

    @property
    def skills(self) -> list[str]:
        """The skills that the model is told of: the profile's own, none of the CLI's."""
        return [f"{PLUGIN}:{skill.name}" for skill in self.profile.skills]

    @property
    def start_seconds(self) -> float:
        """How long a server may take to start."""
        return START_SECONDS

    def forget_secrets(self) -> None:
        """Remove the file with the secrets, so that the agent's tools do not find it."""
        if self.secrets is not None:
            unlink_below(self.folder.parents[1], str(self.secrets.relative_to(self.folder.parents[1])))

    def options(self, base: CliOptions) -> CliOptions:
        """The options with the profile's tools, rules, arguments and variables."""
        settings = self.profile.settings
        own = [f"Skill({skill.name})" for skill in self.profile.skills] + [f"Skill({name})" for name in self.skills]
        servers = [f"mcp__{server.name}" for server in self.profile.running_servers]
        rules = {"allow": (*own, *servers, *settings.allow), "deny": settings.deny}
        return replace(
            base,
            tools=offered_tools(settings, self.profile.skills, base.tools),
            rules={name: each for name, each in rules.items() if each},
            extra=self.arguments,
            variables={**self.variables, **base.variables},
        )

    def model(self, base: ModelSettings, chosen: str | None = None) -> ModelSettings:
        """The model that was chosen for the session, or the profile's, or the worker's."""
        name = chosen or self.profile.settings.model
        return replace(base, model=name) if name else base

    def turn(self, turn: AgentTurn) -> AgentTurn:
        """The turn, with the smaller of its own limits and the profile's."""
        settings = self.profile.settings
        return replace(
            turn,
            max_turns=min((n for n in (turn.max_turns, settings.max_turns) if n is not None), default=None),
            max_usd=min((n for n in (turn.max_usd, settings.max_usd) if n is not None), default=None),
        )


def lay_out(profile: Profile, root: Path) -> Equipment:
    """Write the profile's files below `root`/tmp, which must be empty, and say how the CLI is given them."""
    folder = root / "tmp" / "profile"
    folder.mkdir(mode=0o700)
    prompt_file = _private_file(folder / "system_prompt.md", profile.system_prompt)
    arguments: list[str] = []
    if profile.subagents:
        agents = {subagent.name: subagent.as_cli() for subagent in profile.subagents}
        arguments += ["--agents", str(_private_file(folder / "agents.json", json.dumps(agents)))]
    if profile.skills:
        arguments += ["--plugin-dir", str(_write_plugin(profile.skills, folder / "plugin"))]
    secrets = None
    if profile.running_servers:
        servers = {"mcpServers": {server.name: server.as_cli for server in profile.running_servers}}
        secrets = _private_file(folder / "mcp.json", json.dumps(servers))
        arguments += ["--mcp-config", str(secrets)]
    return Equipment(profile, prompt_file, tuple(arguments), _variables(profile), secrets)


def _variables(profile: Profile) -> dict[str, str]:
    memory = {MEMORY_SWITCH: "0"} if profile.settings.memory else {}
    if not profile.running_servers:
        return memory
    limit = str(START_SECONDS * 1000)
    return memory | {"MCP_TIMEOUT": limit, "ENABLE_TOOL_SEARCH": "false"}  # looking a tool up is one more model call


def _write_plugin(skills: tuple[Skill, ...], folder: Path) -> Path:
    """The skills as a plugin of the CLI: unlike its config directory, a plugin holds nothing but what we put there."""
    (folder / ".claude-plugin").mkdir(parents=True)
    (folder / ".claude-plugin" / "plugin.json").write_text(json.dumps({"name": PLUGIN, "version": "1.0.0"}))
    for skill in skills:
        for file in skill.files:
            path = folder / SKILLS_FOLDER / skill.name / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(0o700 if file.executable else 0o600)
    return folder


def _private_file(path: Path, text: str) -> Path:
    """A file that was never readable by anybody else."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path
