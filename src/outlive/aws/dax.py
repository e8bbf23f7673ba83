"""Reads through DynamoDB Accelerator (extra `dax`), for records that may be minutes old; nothing is changed through it.

DAX answers from its own memory, five minutes by default, and passes strongly consistent reads on
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html). So it is of no use for heads,
leases and mappings, and never sees them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from outlive.aws.client import Place
from outlive.aws.table import DynamoTable
from outlive.errors import Invalid, Refused, Unavailable
from outlive.protocols import At, Expected, LeaseChange, Row, Table

log = logging.getLogger("outlive.dax")


class DaxReads:
    """Implements `protocols.Table` as far as it reads; whatever would change a record is `Refused`."""

    def __init__(self, cache: DynamoTable, table: Table) -> None:
        """`cache` asks DAX, `table` the table itself, where DAX does not answer."""
        self._cache, self._table = cache, table

    @classmethod
    def over(cls, client: Any, place: Place, table: Table) -> DaxReads:  # noqa: ANN401 - has no types
        """With a client of DAX, or any that has DynamoDB's methods and blocks."""
        stack = AsyncExitStack()
        if callable(close := getattr(client, "close", None)):
            stack.callback(close)
        return cls(DynamoTable(InThreads(client), place, stack, is_strict=False), table)

    async def read(self, key: str) -> Row | None:
        try:
            return await self._cache.read(key)
        except Unavailable as error:
            log.warning("DAX does not answer, the table is read: %s", error.message)
            return await self._table.read(key)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        try:
            return await self._cache.scan(prefix, after=after, limit=limit)
        except Unavailable as error:
            log.warning("DAX does not answer, the table is read: %s", error.message)
            return await self._table.scan(prefix, after=after, limit=limit)

    async def write(
        self,
        key: str,
        body: bytes,  # noqa: ARG002 - the protocol's arguments
        *,
        expected: Expected,  # noqa: ARG002
        lease: LeaseChange,  # noqa: ARG002
        expires_at: float | None,  # noqa: ARG002
    ) -> Row:
        raise _read_only(key)

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:  # noqa: ARG002
        raise _read_only(key)

    async def delete(self, key: str, *, expected: At) -> None:  # noqa: ARG002
        raise _read_only(key)

    async def ping(self) -> None:
        await self._cache.read("_ping/")

    async def close(self) -> None:
        await self._cache.close()


class InThreads:
    """A client that blocks, as one that does not: each call has a thread of its own."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - has no types
        self._client = client

    async def get_item(self, **asked: Any) -> Any:  # noqa: ANN401 - DynamoDB's own answer
        return await asyncio.to_thread(self._client.get_item, **asked)

    async def query(self, **asked: Any) -> Any:  # noqa: ANN401 - DynamoDB's own answer
        return await asyncio.to_thread(self._client.query, **asked)


async def open_dax(endpoint: str, place: Place, table: Table) -> DaxReads:
    """Reads of the table at `place` through the cluster at `dax://HOST:PORT` or `daxs://HOST`.

    `Invalid` for another address, or without the client; `Unavailable` when the cluster cannot be found.
    """
    if urlsplit(endpoint).scheme not in {"dax", "daxs"} or not urlsplit(endpoint).hostname:
        raise Invalid(f"dax endpoint {endpoint!r} is none.", fix="Use the cluster's: dax://HOST:8111 or daxs://HOST.")
    try:
        from amazondax import AmazonDaxClient  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise Invalid("DAX needs its client.", fix="Run `pip install 'outlive[dax]'`.") from error
    try:
        client = await asyncio.to_thread(AmazonDaxClient, endpoint_url=endpoint, region_name=place.region)
    except Exception as error:
        fix = "Run where the cluster is, in its VPC, or unset OUTLIVE_DAX."
        raise Unavailable(f"the DAX cluster {endpoint} cannot be found: {error}.", original=error, fix=fix) from error
    return DaxReads.over(client, place, table)


def _read_only(key: str) -> Refused:
    return Refused(f"record {key!r} cannot be changed through a cache.", fix="Use the table.")
