"""A record as an item of DynamoDB.

Layout: `pk` is the key up to its first slash (the tenant), `sk` the rest with the slash, or `meta` for a key without
one; `version`, `fence`, `owner`, `until` and `expires_at` as in `Row`; `body` packed (`core.record_bodies`); `ttl` a
while behind `expires_at`, for DynamoDB's own clean-up, which nothing relies on.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

from outlive.core.record_bodies import pack, unpack
from outlive.errors import Corrupt
from outlive.protocols import Row

META = "meta"
TTL_MARGIN = 2 * 86400
"""Seconds between a record's end and its removal by the service: clocks differ, and the reader decides."""

Item = dict[str, dict[str, Any]]


def number(value: float) -> dict[str, str]:
    """Seconds or a count, without loss."""
    return {"N": repr(value)}


def ttl(expires_at: float) -> dict[str, str]:
    """When the service may remove the record, epoch seconds."""
    return number(math.ceil(expires_at) + TTL_MARGIN)


def item_key(key: str) -> Item:
    """Partition and sort key."""
    tenant, slash, rest = key.partition("/")
    return {"pk": {"S": tenant}, "sk": {"S": slash + rest if slash else META}}


def item_of(row: Row) -> Item:
    """The whole item."""
    item = item_key(row.key) | {
        "version": number(row.version),
        "fence": number(row.fence),
        "until": number(row.until),
        "body": {"B": pack(row.body)},
    }
    if row.owner is not None:
        item["owner"] = {"S": row.owner}
    if row.expires_at is not None:
        item |= {"expires_at": number(row.expires_at), "ttl": ttl(row.expires_at)}
    return item


def row_of(item: Item) -> Row:
    """The record; `Corrupt` names it when its body was damaged."""
    row = _as_stored(item)
    return replace(row, body=unpack(row.body, row.key))


def listed_row(item: Item) -> Row:
    """The same for listings, which one damaged body does not stop: it stays as stored, and decodes to nothing."""
    row = _as_stored(item)
    with suppress(Corrupt):
        return replace(row, body=unpack(row.body, row.key))
    return row


def _as_stored(item: Item) -> Row:
    rest = item["sk"]["S"]
    expires_at = item.get("expires_at")
    return Row(
        key=item["pk"]["S"] + ("" if rest == META else rest),
        body=item["body"]["B"],
        version=int(item["version"]["N"]),
        fence=int(item["fence"]["N"]),
        owner=item["owner"]["S"] if "owner" in item else None,
        until=float(item["until"]["N"]),
        expires_at=None if expires_at is None else float(expires_at["N"]),
    )
