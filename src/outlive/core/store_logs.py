"""The logs of the SDK's session store: their keys, batches of entries as lines, and holes in the chain of entries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from outlive.core.keys import quote_part
from outlive.errors import Corrupt, Invalid

MAIN = ""
"""The path of a session's main transcript; a subpath can not be empty."""
MAX_ID_BYTES = 16 * 1024
MAX_SEGMENT = 300
"""Characters of a quoted id in a storage key; a longer one is stood for by its digest."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Entry = dict[str, Any]


# ------------------------------------------------------------------------------------------------ keys


@dataclass(frozen=True, slots=True)
class LogKey:
    """One transcript: the SDK's `project_key`, `session_id` and `subpath`."""

    project: str
    session: str
    path: str
    """`MAIN` or the subpath."""


def log_key(key: Mapping[str, Any]) -> LogKey:
    """The SDK's key, checked; `Invalid` names the part that is wrong."""
    path = key.get("subpath")
    return LogKey(
        check_id("project_key", key.get("project_key")),
        check_id("session_id", key.get("session_id")),
        MAIN if path is None else check_id("subpath", path),
    )


def check_id(field: str, value: object) -> str:
    """Any text of 1 byte to 16 KB is an id: what a storage key cannot hold is quoted; `Invalid` names `field`."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"{field} is {value!r}.", fix=f"Give {field} a text that is not empty.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid(f"{field} {value[:80]!r} has half a character.", fix="Remove lone surrogates.") from None
    if size > MAX_ID_BYTES:
        raise Invalid(f"{field} {value[:80]!r}... is {size} bytes long.", fix=f"Use {MAX_ID_BYTES} bytes at most.")
    return value


def project_prefix(project: str) -> str:
    """What the rows of a project's sessions start with, below the store's own area."""
    return f"{_segment(project)}/"


def row_key(project: str, session: str) -> str:
    """Where the head of a stored session lives, below the store's own area."""
    return project_prefix(project) + _segment(session)


def _segment(text: str) -> str:
    """`=` never comes out of `quote_part`, so a digest cannot be mistaken for an id."""
    quoted = quote_part(text)
    return quoted if len(quoted) <= MAX_SEGMENT else "=" + blake2b(text.encode(), digest_size=32).hexdigest()


# --------------------------------------------------------------------------------------------- batches


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it is stored."""

    uuid: str | None
    data: bytes
    """JSON in UTF-8 (lone surrogates kept) and a line feed."""
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """The entries of one append."""

    path: str
    lines: tuple[Line, ...]

    @property
    def size(self) -> int:
        """Bytes of all lines."""
        return sum(len(line.data) for line in self.lines)

    @property
    def digest(self) -> bytes:
        """Equal for batches of the same bytes for the same log."""
        hashed = blake2b(self.path.encode(), digest_size=16)
        for line in self.lines:
            hashed.update(line.data)
        return hashed.digest()


def encode_batch(path: str, entries: Sequence[Mapping[str, Any]]) -> Batch:
    """The lines of one append; `Invalid` names the first entry that is no JSON object."""
    return Batch(path, tuple(_line(number, entry) for number, entry in enumerate(entries)))


def _line(number: int, entry: Mapping[str, Any]) -> Line:
    if not isinstance(entry, dict):
        raise Invalid(f"entries[{number}] is a {type(entry).__name__}.", fix="Pass JSON objects.")
    try:
        text = _ENCODER.encode(entry)
    except (TypeError, ValueError, RecursionError) as error:
        why = f"entries[{number}] cannot be written as JSON ({error})."
        raise Invalid(why, fix="Pass plain JSON values.") from error
    return Line(uuid_of(entry), text.encode("utf-8", "surrogatepass") + b"\n", entry)


def uuid_of(entry: Mapping[str, Any]) -> str | None:
    """What an entry is told apart by; None for one that is kept as often as it comes."""
    uuid = entry.get("uuid")
    return uuid if isinstance(uuid, str) and uuid else None


def fresh_lines(batch: Batch, known: AbstractSet[str], added: set[str]) -> list[Line]:
    """The lines that `known` and `added` do not have, by uuid; their uuids go into `added`."""
    fresh = []
    for line in batch.lines:
        if line.uuid is None or (line.uuid not in known and line.uuid not in added):
            fresh.append(line)
            if line.uuid is not None:
                added.add(line.uuid)
    return fresh


def parse_lines(content: bytes, name: str) -> list[Entry]:
    """The entries in these whole lines; `Corrupt` names the log that holds something else."""
    try:
        return [json.loads(line.decode("utf-8", "surrogatepass")) for line in content.split(b"\n")[:-1]]
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{name} holds a line that is not JSON ({error}).", fix="Restore it from a backup.") from error


# ----------------------------------------------------------------------------------------------- holes


def lost_parents(entries: Iterable[Mapping[str, Any]], known: AbstractSet[str]) -> list[str]:
    """Every `parentUuid` that `known` does not have, once each, in order of appearance.

    Each of them is an entry that was never stored although a later one builds on it.
    """
    parents = (entry.get("parentUuid") for entry in entries)
    return list(dict.fromkeys(p for p in parents if isinstance(p, str) and p not in known))
