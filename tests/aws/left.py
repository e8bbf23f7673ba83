"""What lies in table, bucket and queue of a deployed stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.aws.stack import Stack

RECORDS = {"head": "heads of sessions", "key": "mappings of chats", "msg": "messages"}


@dataclass(frozen=True)
class Kind:
    """How many things of a kind there are; `size` is in bytes, 0 where that says nothing."""

    where: str
    what: str
    count: int
    size: int = 0


def left_in(stack: Stack) -> list[Kind]:
    """Records and objects by kind, and the queue's messages."""
    waiting, dead = stack.depths()
    return [
        *_summed("DynamoDB", _records(stack)),
        *_summed("S3", _objects(stack)),
        Kind("SQS", "waiting", waiting),
        Kind("SQS", "dead letters", dead),
    ]


def _summed(where: str, found: Iterator[tuple[str, int]]) -> list[Kind]:
    sizes: dict[str, list[int]] = {}
    for what, size in found:
        sizes.setdefault(what, []).append(size)
    return [Kind(where, what, len(each), sum(each)) for what, each in sorted(sizes.items())]


def _records(stack: Stack) -> Iterator[tuple[str, int]]:
    """Kind and size of every record's body."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["SessionTableName"])
    for row in (row for page in pages for row in page["Items"]):
        name = row["sk"]["S"].strip("/").replace("#", "/").partition("/")[0]
        yield RECORDS.get(name, name), len(row["body"]["B"]) if "body" in row else 0


def _objects(stack: Stack) -> Iterator[tuple[str, int]]:
    """Kind and size of every object."""
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stack.outputs["SessionBucketName"])
    for each in (each for page in pages for each in page.get("Contents", ())):
        parts = each["Key"].split("/")
        yield parts[3] if parts[1] == "sessions" else parts[1], each["Size"]
