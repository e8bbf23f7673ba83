"""A session of a local Claude Code, taken from its config directory as a new session."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from outlive.core.keys import SessionId, SessionKey
from outlive.core.manifests import DIR, LINK
from outlive.core.sessions import TITLE_LENGTH, Head, Summary
from outlive.core.transcripts import entries_of
from outlive.errors import Invalid, NotFound, TooLarge
from outlive.flows.engine import Engine
from outlive.flows.sessions.create_session import create_from_files, free_mapping
from outlive.flows.sessions.import_session import Imported
from outlive.flows.sessions.write_tree import NewFile
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.check_tree import MAX_BYTES, check_tree, find_holes, kind_of, refuse_holes

PROJECT = "config/projects/session"
"""Where the agent looks for transcripts in a session's tree, whatever the working directory."""
LOCKS = (".lock",)
"""Held by a running process; worth nothing without it."""

_AGENT_SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ClaudeSession:
    """Where a local session lies."""

    config: Path
    """The config directory (`~/.claude`)."""
    session_id: str
    """Claude Code's own: a UUID."""
    project: str | None = None
    """The folder below `projects/`; needed only when several have this session."""
    work: Path | None = None
    """A working directory to take along; None to start with an empty one."""
    ignored: Sequence[str] = ()
    """Patterns of names in the working directory that are left behind, like those a workspace does not keep."""


async def import_claude_session(
    engine: Engine,
    stores: TenantStores,
    source: ClaudeSession,
    key: SessionKey,
    *,
    profile: str = "default",
    allow_holes: bool = False,
) -> Imported:
    """Take over transcript, subagents, tool results, task list and file checkpoints; the source is only read.

    The project's memory stays: it belongs to the project, not to one session. `NotFound` without such a session,
    `Invalid` for a link that leads out, `Corrupt` naming entries that a transcript lacks, unless they are allowed to be
    missing; nothing is written then.
    """
    await free_mapping(engine, stores, key)
    files = await asyncio.to_thread(read_claude_session, source)
    check_tree(files)
    if not allow_holes:
        refuse_holes(files)
    head = _head(engine, source, files, key, profile)
    made = await create_from_files(engine, stores, [key], head, files, source=source.session_id)
    sizes = [len(file.content) for file in files.values()]
    return Imported(made.session_id, (str(key),), source.session_id, len(sizes), sum(sizes), find_holes(files))


def _head(engine: Engine, source: ClaudeSession, files: Mapping[str, NewFile], key: SessionKey, profile: str) -> Head:
    now, region = engine.clock.now(), engine.policy.region
    return Head(
        session_id=SessionId(engine.new_id()),
        key=str(key),
        created_at=now,
        updated_at=now,
        agent_session_id=source.session_id,
        profile=profile,
        summary=Summary(title=_title(files[f"{PROJECT}/{source.session_id}.jsonl"].content)),
        region=region,
        last_active_region=region,
    )


def _title(transcript: bytes) -> str:
    """The start of the first thing the user said."""
    said = (_said(entry) for entry in entries_of(transcript) if entry.get("type") == "user")
    return next((text for text in said if text), "")


def _said(entry: Mapping[str, Any]) -> str:
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        content = next((block.get("text") for block in content if isinstance(block, dict) and "text" in block), None)
    return " ".join(content.split())[:TITLE_LENGTH] if isinstance(content, str) else ""


# ----------------------------------------------------------------------------------------------- reading


def read_claude_session(source: ClaudeSession) -> dict[str, NewFile]:
    """The files of the session, laid out as a session's tree; blocking."""
    session_id = source.session_id
    if not _AGENT_SESSION_ID.fullmatch(session_id):
        raise Invalid(f"session id {session_id!r} is not valid.", fix="Give the UUID that names the transcript.")
    project = _project(source)
    found = _Found()
    found.take(project / f"{session_id}.jsonl", f"{PROJECT}/{session_id}.jsonl")
    found.take_folder(project / session_id, f"{PROJECT}/{session_id}", LOCKS)
    for name in ("tasks", "file-history"):
        found.take_folder(source.config / name / session_id, f"config/{name}/{session_id}", LOCKS)
    if source.work is not None:
        found.take_folder(source.work.resolve(), "work", source.ignored)
    return found.files


def _project(source: ClaudeSession) -> Path:
    """The folder that holds the transcript."""
    name = f"{source.session_id}.jsonl"
    projects = source.config / "projects"
    found = sorted(path.parent for path in projects.glob(f"*/{name}"))
    if source.project is not None:
        found = [folder for folder in found if folder.name == source.project]
    if not found:
        raise NotFound(f"no transcript {name} below {projects}.", fix="Check the session id and the config directory.")
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        raise Invalid(f"session {source.session_id} is in several projects: {names}.", fix="Name the project.")
    return found[0]


class _Found:
    """What has been read so far, never more than a tree may hold."""

    def __init__(self) -> None:
        self.files: dict[str, NewFile] = {}
        self._size = 0

    def take_folder(self, folder: Path, path: str, ignored: Sequence[str]) -> None:
        """Everything below a folder; links as links, empty folders as such; nothing when there is no folder."""
        if folder.is_symlink():
            raise Invalid(f"{folder} is a link.", fix="Put the folder itself there.")
        if not folder.is_dir():
            return
        entries = [each for each in sorted(folder.iterdir()) if not any(fnmatch(each.name, name) for name in ignored)]
        for entry in entries:
            is_folder = entry.is_dir() and not entry.is_symlink()
            take = partial(self.take_folder, ignored=ignored) if is_folder else self.take
            take(entry, f"{path}/{entry.name}")
        if not entries and path.startswith("work/"):
            self.files[path] = NewFile(DIR, folder.stat().st_mode & 0o777)

    def take(self, place: Path, path: str) -> None:
        """A file or a link; `Invalid` for anything else."""
        try:
            found = place.lstat()
            self._count(found.st_size, place)
            self.files[path] = _file(place, path, found)
        except OSError as error:
            raise Invalid(f"{place} cannot be read ({error.strerror}).", fix="Make it readable.") from error

    def _count(self, size: int, place: Path) -> None:
        self._size += size
        if self._size > MAX_BYTES:
            raise TooLarge(f"with {place} the session has more than {MAX_BYTES:,} bytes.", fix="Leave some of it out.")


def _file(place: Path, path: str, found: os.stat_result) -> NewFile:
    if stat.S_ISLNK(found.st_mode):
        return NewFile(LINK, 0o777, target=os.readlink(place))
    if stat.S_ISREG(found.st_mode):
        return NewFile(kind_of(path), found.st_mode & 0o777, place.read_bytes())
    raise Invalid(f"{place} is a device, socket or pipe.", fix="Remove it.")
