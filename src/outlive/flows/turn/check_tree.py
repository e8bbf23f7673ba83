"""Whether a tree from outside may become a session's: its paths, its links, its transcripts."""

from __future__ import annotations

from collections.abc import Mapping

from outlive.core.manifests import APPEND, DIR, FILE, LINK
from outlive.core.transcripts import TRANSCRIPTS, unknown_parents
from outlive.errors import Corrupt, Invalid, TooLarge
from outlive.flows.sessions.write_tree import NewFile

FOLDERS = ("work", "config/projects", "config/tasks", "config/file-history", "config/todos", "state")
"""The parts of a tree that a workspace keeps, but for the ledger, which does not come with the files."""
FILES = ("state.json", "state.jsonl", "outgoing.jsonl")
"""The files beside them."""
MAX_ENTRIES = 20_000
MAX_BYTES = 1 << 30
"""What a workspace takes by default: a session over its limits could not run a turn."""
MAX_DEPTH = 64
MAX_NAME_BYTES = 255
MAX_LINKS = 40
"""Links followed for one path, as many as Linux follows."""


def kind_of(path: str) -> str:
    """`append` for a transcript and lists beside the ledger, which only ever grow; `file` for every other file."""
    is_transcript = path.startswith(TRANSCRIPTS) and path.endswith(".jsonl")
    return APPEND if is_transcript or path in {"state.jsonl", "outgoing.jsonl"} else FILE


def check_tree(files: Mapping[str, NewFile]) -> None:
    """`Invalid` names the first path that would lie, or lead, outside a session's tree, `TooLarge` the limit."""
    _check_limits(files)
    for path, file in files.items():
        _check_path(path, file)
        _check_way(path, files)
    links = {path: file.target for path, file in files.items() if file.kind == LINK}
    for path, target in links.items():
        if not _stays_inside(path, links):
            raise Invalid(f"the link {path!r} leads out of the tree, to {target!r}.", fix="Remove it, or link inside.")


def _check_limits(files: Mapping[str, NewFile]) -> None:
    size = sum(len(file.content) for file in files.values())
    if len(files) > MAX_ENTRIES or size > MAX_BYTES:
        raise TooLarge(
            f"the tree has {len(files):,} entries and {size:,} bytes.",
            fix=f"Keep it within {MAX_ENTRIES:,} entries and {MAX_BYTES:,} bytes.",
        )


def _check_path(path: str, file: NewFile) -> None:
    parts = path.split("/")
    is_kept = path in FILES or any(path.startswith(f"{folder}/") for folder in FOLDERS)
    is_odd = "\0" in path or len(parts) > MAX_DEPTH or any(map(_is_odd, parts))
    if not is_kept or is_odd or file.mode & ~0o777:
        raise Invalid(f"the path {path[:200]!r} may not be in a session.", fix=f"Use paths below {', '.join(FOLDERS)}.")
    if file.kind == DIR and not path.startswith("work/"):
        raise Invalid(f"the folder {path[:200]!r} is empty.", fix="Leave out empty folders outside work/.")


def _is_odd(name: str) -> bool:
    return name in ("", ".", "..") or len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES


def _check_way(path: str, files: Mapping[str, NewFile]) -> None:
    """No part of the way to it may be a file or a link."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        above = files.get("/".join(parts[:end]))
        if above is not None and above.kind != DIR:
            raise Invalid(f"the path {path!r} goes through another file or a link.", fix="Leave one of them out.")


def _stays_inside(path: str, links: Mapping[str, str]) -> bool:
    """Whether following the link, and every link on its way, never leaves the root."""
    place, ahead, followed = path.split("/")[:-1], [path.rsplit("/", 1)[-1]], 0
    while ahead:
        name = ahead.pop(0)
        target = links.get("/".join([*place, name]))
        if target is not None:
            followed += 1
            if followed > MAX_LINKS or target.startswith("/") or "\0" in target:
                return False
            ahead = target.split("/") + ahead
        elif name == "..":
            if not place:
                return False
            place.pop()
        elif name not in ("", "."):
            place.append(name)
    return True


def find_holes(files: Mapping[str, NewFile]) -> dict[str, list[str]]:
    """Path -> the entries that a transcript builds on and does not have; `Corrupt` names one that cannot be read."""
    holes: dict[str, list[str]] = {}
    for path, file in sorted(files.items()):
        if file.kind != APPEND or not path.startswith(TRANSCRIPTS):
            continue
        if file.content and not file.content.endswith(b"\n"):
            raise Corrupt(
                f"{path} ends in the middle of a line.", fix="Close the program that writes it, or cut the line."
            )
        try:
            missing = unknown_parents(file.content)
        except Corrupt as error:
            raise Corrupt(f"{path}: {error.message}", fix="Restore the transcript from a backup.") from error
        if missing:
            holes[path] = missing
    return holes


def refuse_holes(files: Mapping[str, NewFile]) -> None:
    """`Corrupt` names every hole in the transcripts."""
    holes = find_holes(files)
    if holes:
        named = "; ".join(f"{path} lacks {', '.join(missing)}" for path, missing in holes.items())
        raise Corrupt(f"entries are missing that others build on: {named}.", fix="Restore them, or allow holes.")
