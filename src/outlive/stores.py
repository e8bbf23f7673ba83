"""Everything that keeps something, opened by the settings: table, queue, objects, archive, keys."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

from outlive.clock import SystemClock
from outlive.databases import Databases, open_broadcast, open_hot_cache, open_key_ring, open_scoped
from outlive.errors import Invalid
from outlive.flows.fresh_records import FreshRecords
from outlive.flows.regions.pair import RegionPair
from outlive.flows.turn.hot_objects import HotObjects
from outlive.objects.objects import UrlObjects
from outlive.protocols import Broadcast, Clock, HotCache, Objects, Queue, Table, TenantKeys
from outlive.second_region import in_step, open_pair
from outlive.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """What an app works on."""

    table: Table
    queue: Queue
    objects: Objects
    archive: Objects | None = None
    """A place of its own for the archive; None where it lies beside the other objects."""
    stale: Table | None = None
    """For reads that may be minutes old; None where there is no cache for them."""
    keys: TenantKeys | None = None
    broadcast: Broadcast | None = None
    regions: RegionPair | None = None
    """Both regions' stores; None where there is one."""


async def open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    """Open all of them; `stack` closes what was opened. `Invalid` names a URL that is of no use."""
    clock = SystemClock()
    databases = Databases(stack)
    table, objects, cache = await _open_together(settings, databases, clock, stack)
    pair = await open_pair(settings, (table, objects), databases, clock, stack)
    if pair is not None:
        table, objects = in_step(pair, stack)
    table = FreshRecords(table, secrets.randbits)
    queue = await databases.queue(settings.queue_url, clock)
    if cache is not None:
        objects = HotObjects(objects, cache, clock)
    archive = await _open_archive(settings.archive, clock)
    if archive is not None:
        stack.push_async_callback(archive.close)
    broadcast = await open_broadcast(settings.broadcast)
    if broadcast is not None:
        stack.push_async_callback(broadcast.close)
    stale = await databases.stale(settings, table)
    stores = Stores(table, queue, objects, archive, stale, broadcast=broadcast, regions=pair)
    return await _sealed(stores, settings, databases, clock, stack)


async def _open_together(
    settings: Settings, databases: Databases, clock: Clock, stack: AsyncExitStack
) -> tuple[Table, Objects, HotCache | None]:
    """Table, objects and hot cache: while a database server makes a process for us, the others are opened.

    Where a role is taken for each turn, table and objects by credentials that reach one tenant. Of several faults the
    table's is told.
    """
    if settings.turn_role:
        table, objects = await open_scoped(settings, clock, stack)
        return table, objects, await _open_hot(settings, clock, stack)
    opened = await asyncio.gather(
        databases.table(settings.table_url),
        _open_objects(settings, clock, stack),
        _open_hot(settings, clock, stack),
        return_exceptions=True,  # what the others have opened by then is to be closed, too
    )
    return _checked(opened[0]), _checked(opened[1]), _checked(opened[2])


def _checked(opened: T | BaseException) -> T:
    if isinstance(opened, BaseException):
        raise opened
    return opened


async def _open_objects(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Objects:
    objects = await UrlObjects.open(settings.objects_url, clock=clock)
    stack.push_async_callback(objects.close)
    return objects


async def _open_hot(settings: Settings, clock: Clock, stack: AsyncExitStack) -> HotCache | None:
    cache = await open_hot_cache(settings.hot, clock)
    if cache is not None:
        stack.push_async_callback(cache.close)
    return cache


async def _open_archive(url: str, clock: Clock) -> Objects | None:
    """A database that is down is no error: it is connected to by the first call."""
    if not url:
        return None
    if urlsplit(url).scheme not in {"postgresql", "postgres"}:
        return await UrlObjects.open(url, clock=clock)
    try:
        from outlive.postgres.objects import PostgresObjects  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Invalid("PostgreSQL needs its driver.", fix="Run `pip install 'outlive[postgres]'`.") from error
    return PostgresObjects(url, clock)


def is_our_own(queue_url: str) -> bool:
    """Whether the queue lies in a database. SQS has producers and a dispatcher without keys, and seals by itself."""
    return urlsplit(queue_url).scheme not in {"sqs", "https", "http"}


async def _sealed(
    stores: Stores, settings: Settings, databases: Databases, clock: Clock, stack: AsyncExitStack
) -> Stores:
    """The same with every body sealed, where the settings ask for it; the hot tier inside keeps ciphertext."""
    ring = await open_key_ring(settings, databases, clock, stack)
    if ring is None:
        return stores
    from outlive.encryption.broadcast import EncryptedBroadcast  # noqa: PLC0415 - an extra
    from outlive.encryption.objects import EncryptedObjects  # noqa: PLC0415 - an extra
    from outlive.encryption.queue import EncryptedQueue  # noqa: PLC0415 - an extra
    from outlive.encryption.table import EncryptedTable  # noqa: PLC0415 - an extra

    plain = settings.key_plain == "read"
    if stores.regions is not None:
        tables = stores.regions.tables
        stores.regions.readable = {name: EncryptedTable(tables[name], ring, reads_plain=plain) for name in tables}
    return replace(
        stores,
        table=EncryptedTable(stores.table, ring, reads_plain=plain),
        queue=EncryptedQueue(stores.queue, ring) if is_our_own(settings.queue_url) else stores.queue,
        stale=stores.stale and EncryptedTable(stores.stale, ring, reads_plain=plain),
        objects=EncryptedObjects(stores.objects, ring, reads_plain=plain),
        archive=stores.archive and EncryptedObjects(stores.archive, ring, reads_plain=plain),
        keys=ring,
        broadcast=stores.broadcast and EncryptedBroadcast(stores.broadcast, ring),
    )
