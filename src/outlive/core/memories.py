"""The memory that all sessions of a tenant and profile share: its record, and how two writers' changes are joined."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
FOLDER = "config/projects/session/memory/"
"""Where the CLI keeps its memory, in each session's tree."""
BASE = "config/projects/session/memory.json"
"""What was shared when the session last took it, kept in its tree: what a turn that is continued compares with."""
INDEX = "MEMORY.md"
"""The file the CLI shows the agent in every conversation: one thing a line."""
MAX_FILES = 100
MAX_FILE_BYTES = 256 * 1024
PAST = 64
"""How many earlier contents of a file are recognised, so that an old copy in some session's tree is not news."""
SHORT = 12


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """One file of the shared memory."""

    digest: str | None
    """Of its content; None when it was deleted."""
    object: str = ""
    """The last part of the key its content lies under."""
    past: tuple[str, ...] = ()
    """The starts of the digests it had before, oldest first."""

    def knows(self, digest: str) -> bool:
        """Whether this content is, or was, the file's."""
        return digest == self.digest or digest[:SHORT] in self.past

    def becomes(self, digest: str | None, name: str) -> MemoryFile:
        """The file with other content."""
        before = (self.digest[:SHORT],) if self.digest else ()
        return MemoryFile(digest, name if digest else "", (*self.past, *before)[-PAST:])


Files = Mapping[str, MemoryFile]
Digests = Mapping[str, str]
"""path below the memory folder -> digest of the content."""


def memory_key(profile: str) -> str:
    """Where the record lies, below the tenant's own prefix."""
    return f"memory/{profile}"


def memory_prefix(profile: str) -> str:
    """Where the contents lie, below the tenant's own prefix."""
    return f"memory/{profile}/"


def encode_memory(files: Files) -> bytes:
    """The record as stored."""
    fields = {path: [file.digest, file.object, list(file.past)] for path, file in sorted(files.items())}
    return json.dumps({"schema": SCHEMA, "files": fields}, separators=(",", ":")).encode()


def decode_memory(body: bytes, name: str) -> dict[str, MemoryFile]:
    """The files from the stored form; `Corrupt` or `SchemaTooNew` name the record."""
    try:
        fields = json.loads(body)
        if fields["schema"] > SCHEMA:
            raise SchemaTooNew(f"record {name} is newer than this outlive.", fix="Upgrade outlive on this worker.")
        return {path: MemoryFile(digest, key, tuple(past)) for path, (digest, key, past) in fields["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Corrupt(f"record {name} is no memory.", fix="Restore the table from a backup.") from error


# ----------------------------------------------------------------------------------------- before a turn


@dataclass(frozen=True, slots=True)
class Pull:
    """What the session's copy lacks of the shared memory."""

    write: tuple[str, ...]
    remove: tuple[str, ...]
    base: Digests
    """What the copy and the shared memory have in common once that is done."""


def pull(shared: Files, local: Digests, base: Digests) -> Pull:
    """Take what is shared, but keep what only this session has: a turn that was cut off had not shared it yet.

    `base` is what was shared when the session last took it.
    """
    current = {path: file.digest for path, file in shared.items() if file.digest}
    own = {path for path, digest in local.items() if path not in shared or not shared[path].knows(digest)}
    own |= {path for path, digest in base.items() if path not in local and current.get(path) == digest}
    write = tuple(path for path, digest in current.items() if path not in own and local.get(path) != digest)
    remove = tuple(path for path in local if path not in own and path not in current)
    taken = {path: digest for path, digest in current.items() if path not in own}
    return Pull(write, remove, taken | {path: base[path] for path in own if path in base})


def encode_base(base: Digests) -> bytes:
    """The base as kept in the session's tree."""
    return json.dumps(dict(sorted(base.items())), separators=(",", ":")).encode()


def decode_base(content: bytes) -> dict[str, str]:
    """The base back; `Corrupt` when it is none."""
    try:
        return {str(path): str(digest) for path, digest in json.loads(content).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise Corrupt(f"{BASE} cannot be read.", fix="Rewind the session to an older version.") from error


# ------------------------------------------------------------------------------------------ after a turn


@dataclass(frozen=True, slots=True)
class Changes:
    """What a session's turn changes in the shared memory."""

    store: tuple[str, ...] = ()
    """Its content takes the place of what is shared."""
    delete: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    """Changed by somebody else as well: its content counts, and theirs is kept beside it."""
    join: tuple[str, ...] = ()
    """Changed by somebody else as well: the lines of both count."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.store or self.delete or self.both or self.join)


def changes(shared: Files, base: Digests, local: Digests) -> Changes:
    """Compare three ways, file by file. A change beats a deletion, whoever made which."""
    found: dict[str, list[str]] = {"store": [], "delete": [], "both": [], "join": []}
    for path in sorted({*base, *local}):
        before, mine = base.get(path), local.get(path)
        theirs = shared[path].digest if path in shared else None
        if mine in (before, theirs):
            continue
        if mine is None:
            if theirs == before:
                found["delete"].append(path)
        elif theirs in (before, None):
            found["store"].append(path)
        else:
            found["join" if path == INDEX else "both"].append(path)
    return Changes(**{name: tuple(paths) for name, paths in found.items()})


def conflict_name(path: str, digest: str) -> str:
    """Where the other side's content of a file goes that two sessions changed."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    stem, dot, ending = (stem, dot, ending) if stem else (name, "", "")
    return f"{folder}{slash}{stem}.conflict-{digest[:6]}{dot}{ending}"


def kept_beside(files: dict[str, MemoryFile], path: str) -> None:
    """Put the shared content of `path` beside it, under a name of its own; nothing is uploaded for it."""
    file = files[path]
    if file.digest:
        files[conflict_name(path, file.digest)] = replace(file, past=())


def join_lines(base: bytes, mine: bytes, theirs: bytes) -> bytes:
    """Their lines, without those that I took out, and then those that I added."""
    old, own, other = (content.splitlines() for content in (base, mine, theirs))
    dropped = set(old) - set(own)
    kept = [line for line in other if not line.strip() or line not in dropped]
    added = [line for line in own if line not in set(old) and line not in set(other)]
    return b"".join(line + b"\n" for line in [*kept, *added])


@dataclass(frozen=True, slots=True)
class LocalMemory:
    """The memory as it lies in a session's tree."""

    contents: Mapping[str, bytes]
    digests: Digests
    left_out: tuple[str, ...] = field(default=())
    """Too large, or one too many: they stay in the session alone."""
