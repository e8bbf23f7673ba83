"""The files of a profile's folder: read whole, in bounds, as UTF-8, and never from outside the folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outlive.agents.json_lines import JsonFile, parse_json
from outlive.errors import Invalid, TooLarge

MAX_TEXT_BYTES = 200_000
"""Of one prompt, one skill's description file, or one JSON file."""
MAX_SKILL_BYTES = 5_000_000
MAX_SKILL_FILES = 200


@dataclass(frozen=True, slots=True)
class SkillFile:
    """A file that comes along with a skill."""

    path: str
    """Below the skill's folder, `/`-joined."""
    content: bytes
    executable: bool


def read_text(path: Path, *, fix: str) -> str:
    """A text file of a profile; `Invalid` or `TooLarge` name it, and the line where it is not UTF-8.

    `fix` is what to do when there is no such file.
    """
    raw = _read(path, fix=fix)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Invalid(f"{path}, line {line}, is not UTF-8.", fix="Save the file as UTF-8.") from error
    if not text.strip():
        raise Invalid(f"{path} is empty.", fix="Write something into it, or remove what names it.")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise Invalid(f"{path}, line {line}, holds a NUL character.", fix="Remove it.")
    return text


def _read(path: Path, *, fix: str) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TEXT_BYTES + 1)
            size = path.stat().st_size
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", fix=fix) from error
    if len(raw) > MAX_TEXT_BYTES:
        raise TooLarge(f"{path} has {size:,} bytes.", fix=f"Keep it under {MAX_TEXT_BYTES:,}.")
    return raw


def read_json(folder: Path, name: str) -> JsonFile | None:
    """The object in a profile's JSON file; None when the profile has no such file."""
    path = folder / name
    if not path.exists() and not path.is_symlink():
        return None
    return parse_json(path, read_text(path, fix="Make it readable, or remove it."))


def is_inside(path: Path, folder: Path) -> bool:
    """Whether the path, with every link followed, is below the folder."""
    return path.resolve().is_relative_to(folder.resolve())


def read_files(folder: Path) -> tuple[SkillFile, ...]:
    """The files below a skill's folder, sorted by path; `Invalid` or `TooLarge` name the one that cannot come along."""
    found: list[SkillFile] = []
    size = 0
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise Invalid(f"{path} is not a plain file.", fix="Copy the file itself into the skill.")
        size += path.stat().st_size
        if len(found) >= MAX_SKILL_FILES or size > MAX_SKILL_BYTES:
            raise TooLarge(
                f"the skill {folder} is too large at {path}.",
                fix=f"Keep it to {MAX_SKILL_FILES} files and {MAX_SKILL_BYTES:,} bytes.",
            )
        found.append(_file(path, folder))
    return tuple(found)


def _file(path: Path, folder: Path) -> SkillFile:
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", fix="Make it readable.") from error
    return SkillFile(path.relative_to(folder).as_posix(), content, bool(mode & 0o100))
