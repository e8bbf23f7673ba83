"""Which tool calls need a person: rules in the CLI's own syntax, matched so that in doubt it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Any

from outlive.errors import Invalid

EDITORS = frozenset({"Edit", "Write", "NotebookEdit"})
"""What an `Edit` rule covers, as in the CLI's own rules."""
_FILES = EDITORS | {"Read"}
MANY_OPTIONS = 64
"""A command with more of them in a row is asked about without a look at what follows."""
_RULE = re.compile(r"(?P<tool>[A-Za-z*][\w*.-]*)(?:\((?P<pattern>.+)\))?\Z", re.DOTALL)
_SERVER = "mcp__"
_ENDS = re.compile(r"[;&|\n(){}<>`$]+")
"""Where a part of a command may begin or end; more than the shell's own, which only means one question too many."""
_QUOTES = re.compile(r"\\\n|[\\'\"]")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a tool (`*` in its name for any letters), and what of its argument is meant (None for every call)."""

    text: str
    tool: str
    pattern: str | None


def parse_rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    """The rules, each once; `Invalid` quotes one that cannot be read."""
    return tuple(_parse(text) for text in dict.fromkeys(texts))


def _parse(text: str) -> Rule:
    found = _RULE.match(text.strip())
    if not found:
        raise Invalid(f"approval rule {text!r} is not valid.", fix="Write `Tool` or `Tool(pattern)`.")
    tool, pattern = found["tool"], found["pattern"]
    stem = tool.partition("*")[0]
    if stem[:1].islower() and not (stem.startswith(_SERVER) or _SERVER.startswith(stem)):
        fix = f"Write it as the CLI does, {tool[0].upper()}{tool[1:]}; a tool of an MCP server is mcp__SERVER__TOOL."
        raise Invalid(f"approval rule {text!r}: no tool's name begins with a small letter.", fix=fix)
    if pattern is not None and tool != "Bash" and tool not in _FILES:
        fix = f"Write {tool!r} alone; Bash, Read, Edit, Write and NotebookEdit take one."
        raise Invalid(f"approval rule {text!r}: {tool} takes no pattern.", fix=fix)
    if pattern is not None and not pattern.strip():
        raise Invalid(f"approval rule {text!r} has an empty pattern.", fix=f"Write {tool!r} alone.")
    return Rule(text.strip(), tool, pattern)


def asking_rule(rules: Sequence[Rule], name: str, arguments: Mapping[str, Any], *, cwd: str) -> Rule | None:
    """The first rule that covers the call; None when nobody has to be asked."""
    return next((rule for rule in rules if covers(rule, name, arguments, cwd=cwd)), None)


def covers(rule: Rule, name: str, arguments: Mapping[str, Any], *, cwd: str) -> bool:
    """Whether the rule means this call."""
    if not _is_tool(rule.tool, name):
        return False
    if rule.pattern is None:
        return True
    if name == "Bash":
        return _in_command(rule.pattern, str(arguments.get("command", "")))
    path = arguments.get("file_path") or arguments.get("notebook_path")
    return not isinstance(path, str) or _is_path(rule.pattern, path, cwd)


def _is_tool(meant: str, name: str) -> bool:
    """`mcp__server` means every tool of that server."""
    if meant == "Edit" and name in EDITORS:
        return True
    return fnmatchcase(name, meant) or (meant.startswith("mcp__") and name.startswith(f"{meant}__"))


# ------------------------------------------------------------------------------------------------- Bash


def _in_command(pattern: str, command: str) -> bool:
    """Whether the pattern's words begin anywhere in any part of the command.

    Anywhere, because `sudo`, `env A=1` and `xargs` may stand in front. Quotes are taken out first, so that what another
    shell is handed (`bash -c "git push"`) is seen, too.
    """
    wanted = [word for word in re.sub(r":\*\Z", "*", pattern).split() if word != "*"]
    parts = (part.split() for part in _ENDS.split(_QUOTES.sub("", command)))
    return any(_begins(wanted, words, start) for words in parts for start in range(len(words)))


def _begins(wanted: Sequence[str], words: Sequence[str], start: int) -> bool:
    """Whether the wanted words stand at `start`; options, each with its value or without, may stand in between."""
    if not wanted:
        return True
    name = words[start].rpartition("/")[2]
    if not (fnmatchcase(words[start], wanted[0]) or fnmatchcase(name, wanted[0])):
        return False
    places = {start + 1}
    for word in wanted[1:]:
        reached = _past_options(places, words)
        if len(reached) > MANY_OPTIONS:
            return True
        places = {place + 1 for place in reached if place < len(words) and fnmatchcase(words[place], word)}
    return bool(places)


def _past_options(places: set[int], words: Sequence[str]) -> set[int]:
    """Where the next word may stand, from each of these places."""
    reached, rest = set(places), list(places)
    while rest and len(reached) <= MANY_OPTIONS:
        place = rest.pop()
        if place < len(words) and words[place].startswith("-"):
            new = {place + 1, place + 2} - reached
            reached |= new
            rest += new
    return reached


# ------------------------------------------------------------------------------------------------ files


def _is_path(pattern: str, path: str, cwd: str) -> bool:
    """`./a` and `a` are below the working directory, `//a` is absolute; `*` and `**` stand for anything."""
    below = f"{cwd}/{pattern.removeprefix('./').removeprefix('/')}"
    meant = pattern[1:] if pattern.startswith("//") else below
    target = normpath(path if path.startswith("/") else f"{cwd}/{path}")
    folder = meant.removesuffix("/**").removesuffix("/*")
    return fnmatchcase(target, normpath(meant)) or (folder != meant and fnmatchcase(target, f"{folder}/*"))
