"""Sessions out of an archive that an export wrote, checked before anything is made of them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from outlive.core.ledger import lines_of
from outlive.core.manifests import DIR, FILE, LINK
from outlive.core.message_log import LoggedMessage
from outlive.core.sessions import Head, decode_head
from outlive.core.trees import content_digest
from outlive.errors import Corrupt, Invalid, NotFound, OutliveError, SchemaTooNew, TooLarge
from outlive.flows.knowledge.carry_messages import parse_archived
from outlive.flows.sessions.export_session import SCHEMA, TITLE
from outlive.flows.sessions.write_tree import NewFile
from outlive.flows.turn.check_tree import MAX_BYTES, check_tree, kind_of, refuse_holes

ZSTD = b"\x28\xb5\x2f\xfd"
MODES = 0o777
NEEDED = ("session.json", "manifest.json", "ledger.jsonl")
MESSAGES = "messages.jsonl"


@dataclass(frozen=True, slots=True)
class ArchivedSession:
    """One session of an archive, whole and valid."""

    name: str
    """Its folder: the id it had."""
    head: Head
    version: int
    agent_session_id: str | None
    keys: tuple[str, ...]
    ledger: bytes
    files: Mapping[str, NewFile]
    messages: tuple[LoggedMessage, ...] = ()


@dataclass(slots=True)
class _Folder:
    """What has been read of one session so far."""

    name: str
    documents: dict[str, bytes] = field(default_factory=dict)
    tree: dict[str, NewFile] = field(default_factory=dict)
    size: int = 0


def read_archive(path: Path) -> Generator[ArchivedSession, None, None]:
    """Every session in turn, one in memory at a time; blocking.

    `Invalid` names what may not be imported (a path or a link out of the tree, a device, a strange member), `Corrupt`
    what is damaged or missing, `TooLarge` a session above a workspace's limits.
    """
    with _readable(path) as tar:
        promised, seen = _sessions_named(tar), set[str]()
        folder: _Folder | None = None
        while (member := tar.next()) is not None:
            name, _, rest = member.name.partition("/")
            if folder is None or name != folder.name:
                if folder is not None:
                    yield _session(folder)
                if name in seen:
                    raise Invalid(f"session {name} is in two places.", fix="Use the archive as exported.")
                seen.add(name)
                folder = _Folder(name)
            _take(tar, member, rest, folder)
        if folder is not None:
            yield _session(folder)
        if missing := promised - seen:
            raise Corrupt(f"session {min(missing)} is missing.", fix="Export or copy the archive again.")


@contextmanager
def _readable(path: Path) -> Iterator[tarfile.TarFile]:
    """The archive as a stream, plain or compressed; every fault names it."""
    try:
        with path.open("rb") as file:
            is_compressed = file.read(4) == ZSTD
            file.seek(0)
            stream: Any = zstandard.ZstdDecompressor().stream_reader(file) if is_compressed else file
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                yield tar
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist.") from error
    except (OSError, tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise Corrupt(f"{path} is no whole tar archive ({error}).", fix="Export or copy it again.") from error
    except OutliveError as error:
        raise type(error)(f"{path}: {error.message}", fix=error.fix) from error


def _sessions_named(tar: tarfile.TarFile) -> set[str]:
    """The sessions that the title says the archive holds."""
    member = tar.next()
    if member is None or member.name != TITLE:
        raise Invalid(f"it does not start with {TITLE}.", fix="Give the archive that `outlive sessions export` wrote.")
    title = _parsed(TITLE, _content(tar, member))
    schema, sessions = title.get("schema"), title.get("sessions")
    if not isinstance(schema, int) or not isinstance(sessions, list):
        raise Corrupt(f"{TITLE} lacks or garbles a field.", fix="Export it again.")
    if schema > SCHEMA:
        raise SchemaTooNew(f"{TITLE} has schema {schema}, this outlive reads up to {SCHEMA}.", fix="Upgrade outlive.")
    return set(map(str, sessions))


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, rest: str, folder: _Folder) -> None:
    folder.size += member.size
    if folder.size > 2 * MAX_BYTES:  # before it is read: an archive of a few bytes can claim any size
        raise TooLarge(f"session {folder.name} has more than {MAX_BYTES:,} bytes.", fix="Remove large files from it.")
    if rest.startswith("tree/"):
        folder.tree[rest.removeprefix("tree/")] = _file(tar, member)
    elif rest in (*NEEDED, MESSAGES):
        folder.documents[rest] = _content(tar, member)
    elif not rest.startswith("versions/"):
        raise Invalid(f"the member {member.name!r} is none of an export's.", fix="Use the archive as exported.")


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> NewFile:
    mode = member.mode & MODES
    if member.issym():
        return NewFile(LINK, mode, target=member.linkname)
    if member.isdir():
        return NewFile(DIR, mode)
    return NewFile(FILE, mode, _content(tar, member))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The member's bytes; a hard link, a device or a sparse file is refused."""
    file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if file is None:
        raise Invalid(f"the member {member.name!r} is no plain file, folder or symbolic link.", fix="Remove it.")
    content = file.read()
    if len(content) != member.size:
        raise Corrupt(f"the member {member.name!r} is cut off.", fix="Export or copy the archive again.")
    return content


