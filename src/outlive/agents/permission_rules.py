"""Permission rules and tool names as a profile writes them, and what the CLI understands."""

from __future__ import annotations

import re

from outlive.agents.json_lines import At, JsonFile

_RULE = re.compile(r"(?P<tool>[A-Za-z][A-Za-z0-9_.-]*)(?P<content>\(.+\))?", re.DOTALL)
_TOOL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
RULE_FIX = 'Write a tool, "Read", or a tool with a pattern, "Bash(git log *)"; an MCP server is "mcp__server".'


def check_rules(file: JsonFile, at: At, value: object) -> tuple[str, ...]:
    """The permission rules in a list; refused are a rule without a tool's name and one whose brackets do not close."""
    rules = file.texts(at, value)
    for place, rule in enumerate(rules):
        if not _RULE.fullmatch(rule):
            file.refuse((*at, place), f"{rule!r} is not a permission rule.", fix=RULE_FIX)
    return rules


def check_tools(file: JsonFile, at: At, value: object) -> tuple[str, ...]:
    """The tools in a list, each by its name."""
    tools = file.texts(at, value)
    for place, tool in enumerate(tools):
        if not _TOOL.fullmatch(tool):
            file.refuse((*at, place), f"{tool!r} is not the name of a tool.", fix='Write only the name: "Read".')
    return tools
