"""Where a record is at home: read from its fencing token, whose upper half is an epoch.

A fencing token is `epoch * 2**32 + n`. Of two regions the first, which the system was founded in, is the home in even
epochs, the second in odd ones. A fail-over raises the epoch of each record in the very write that takes it over, so
whoever still believes in the old one fails there, by the same single-record condition that fences a worker.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import Enum
from hashlib import blake2b
from typing import Any

from outlive.core.records import Raise, Row
from outlive.errors import Corrupt, Invalid

EPOCH = 1 << 32
DRAWN = 1 << 31
"""A mapping's tokens begin below it in each epoch, at a number that is drawn for each that is made."""
NEVER = 32503680000.0
"""When the lease on a copy runs out: the year 3000, so that nobody takes a turn there."""
COPY = "copy of "
OWN = "_region/"
"""Records of these modules: each region has its own, and no tenant's name starts with `_`."""
CONTROL = f"{OWN}control/"
TAKEN, GONE, LOST = f"{OWN}taken/", f"{OWN}gone/", f"{OWN}lost/"
HOMED = ("head/", "key/")
COPIED = ("tasks/", "link/", "memory/", "pair/", "moved/", "sent/", "preferences/", "control/limits")
"""Copied as they are, the last one counts: nothing that was promised rests on them."""


class Replication(Enum):
    """Whether the other region has a turn before it is acknowledged."""

    OFF = "off"
    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"


@dataclass(frozen=True, slots=True)
class Regions:
    """The two regions, the founding one first, and which of them this process is in."""

    names: tuple[str, str]
    own: str

    @property
    def other(self) -> str:
        """The region that this process is not in."""
        return self.opposite(self.own)

    def opposite(self, region: str) -> str:
        """The other one of the two."""
        return self.names[1 - self.names.index(region)]

    def home(self, fence: int) -> str:
        """Where a record with this fencing token is at home."""
        return self.names[(fence // EPOCH) % 2]

    def first_fence(self, region: str, *, since: int = 0) -> int:
        """The lowest token that is at home in `region`, of an epoch not before `since`."""
        return (since + (since % 2 != self.names.index(region))) * EPOCH

    def next_fence(self, fence: int, region: str, *, since: int = 0) -> int:
        """The same, of an epoch after that of `fence`."""
        return self.first_fence(region, since=max(fence // EPOCH + 1, since))


def parse_regions(names: str, own: str) -> Regions:
    """The setting `regions`, `FIRST,SECOND`; `Invalid` when it does not name two, or `own` is neither."""
    parts = tuple(part.strip() for part in names.split(",") if part.strip())
    if len(parts) != 2 or parts[0] == parts[1]:
        raise Invalid(
            f"setting regions {names!r} does not name two regions.",
            fix="Set OUTLIVE_REGIONS to FIRST,SECOND: the one that has sessions already comes first, everywhere.",
        )
    if own not in parts:
        raise Invalid(f"setting region {own!r} is not one of {names!r}.", fix=f"Set OUTLIVE_REGION to {parts[0]}, say.")
    return Regions(parts, own)


@dataclass(frozen=True, slots=True)
class Control:
    """What a region knows of itself."""

    epoch: int = 0
    """Raised when a region takes over everything; records made since then are not of an earlier one."""
    alone: bool = False
    """It took over while the other could not be reached, and waits for no copy there until it has come back."""


def encode_control(control: Control) -> bytes:
    """The control record as stored."""
    return json.dumps(asdict(control)).encode()


def decode_control(body: bytes | None) -> Control:
    """The control record; a region without one has never been part of a fail-over."""
    return Control(**json.loads(body)) if body else Control()


def is_homed(key: str) -> bool:
    """Whether the record belongs to one region at a time: heads, and the mappings that point at them."""
    tenant, _, rest = key.partition("/")
    return not tenant.startswith("_") and rest.startswith(HOMED)


def is_copied(key: str) -> bool:
    """Whether the record is copied to the other region, from whichever it was written in."""
    tenant, _, rest = key.partition("/")
    return key.startswith("_all/") or (not tenant.startswith("_") and rest.startswith(COPIED))


def is_head(key: str) -> bool:
    """Whether it is a session's head."""
    return is_homed(key) and key.partition("/")[2].startswith("head/")


def is_of_another(copy: Row, record: Row) -> bool:
    """Whether a mapping's copy was made of one that the key had before: another token in the same epoch.

    A head's token rises within its epoch, and a head is never made twice.
    """
    is_same_epoch = copy.fence // EPOCH == record.fence // EPOCH
    is_so = is_same_epoch and copy.fence != record.fence and copied_version(copy) is not None
    return is_so and not is_head(record.key)


def copy_lease(region: str, fence: int, version: int) -> Raise:
    """The lease of a copy: under the home's token, and held by the copying, so that nobody can take it."""
    return Raise(fence, f"{COPY}{region} {version}", NEVER)


def copied_version(row: Row) -> int | None:
    """The version that the record had at home when it was copied here; None for a record that is no copy."""
    if row.owner is None or not row.owner.startswith(COPY):
        return None
    return int(row.owner.rpartition(" ")[2])


def mark(row: Row) -> tuple[int, int]:
    """How new a record is: fence, then version at home; of a copy as of what it is a copy of."""
    version = copied_version(row)
    return row.fence, row.version if version is None else version


def as_at_home(row: Row) -> Row:
    """A copy as the record looks at its home, but for a lease there."""
    version = copied_version(row)
    return row if version is None else replace(row, version=version, owner=None, until=0.0)


def note_key(prefix: str, key: str) -> str:
    """Where something is noted of the record `key`; the note's body names it."""
    return prefix + blake2b(key.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Lost:
    """What a region had written that the other never had, when its epoch was over; kept aside."""

    key: str
    turns: int
    at: float
    body: str
    """As it was stored, in hexadecimal."""


def encode_lost(lost: Lost) -> bytes:
    """The note as stored."""
    return json.dumps(asdict(lost)).encode()


def decode_lost(body: bytes, name: str) -> Lost:
    """The note; `Corrupt` names the record."""
    try:
        fields: dict[str, Any] = json.loads(body)
        return Lost(**fields)
    except (ValueError, TypeError) as error:
        raise Corrupt(f"record {name} is not a note of a lost turn.", fix="Remove it.") from error
