"""Which files of a session's tree are kept, and what each of them looks like."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from outlive.errors import Invalid, TooLarge
from outlive.protocols import FileStat

RACY_SECONDS = 2.0
"""A file that changed so recently may change again without its times moving: the coarsest clock of a file system is 2 s
(FAT; ext4 and APFS are far finer). Its stamp is left empty until it has rested; git calls this racily clean."""
RESTORED_AGE = 20 * 365 * 86400
"""How old a file put into `work/` is made, in seconds. The CLI tells the model when a file is younger than its last
look at it, so a restored file must be older than any; and whoever writes to it then always moves its time. It is not
one time for all: caches that go by a file's time (Python's, make's) must see that a newer version was put there."""
MAX_DEPTH = 64
TURN_FILE = "turn.json"
"""Below the root while a turn runs: what was asked, and where in the transcript its entries start."""

IGNORED = ("__pycache__", "*.pyc", "node_modules", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store")
"""Names not kept in `work/`: what a tool makes again from what is kept."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder below the root, and whether it is kept."""

    path: str
    kept: bool
    reason: str


PLACES = (
    Place("work", kept=True, reason="the user's files, `.git` included"),
    Place("config/projects", kept=True, reason="transcripts, subagents and their sidecars, large tool outputs"),
    Place("config/tasks", kept=True, reason="the task list; not its `.lock`, which belongs to a process"),
    Place("config/file-history", kept=True, reason="what a rewind of files needs"),
    Place("config/todos", kept=True, reason="the older task list"),
    Place("state.json", kept=True, reason="the state object"),
    Place("state.jsonl", kept=True, reason="its changes, one line each"),
    Place("outgoing.jsonl", kept=True, reason="which files went out with which reply"),
    Place("state", kept=True, reason="its large values, by their digests"),
    Place("ledger.jsonl", kept=True, reason="one line per turn, written by the engine"),
    Place(TURN_FILE, kept=True, reason="what the running turn was asked; gone when it ends"),
    Place("home", kept=False, reason="made anew and empty for each turn, so that every host gives the same shell"),
    Place("tmp", kept=False, reason="made anew and empty for each turn"),
    Place("config/.claude.json", kept=False, reason="state and caches of one installation, written anew"),
    Place("config/backups", kept=False, reason="copies of the file above"),
    Place("config/plugins", kept=False, reason="a cache of built-in plugins"),
    Place("config/cache", kept=False, reason="a cache"),
    Place("config/shell-snapshots", kept=False, reason="one process's shell"),
    Place("config/session-env", kept=False, reason="one process's environment"),
    Place("config/sessions", kept=False, reason="which processes run now"),
    Place("config/statsig", kept=False, reason="feature flags of one installation"),
    Place("config/debug", kept=False, reason="a log: an artefact, never input"),
)
"""Every decision in one table; what is not in it is not kept."""

TRANSCRIPTS = "config/projects"
_KEPT = tuple(place.path for place in PLACES if place.kept)
_INSIDE_KEPT = tuple(f"{path}/" for path in _KEPT)


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """How large a session's tree may get."""

    max_entries: int = 20_000
    max_bytes: int = 1 << 30


def check_path(path: str) -> str:
    """The path itself; `Invalid` unless it is one of a kept entry, written without detours."""
    parts = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise Invalid(f"path {path!r} is not inside the session's tree.", fix="Use a/b/c below the session's root.")
    if path not in _KEPT and not path.startswith(_INSIDE_KEPT):
        raise Invalid(f"path {path!r} is not a kept part of the session's tree.", fix=f"Use {', '.join(_KEPT)}.")
    return path


def kind_of(path: str) -> str:
    """`append` for what only ever grows, otherwise `file`."""
    is_transcript = path.startswith("config/projects/") and path.endswith(".jsonl")
    return "append" if is_transcript or path in {"ledger.jsonl", "state.jsonl", "outgoing.jsonl"} else "file"


# ---------------------------------------------------------------------------------------------- scanning


def scan_tree(
    root: Path, *, limits: TreeLimits, ignored: Sequence[str], now: float, owner: int | None = None
) -> list[FileStat]:
    """Every kept entry in path order; `TooLarge` or `Invalid` names the path that cannot be kept, and the fix.

    With `owner`, what the agent's folders hold must be that user's. Transcripts are as long as they were before
    anything else was looked at: what an agent at work did before it wrote a line is then never missing beside it.
    """
    found: list[FileStat] = []
    total = 0
    walk = _Walk(root, ignored, now, owner)
    early: dict[str, FileStat] = {}
    for count, entry in enumerate(_place(walk, TRANSCRIPTS), start=1):
        _check_limits(entry, count, 0, limits)
        if entry.kind == "append":
            early[entry.path] = entry
    for place in _KEPT:
        for each in _place(walk, place):
            is_transcript = place == TRANSCRIPTS and each.kind == "append"
            seen = early.get(each.path) if is_transcript else each
            if seen is None:
                continue  # begun since: what it tells of may not have been seen
            found.append(seen)
            total += seen.size
            _check_limits(seen, len(found), total, limits)
    return sorted(found, key=lambda entry: entry.path)


def _check_limits(entry: FileStat, count: int, total: int, limits: TreeLimits) -> None:
    if count > limits.max_entries:
        raise TooLarge(
            f"the session's tree has more than {limits.max_entries:,} entries; {entry.path!r} is one too many.",
            fix="Remove files, or ignore their folder, or raise the limit max_entries.",
        )
    if total > limits.max_bytes:
        raise TooLarge(
            f"the session's tree has more than {limits.max_bytes:,} bytes; {entry.path!r} ({entry.size:,} bytes) "
            "goes over the limit.",
            fix="Remove large files, or ignore them, or raise the limit max_bytes.",
        )


def _place(walk: _Walk, place: str) -> Iterator[FileStat]:
    path = os.path.join(walk.root, place)  # a dozen in each scan, and most are not there
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(info.st_mode):
        yield _file(place, info, walk.now)
        return
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield from (walk if place == "work" else replace(walk, ignored=(".lock",))).folder(folder, place)
    finally:
        os.close(folder)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One look through a folder; by descriptors, so that a folder swapped for a link is not followed."""

    root: Path
    ignored: Sequence[str]
    now: float
    owner: int | None

    def folder(self, folder: int, path: str) -> Iterator[FileStat]:
        if path.count("/") > MAX_DEPTH:
            raise TooLarge(f"{path!r} lies deeper than {MAX_DEPTH} folders.", fix="Flatten or remove it.")
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if not any(fnmatch(name, pattern) for pattern in self.ignored):
                yield from self._entry(folder, name, f"{path}/{name}")

    def _entry(self, folder: int, name: str, path: str) -> Iterator[FileStat]:
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                yield from self._inside(folder, name, path, info)
            elif stat.S_ISLNK(info.st_mode):
                target = os.readlink(name, dir_fd=folder)
                check_link(self.root, path, target)
                yield FileStat(path, "link", 0, 0o777, stamp_of(info, self.now), target)
            else:
                yield _file(path, info, self.now, self.owner)
        except FileNotFoundError:
            return  # it went away while we looked: the agent may be at work
        except PermissionError as error:
            raise Invalid(f"{path!r} cannot be read.", fix="Make it readable, or remove it.") from error

    def _inside(self, folder: int, name: str, path: str, info: os.stat_result) -> Iterator[FileStat]:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            is_empty = True
            for entry in self.folder(inner, path):
                is_empty = False
                yield entry
            if is_empty and path.startswith("work/"):
                yield FileStat(path, "dir", 0, stat.S_IMODE(info.st_mode) & 0o777, stamp_of(info, self.now))
        finally:
            os.close(inner)


def _file(path: str, info: os.stat_result, now: float, owner: int | None = None) -> FileStat:
    mode = stat.S_IMODE(info.st_mode)
    if not stat.S_ISREG(info.st_mode):
        kind = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link where none may be"}
        what = kind.get(stat.S_IFMT(info.st_mode), "a device")
        raise Invalid(f"{path!r} is {what}, which cannot be kept.", fix="Remove it, or ignore its name.")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise Invalid(f"{path!r} runs as another user (setuid).", fix=f"Run `chmod ug-s {path}`, or remove it.")
    if owner is not None and info.st_uid != owner:
        raise Invalid(f"{path!r} belongs to user {info.st_uid}.", fix="Remove it, or copy what it names.")
    return FileStat(path, kind_of(path), info.st_size, mode & 0o777, stamp_of(info, now))


def stamp_of(info: os.stat_result, now: float) -> str:
    """Changes with the content; empty while a later change could go unseen (see `RACY_SECONDS`)."""
    is_restored = abs(info.st_ctime - info.st_mtime - RESTORED_AGE) < RACY_SECONDS
    changed = info.st_mtime if is_restored else max(info.st_mtime, info.st_ctime)
    if now - changed < RACY_SECONDS:
        return ""
    return f"{info.st_ino}:{info.st_size}:{info.st_mtime_ns}:{info.st_ctime_ns}"


def check_link(root: Path, path: str, target: str) -> None:
    """`Invalid` for a link that leaves the tree: by an absolute path, by `..`, or through another link."""
    lexical = os.path.normpath(PurePosixPath(path).parent / target)
    if target.startswith("/") or lexical == ".." or lexical.startswith("../"):
        raise Invalid(f"link {path!r} -> {target!r} leaves the tree.", fix="Make it relative and inside, or remove it.")
    real_root = os.path.realpath(root)
    if not os.path.realpath(root / path.rpartition("/")[0] / target).startswith(real_root + os.sep):
        raise Invalid(f"link {path!r} -> {target!r} leads out of the tree.", fix="Remove it, or copy what it names.")
