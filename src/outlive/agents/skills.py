"""`skills/*/SKILL.md`: what a profile's agent can look up how to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from outlive.agents.profile_files import SkillFile, is_inside, read_files, read_text
from outlive.errors import Invalid

SKILLS_FOLDER = "skills"
SKILL_FILE = "SKILL.md"
MAX_SKILLS = 100
MAX_DESCRIPTION = 1024
FENCE = "---"
FENCE_FIX = "Begin it with a line ---, then `name:` and `description:`, then a line ---."
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_FIELD = re.compile(r"([A-Za-z][\w-]*):(?:[ \t]+(.*))?")
_BLOCK = re.compile(r"([|>])[+-]?")


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill: its instructions, and the files beside them."""

    name: str
    description: str
    """When to use it: all that the agent sees until it does."""
    files: tuple[SkillFile, ...]


def read_skills(folder: Path) -> tuple[Skill, ...]:
    """The skills of a profile's folder, sorted by name; `Invalid` or `TooLarge` name the file, the line and the fix."""
    skills = folder / SKILLS_FOLDER
    if not skills.exists():
        return ()
    if not skills.is_dir() or not is_inside(skills, folder):
        raise Invalid(f"{skills} is not a folder of this profile.", fix="Make it one, with a folder for each skill.")
    entries = [path for path in sorted(skills.iterdir()) if not path.name.startswith(".")]
    if len(entries) > MAX_SKILLS:
        raise Invalid(f"{skills} has {len(entries)} entries.", fix=f"Keep {MAX_SKILLS} skills at most.")
    return tuple(_skill(path) for path in entries)


def _skill(folder: Path) -> Skill:
    if folder.is_symlink() or not folder.is_dir():
        raise Invalid(f"{folder} is not a skill's folder.", fix=f"Put {SKILL_FILE} into a folder of its own.")
    path = folder / SKILL_FILE
    fields = _front_matter(path, read_text(path, fix=f"Every folder in {SKILLS_FOLDER} has this file."))
    for key in ("name", "description"):
        if not fields.get(key, (1, ""))[1]:
            _refuse(path, fields.get(key, (1, ""))[0], f"the front matter has no {key}.", f"Add `{key}: ...`.")
    (name_line, name), (line, description) = fields["name"], fields["description"]
    if not _NAME.fullmatch(name) or name != folder.name:
        fix = f"Name both alike: `name: {folder.name}`, in small letters, digits and hyphens."
        _refuse(path, name_line, f"the skill's name {name!r} is not the one of its folder, {folder.name!r}.", fix)
    if len(description) > MAX_DESCRIPTION:
        _refuse(path, line, f"the description is too long ({len(description)}).", f"Keep it to {MAX_DESCRIPTION}.")
    return Skill(name, description, read_files(folder))


def _refuse(path: Path, line: int, message: str, fix: str) -> NoReturn:
    raise Invalid(f"{path}, line {line}: {message}", fix=fix)


def _front_matter(path: Path, text: str) -> dict[str, tuple[int, str]]:
    """The fields between the two fences, each with its line: plain, quoted and block texts, as YAML has them."""
    lines = text.splitlines()
    if lines[0].rstrip() != FENCE:
        _refuse(path, 1, "the skill has no front matter.", FENCE_FIX)
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if end is None:
        _refuse(path, 1, "the front matter has no end.", FENCE_FIX)
    found: dict[str, tuple[int, str]] = {}
    for number, key, value in _fields(path, lines[1:end]):
        if key in found:
            _refuse(path, number, f"{key!r} is given twice.", "Keep one of the two.")
        found[key] = (number, value)
    return found


def _fields(path: Path, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Line, key and text of each field at the margin; what is indented below one belongs to it."""
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        number += 1
        if not line.strip() or line.startswith("#"):
            continue
        field = _FIELD.fullmatch(line.rstrip())
        if field is None:
            _refuse(path, start + 2, f"{line.strip()!r} is not a field.", "Write `name: value`.")
        below: list[str] = []
        while number < len(lines) and (not lines[number].strip() or lines[number][0] in " \t-"):
            below.append(lines[number].strip())
            number += 1
        yield start + 2, field[1], _text(field[2] or "", below)


def _text(first: str, below: list[str]) -> str:
    """The text of a field from the rest of its line and the lines below."""
    first = first.strip()
    if block := _BLOCK.fullmatch(first):
        return ("\n" if block[1] == "|" else " ").join(below).strip()
    joined = " ".join([first, *below]).strip()
    if len(joined) > 1 and joined[0] == joined[-1] and joined[0] in "'\"":
        return joined[1:-1].strip()
    return joined.partition(" #")[0].strip()
