"""`agents.json`: the subagents a profile's agent may hand work to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlive.agents.json_lines import At, JsonFile
from outlive.agents.permission_rules import check_tools
from outlive.agents.profile_files import is_inside, read_text

AGENTS_FILE = "agents.json"
MAX_SUBAGENTS = 50
KEYS = ("description", "prompt", "prompt_file", "tools", "model")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Subagent:
    """One subagent."""

    name: str
    description: str
    """When the agent should hand over to it: all that the agent knows of it."""
    prompt: str
    tools: tuple[str, ...] | None
    """The tools it has; None for those of the agent itself."""
    model: str | None

    def as_cli(self) -> dict[str, Any]:
        """The subagent as the CLI's `--agents` wants it."""
        found: dict[str, Any] = {"description": self.description, "prompt": self.prompt}
        if self.tools is not None:
            found["tools"] = list(self.tools)
        return found | ({"model": self.model} if self.model else {})


def read_subagents(
    folder: Path, file: JsonFile | None, *, tools: Collection[str], servers: Collection[str]
) -> tuple[Subagent, ...]:
    """The subagents of a profile that offers these tools and has these MCP servers; `Invalid` names file and line."""
    if file is None:
        return ()
    if len(file.value) > MAX_SUBAGENTS:
        file.refuse((), f"{len(file.value)} subagents are too many.", fix=f"Keep {MAX_SUBAGENTS} at most.")
    return tuple(_subagent(folder, file, name, value, tools, servers) for name, value in file.value.items())


def _subagent(
    folder: Path, file: JsonFile, name: str, value: object, tools: Collection[str], servers: Collection[str]
) -> Subagent:
    if not _NAME.fullmatch(name):
        file.refuse((name,), f"{name!r} is not a name.", fix="Use small letters, digits and hyphens, 64 at most.")
    fields = file.table((name,), value)
    file.keys((name,), fields, KEYS)
    if "description" not in fields:
        file.refuse((name,), f"{name} has no description.", fix="Say when the agent should hand over to it.")
    named = _tools(file, (name, "tools"), fields["tools"], tools, servers) if "tools" in fields else None
    return Subagent(
        name=name,
        description=file.text((name, "description"), fields["description"]),
        prompt=_prompt(folder, file, name, fields),
        tools=named,
        model=file.text((name, "model"), fields["model"]) if "model" in fields else None,
    )


def _prompt(folder: Path, file: JsonFile, name: str, fields: dict[str, Any]) -> str:
    if ("prompt" in fields) == ("prompt_file" in fields):
        file.refuse((name,), f"{name} has not exactly one of prompt and prompt_file.", fix="Give one of the two.")
    if "prompt" in fields:
        return file.text((name, "prompt"), fields["prompt"])
    at = (name, "prompt_file")
    path = folder / file.text(at, fields["prompt_file"])
    if not is_inside(path, folder):
        file.refuse(at, f"prompt_file {str(path)!r} leads out of the profile.", fix="Copy the file into it.")
    if not path.is_file():
        file.refuse(at, f"there is no prompt file {path}.", fix="Write it, or correct prompt_file.")
    return read_text(path, fix="Make it readable.")


def _tools(file: JsonFile, at: At, value: object, tools: Collection[str], servers: Collection[str]) -> tuple[str, ...]:
    """Each tool by its name: a wildcard would hand over whatever a server or a later CLI adds."""
    for place, tool in enumerate(file.texts(at, value)):
        if "*" in tool:
            file.refuse((*at, place), f"{tool!r} is a wildcard.", fix=f"Name each tool, such as {_example(tools)}.")
        if tool.startswith("mcp__"):
            _check_server(file, (*at, place), tool, servers)
        elif tool not in tools:
            close = difflib.get_close_matches(tool, tools, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            fix = f"Use one of {', '.join(sorted(tools))}, or offer it by extra_tools in settings.json."
            file.refuse((*at, place), f"{tool!r} is not a tool of this profile.{hint}", fix=fix)
    return check_tools(file, at, value)


def _example(tools: Collection[str]) -> str:
    return ", ".join(f'"{tool}"' for tool in sorted(tools)[:3])


def _check_server(file: JsonFile, at: At, tool: str, servers: Collection[str]) -> None:
    server, _, name = tool.removeprefix("mcp__").partition("__")
    if server not in servers:
        known = ", ".join(sorted(servers)) or "there is none"
        file.refuse(at, f"{tool!r} is of no MCP server in mcp.json ({known}).", fix="Add the server, or correct it.")
    if not name:
        file.refuse(at, f"{tool!r} means every tool of that server.", fix=f"Name each tool: {tool}__TOOL.")
