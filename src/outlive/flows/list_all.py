"""Whole listings of the table and of the objects, page by page."""

from __future__ import annotations

from collections.abc import Sequence

from outlive.flows.retry import retrying
from outlive.protocols import Clock, ObjectInfo, Objects, Row, Table

PAGE = 1000
ROWS = 1000


async def list_all(objects: Objects, prefix: str, clock: Clock) -> list[ObjectInfo]:
    """Every object below the prefix, in key order."""
    found: list[ObjectInfo] = []
    while page := await _objects(objects, prefix, found[-1].key if found else "", clock):
        found.extend(page)
    return found


async def scan_all(table: Table, prefix: str, clock: Clock) -> list[Row]:
    """Every record below the prefix, in key order."""
    found: list[Row] = []
    while page := await _rows(table, prefix, found[-1].key if found else "", clock):
        found.extend(page)
    return found


async def _objects(objects: Objects, prefix: str, after: str, clock: Clock) -> Sequence[ObjectInfo]:
    return await retrying(lambda: objects.list(prefix, after=after, limit=PAGE), clock)


async def _rows(table: Table, prefix: str, after: str, clock: Clock) -> Sequence[Row]:
    return await retrying(lambda: table.scan(prefix, after=after, limit=ROWS), clock)
