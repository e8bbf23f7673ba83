"""Agent profiles as the commands show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outlive.core.wording import counted
from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.wiring import Profile, find_profile, profiles_of


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile that was looked at."""

    name: str
    found: str = ""
    """What it holds, in one line."""
    error: str | None = None
    fix: str | None = None


def check_profiles(settings: Settings, place: str | None) -> list[Checked]:
    """The profile of that name or in that folder, or each there is; a broken one with its first fault."""
    return [_check(settings, each) for each in ([place] if place else profiles_of(settings).names())]


def _check(settings: Settings, place: str) -> Checked:
    try:
        profile = find_profile(settings, place)
    except Invalid as error:
        return Checked(place, error=error.message, fix=error.fix)
    on = sum(server.enabled for server in profile.servers)
    return Checked(
        place,
        f"{counted(len(profile.subagents), 'subagent')}, {on} of {counted(len(profile.servers), 'MCP server')} on, "
        f"{counted(len(profile.skills), 'skill')}, prompt version {profile.digest[:12]}",
    )


def view_of(profile: Profile) -> dict[str, Any]:
    """Everything about a profile that may be shown."""
    settings = profile.settings
    return {
        "name": profile.name,
        "folder": profile.folder,
        "prompt_version": profile.digest,
        "prompt_bytes": len(profile.system_prompt.encode()),
        "tools": profile.tools,
        "subagents": [
            {"name": s.name, "description": s.description, "tools": s.tools, "model": s.model}
            for s in profile.subagents
        ],
        "servers": [
            {"name": s.name, "kind": s.kind, "place": s.place, "enabled": s.enabled, "required": s.required}
            for s in profile.servers
        ],
        "skills": [{"name": s.name, "description": s.description, "files": len(s.files)} for s in profile.skills],
        "rules": {"allow": settings.allow, "ask": settings.ask, "deny": settings.deny},
        "model": settings.model,
        "memory": settings.memory,
        "max_turns": settings.max_turns,
        "max_usd": settings.max_usd,
    }


def fields_of(profile: Profile) -> dict[str, object]:
    """What there is once in each profile."""
    settings = profile.settings
    limits = [counted(settings.max_turns, "turn")] if settings.max_turns else []
    limits += [f"${settings.max_usd:g}"] if settings.max_usd else []
    return {
        "profile": profile.name,
        "folder": profile.folder,
        "prompt version": profile.digest,
        "prompt": f"{len(profile.system_prompt.encode()):,} bytes",
        "tools": ", ".join(profile.tools) or "none",
        "model": settings.model or "the worker's",
        "memory": "on" if settings.memory else "off",
        "limits": ", ".join(limits) or "the worker's",
    }


def rows_of(profile: Profile) -> Iterator[tuple[str, str, str]]:
    """What there may be several of: part, name, and what it is."""
    for subagent in profile.subagents:
        yield "subagent", subagent.name, subagent.description
    for server in profile.servers:
        state = "off" if not server.enabled else "on, required" if server.required else "on"
        yield "server", server.name, f"{state}, {server.kind}, {server.place}"
    for skill in profile.skills:
        yield "skill", skill.name, skill.description
    rules = profile.settings
    for name, rule in [("allow", rules.allow), ("ask", rules.ask), ("deny", rules.deny)]:
        for each in rule:
            yield "rule", name, each