# --------------------------------------------------------------------------------------------- checking


def _session(folder: _Folder) -> ArchivedSession:
    for name in NEEDED:
        if name not in folder.documents:
            raise Corrupt(f"{folder.name}/{name} is missing.", fix="Export it again.")
    fields = _parsed(f"{folder.name}/session.json", folder.documents["session.json"])
    files = _checked(folder, _parsed(f"{folder.name}/manifest.json", folder.documents["manifest.json"]))
    ledger = folder.documents["ledger.jsonl"]
    try:
        head = decode_head(json.dumps(fields["head"]).encode(), f"{folder.name}/session.json")
        keys = tuple(map(str, fields["keys"]))
        version, agent_session_id = int(fields["version"]), fields["agent_session_id"]
    except (KeyError, TypeError, ValueError) as error:
        raise _garbled(f"{folder.name}/session.json", error) from error
    messages = parse_archived(folder.documents.get(MESSAGES, b""), f"{folder.name}/{MESSAGES}")
    session = ArchivedSession(folder.name, head, version, agent_session_id, keys, ledger, files, messages)
    _check_ledger(session)
    return session


def _garbled(name: str, error: Exception) -> Corrupt:
    return Corrupt(f"{name} lacks or garbles a field ({error}).", fix="Export it again.")


def _check_ledger(session: ArchivedSession) -> None:
    lines = list(lines_of(session.ledger))
    if len(session.ledger) != session.head.ledger_size or len(lines) != session.head.summary.turns:
        raise Corrupt(f"{session.name}/ledger.jsonl is not the one the head names.", fix="Export it again.")


def _checked(folder: _Folder, manifest: Mapping[str, Any]) -> dict[str, NewFile]:
    """The tree as the manifest describes it; nothing more, nothing less, nothing else."""
    if odd := manifest.keys() ^ folder.tree.keys():
        raise Corrupt(f"manifest and tree of {folder.name} differ at {min(odd)!r}.", fix="Export it again.")
    try:
        files = {path: _as_listed(path, file, manifest[path]) for path, file in folder.tree.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise _garbled(f"{folder.name}/manifest.json", error) from error
    check_tree(files)
    refuse_holes(files)
    return files


def _as_listed(path: str, file: NewFile, face: Mapping[str, Any]) -> NewFile:
    kind = kind_of(path) if file.kind == FILE else file.kind
    listed = (face["kind"], face["mode"], face["digest"], face.get("target", ""))
    if listed != (kind, file.mode, content_digest(file.content), file.target):
        raise Corrupt(f"{path!r} is not what the manifest says.", fix="Export it again.")
    return NewFile(kind, file.mode, file.content, file.target)


def _parsed(name: str, content: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{name} is not JSON ({error}).", fix="Export it again.") from error
    if not isinstance(value, dict):
        raise Corrupt(f"{name} is not a JSON object.", fix="Export it again.")
    return value
