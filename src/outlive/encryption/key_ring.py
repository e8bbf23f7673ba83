"""The data keys of all tenants: made on the first write, kept in memory for minutes, destroyed for good."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from outlive.core.tenant_keys import (
    ID_BYTES,
    KeyRecord,
    WrappedKey,
    context_of,
    decode_record,
    encode_record,
    new_key,
    record_key,
    rewrapped,
)
from outlive.encryption.sealing import KEY_BYTES, DataKey
from outlive.errors import AlreadyExists, Conflict, Corrupt, Invalid, Refused, Unavailable, VersionConflict
from outlive.protocols import Absent, At, Clock, Keep, KeyWrap, Row, Table

ATTEMPTS = 20
MOST = 10_000
"""Owners whose keys are kept in memory."""

Change = Callable[[KeyRecord], KeyRecord]


@dataclass(slots=True)
class _Known:
    """What this process knows of an owner's keys."""

    record: KeyRecord
    read_at: float
    opened: dict[str, DataKey] = field(default_factory=dict)


class KeyRing:
    """Implements `protocols.TenantKeys` on a table of its own, which backups of the data leave out.

    A key that was destroyed or closed elsewhere is used by this process for `seconds` more at most: whoever closes one
    waits as long before anything is removed.
    """

    def __init__(self, table: Table, wraps: Sequence[KeyWrap], clock: Clock, *, seconds: float = 120.0) -> None:
        """The first of `wraps` wraps new keys; the others open what was wrapped before."""
        self._table, self._wraps, self._clock, self._seconds = table, wraps, clock, seconds
        self._known: dict[str, _Known] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._erasing: set[str] = set()
        """Closed by this process, which goes on writing until they are destroyed."""

    async def for_writing(self, owner: str) -> DataKey:
        """The key that seals now, made if there is none.

        `Unavailable` while an erase is under way elsewhere, `Refused` behind `keys destroy`.
        """
        known = await self._current(owner)
        if known.record.status == "closed" and owner not in self._erasing:
            fix = "Wait for it; if it was cut off, run `outlive sessions erase --all` again."
            raise Unavailable(f"tenant {owner} is being erased.", fix=fix)
        if known.record.status == "destroyed":
            fix = "Remove what is left with `outlive sessions erase --all`; after that it may begin anew."
            raise Refused(f"the key of tenant {owner} was destroyed.", fix=fix)
        if known.record.current is None:
            known = await self._make(owner)
        return await self._open(owner, known, _not_none(known.record.current))

    async def for_reading(self, owner: str, key_id: str, place: str) -> DataKey:
        """The key of that name; `Corrupt` says of `place` that its key was destroyed, or is none of the owner's."""
        known = await self._current(owner)
        if known.record.find(key_id) is None:
            known = await self._read(owner)
        key = known.record.find(key_id)
        if key is None:
            fix = "Restore the record of the keys that belongs to it."
            raise Corrupt(f"{place} was sealed with key {key_id}, which tenant {owner} does not have.", fix=fix)
        if key.destroyed_at is not None:
            fix = "It cannot be read again; `outlive sessions erase --all` removes what is left."
            raise Corrupt(f"{place} cannot be read: key {key_id} of tenant {owner} was destroyed.", fix=fix)
        return await self._open(owner, known, key)

    async def is_destroyed(self, owner: str, key_id: str) -> bool:
        """Whether what was sealed with this key is lost for good."""
        key = (await self._current(owner)).record.find(key_id)
        return key is not None and key.destroyed_at is not None

    # ------------------------------------------------------------------------ see `protocols.TenantKeys`

    async def show(self, tenant: str) -> KeyRecord:
        return (await self._read(tenant)).record

    async def rotate(self, tenant: str, *, data_key: bool = False) -> KeyRecord:
        before = (await self._read(tenant)).record
        moved: dict[str, WrappedKey] = {}
        for key in before.keys:
            if key.destroyed_at is None and key.wrap != self._wraps[0].name:
                moved[key.id] = await self._rewrapped(tenant, key)
        fresh = (await self._new_key(tenant),) if data_key and before.status == "open" else ()

        def change(record: KeyRecord) -> KeyRecord:
            for key in record.keys:
                if key.id in moved and key.destroyed_at is None:
                    record = record.replaced(moved[key.id])
            return replace(record, keys=record.keys + fresh)

        return await self._change(tenant, change)

    async def close_tenant(self, tenant: str) -> None:
        record = await self._change(tenant, lambda record: replace(record, status="closed"), unless="destroyed")
        if record.status == "closed":
            self._erasing.add(tenant)
            await self._clock.sleep(self._seconds)

    async def destroy(self, tenant: str) -> KeyRecord:
        self._erasing.discard(tenant)
        return await self._change(tenant, lambda record: record.destroyed(self._clock.now()))

    async def reopen(self, tenant: str) -> None:
        self._erasing.discard(tenant)
        await self._change(tenant, lambda record: replace(record, status="open"))

    async def ping(self) -> None:
        await self._table.ping()

    # ------------------------------------------------------------------------------------------ records

    async def _current(self, owner: str) -> _Known:
        """What is known, not older than `seconds`; one reader at a time asks the table."""
        known = self._known.get(owner)
        if known and self._clock.now() < known.read_at + self._seconds:
            return known
        async with self._locks[owner]:
            known = self._known.get(owner)
            if known and self._clock.now() < known.read_at + self._seconds:
                return known
            return await self._read(owner)

    async def _read(self, owner: str) -> _Known:
        return self._remember(owner, await self._table.read(record_key(owner)), self._clock.now())

    def _remember(self, owner: str, row: Row | None, asked_at: float) -> _Known:
        record = decode_record(row.body, owner) if row else KeyRecord()
        before = self._known.pop(owner, None)
        live = {key.id for key in record.keys if key.destroyed_at is None}
        opened = {key_id: key for key_id, key in (before.opened if before else {}).items() if key_id in live}
        self._known[owner] = _Known(record, asked_at, opened)
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return self._known[owner]

    async def _make(self, owner: str) -> _Known:
        """A first key, by compare-and-set: of several workers one makes it, and the others use it."""
        fresh = await self._new_key(owner)
        await self._change(owner, lambda record: record if record.current else _added(record, fresh))
        return self._known[owner]

    async def _change(self, owner: str, change: Change, *, unless: str = "") -> KeyRecord:
        for _ in range(ATTEMPTS):
            asked_at = self._clock.now()
            row = await self._table.read(record_key(owner))
            before = self._remember(owner, row, asked_at).record
            after = change(before)
            if after == before or before.status == unless:
                return before
            expected = At(row.version, row.fence) if row else Absent()
            try:
                row = await self._table.write(
                    record_key(owner), encode_record(after), expected=expected, lease=Keep(), expires_at=None
                )
            except (VersionConflict, AlreadyExists):
                continue
            return self._remember(owner, row, asked_at).record
        raise Conflict(f"the keys of tenant {owner} are changed by too many at once.", fix="Try again.")

    # --------------------------------------------------------------------------------------------- keys

    async def _new_key(self, owner: str) -> WrappedKey:
        key_id, wrap = os.urandom(ID_BYTES).hex(), self._wraps[0]
        wrapped = await wrap.wrap(os.urandom(KEY_BYTES), context_of(owner, key_id))
        return new_key(key_id, wrapped, wrap.name, self._clock.now())

    async def _rewrapped(self, owner: str, key: WrappedKey) -> WrappedKey:
        context = context_of(owner, key.id)
        return rewrapped(key, await self._wraps[0].wrap(await self._unwrap(key, owner), context), self._wraps[0].name)

    async def _open(self, owner: str, known: _Known, key: WrappedKey) -> DataKey:
        if key.id not in known.opened:
            known.opened[key.id] = DataKey(key.id, await self._unwrap(key, owner))
        return known.opened[key.id]

    async def _unwrap(self, key: WrappedKey, owner: str) -> bytes:
        for wrap in self._wraps:
            if wrap.opens(key.wrap):
                return await wrap.unwrap(key.wrap, key.raw, context_of(owner, key.id))
        fix = "Name the key it was wrapped with in OUTLIVE_KEY_WRAP, behind the one for new keys."
        raise Invalid(f"key {key.id} of tenant {owner} is wrapped with {key.wrap}, which is not given.", fix=fix)


def _added(record: KeyRecord, key: WrappedKey) -> KeyRecord:
    return replace(record, keys=(*record.keys, key))


def _not_none(key: WrappedKey | None) -> WrappedKey:
    if key is None:
        raise Unavailable("the tenant's key was destroyed while it was made.", fix="Try again.")
    return key
