"""A tenant's data keys as they are kept, and the two seams through which they are wrapped and managed."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Protocol

from outlive.core.keys import parse_tenant
from outlive.errors import Corrupt, Invalid, SchemaTooNew

SCHEMA = 1
KEYS = "keys/"
"""Prefix of the records, in the table of the keys."""
SHARED = "_shared"
"""Who owns what belongs to no tenant: settings for all of them."""
ID_BYTES = 8

Status = Literal["open", "closed", "destroyed"]


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One data key, readable only by who may use the key it is wrapped with."""

    id: str
    """Sixteen hexadecimal digits; every sealed value names its key by them."""
    wrapped: str
    """Base64; empty once it is destroyed."""
    wrap: str
    """The key it is wrapped with: `file:…` or `kms:…`."""
    made_at: float
    destroyed_at: float | None = None

    @property
    def raw(self) -> bytes:
        """The wrapped bytes."""
        return b64decode(self.wrapped)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """All data keys of a tenant; the last one that is not destroyed seals what is written."""

    status: Status = "open"
    """`closed` while an erase is under way, `destroyed` until one has cleared up behind `keys destroy`."""
    keys: tuple[WrappedKey, ...] = field(default=())

    @property
    def current(self) -> WrappedKey | None:
        """What seals new values; None before the first write and behind an erase."""
        return next((key for key in reversed(self.keys) if key.destroyed_at is None), None)

    def find(self, key_id: str) -> WrappedKey | None:
        """The key of that name."""
        return next((key for key in self.keys if key.id == key_id), None)

    def replaced(self, key: WrappedKey) -> KeyRecord:
        """The record with this key in the place of the one of its name."""
        return replace(self, keys=tuple(key if each.id == key.id else each for each in self.keys))

    def destroyed(self, now: float) -> KeyRecord:
        """The record without any key; that there were some stays, to say what became of them."""
        gone = [key if key.destroyed_at else replace(key, wrapped="", destroyed_at=now) for key in self.keys]
        return KeyRecord("destroyed", tuple(gone))


class KeyWrap(Protocol):
    """Wraps the data keys of tenants with a key that never lies beside them."""

    name: str
    """Of the key that wraps now, as it is written beside what it wrapped."""

    def opens(self, name: str) -> bool:
        """Whether it can unwrap what the key of this name wrapped."""
        ...

    async def wrap(self, secret: bytes, context: Mapping[str, str]) -> bytes:
        """The data key wrapped, bound to the context; `Unavailable` when the service does not answer."""
        ...

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The data key back; `Corrupt` when the bytes, the key or the context are others."""
        ...

    async def close(self) -> None:
        """Give back what was opened; idempotent."""
        ...


class TenantKeys(Protocol):
    """The keys that what a tenant stores is sealed with; destroying them makes every copy of it unreadable."""

    async def show(self, tenant: str) -> KeyRecord:
        """What there is, without any secret."""
        ...

    async def rotate(self, tenant: str, *, data_key: bool = False) -> KeyRecord:
        """Wrap the data keys with the wrapping key of today; with `data_key` seal what comes with a new one."""
        ...

    async def close_tenant(self, tenant: str) -> None:
        """Let nobody but this process write for the tenant, and return once every worker knows."""
        ...

    async def destroy(self, tenant: str) -> KeyRecord:
        """Forget every data key of the tenant for good; nothing is written for it until `reopen`."""
        ...

    async def reopen(self, tenant: str) -> None:
        """Let the tenant be written for again, under a new key if the old ones were destroyed."""
        ...


def new_key(key_id: str, wrapped: bytes, wrap: str, now: float) -> WrappedKey:
    """A data key just made."""
    return WrappedKey(key_id, b64encode(wrapped).decode(), wrap, now)


def rewrapped(key: WrappedKey, wrapped: bytes, wrap: str) -> WrappedKey:
    """The same data key, wrapped with another."""
    return replace(key, wrapped=b64encode(wrapped).decode(), wrap=wrap)


def owner_of(key: str) -> str:
    """Whose key seals what lies under this storage key: a tenant's, by the first part, or by the second behind `_`."""
    first, _, rest = key.partition("/")
    for part in (first, rest.partition("/")[0]) if first.startswith("_") else (first,):
        try:
            return parse_tenant(part)
        except Invalid:
            continue
    return SHARED


def record_key(owner: str) -> str:
    """Where an owner's record lies."""
    return KEYS + owner


def context_of(owner: str, key_id: str) -> dict[str, str]:
    """What a wrapped key is bound to: under another name it does not open."""
    return {"outlive:owner": owner, "outlive:key": key_id}


def encode_record(record: KeyRecord) -> bytes:
    """The record as stored."""
    return json.dumps({"schema": SCHEMA, **asdict(record)}, separators=(",", ":")).encode()


def decode_record(body: bytes, name: str) -> KeyRecord:
    """The record back; `Corrupt` or `SchemaTooNew` name it."""
    try:
        fields = json.loads(body)
        schema, status = fields["schema"], fields["status"]
        keys = tuple(WrappedKey(**key) for key in fields["keys"])
        is_newer = schema > SCHEMA
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"key record {name} cannot be read.", fix="Restore it from a backup of the keys.") from error
    if is_newer:
        raise SchemaTooNew(f"key record {name} has schema {schema}.", fix="Upgrade outlive.")
    return KeyRecord(status, keys)
