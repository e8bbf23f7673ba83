"""Profile folders for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SKILL = "---\nname: {name}\ndescription: {description}\n---\n\n{text}\n"


def make_profile(folder: Path, **files: object) -> Path:
    """A profile's folder: `agents`, `mcp` and `settings` are its JSON files (a dict, or the text itself)."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "system_prompt.md", files.pop("prompt", "You are a test."))
    for name, content in files.items():
        write(folder / f"{name}.json", content)
    return folder


def write(path: Path, content: object) -> None:
    """A file with this content; JSON unless it is a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))


def make_skill(folder: Path, name: str, text: str, description: str = "Use it in tests.") -> Path:
    """A skill in a profile's folder."""
    path = folder / "skills" / name / "SKILL.md"
    write(path, SKILL.format(name=name, description=description, text=text))
    return path


def subagent(**more: Any) -> Mapping[str, Any]:
    """A subagent called `helper`."""
    return {"helper": {"description": "Helps.", "prompt": "You help."} | more}


def server(**fields: Any) -> Mapping[str, Any]:
    """An MCP server called `calc`."""
    return {"mcpServers": {"calc": fields}}
