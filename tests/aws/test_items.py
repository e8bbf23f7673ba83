"""Records as items of DynamoDB: packed, and from before they were."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from outlive.aws.items import item_of
from outlive.aws.table import DynamoTable
from outlive.core.record_bodies import MARK
from outlive.entrypoints.aws_lambda.records import Records
from outlive.errors import Corrupt
from outlive.protocols import Absent, At, Free, Hold, Keep, Row
from tests.aws.conftest import REGION
from tests.aws.stack import client
from tests.aws.test_doctor import make_table
from tests.servers import local_aws

BODY = json.dumps({"links": [f"chat {number} of many" for number in range(200)]}).encode()


async def open_table(name: str) -> tuple[DynamoTable, Any]:
    """A table of its own, and a plain client to look into it."""
    url = f"{make_table(name, 'pk', 'sk')}?region={REGION}&endpoint={local_aws()}"
    return await DynamoTable.open(url), client(local_aws(), "dynamodb")


async def test_a_large_body_lies_packed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Created and changed bodies lie in a quarter of their bytes, and table and webhook function read them."""
    table, plain = await open_table(name)
    row = await table.write("acme/a", BODY, expected=Absent(), lease=Keep(), expires_at=None)
    row = await table.write("acme/a", BODY, expected=At(row.version, row.fence), lease=Keep(), expires_at=None)
    (item,) = plain.scan(TableName=name)["Items"]
    assert item["body"]["B"].startswith(MARK)
    assert len(item["body"]["B"]) < len(BODY) / 4
    assert await table.read("acme/a") == row
    for variable, value in {"SESSION_TABLE": name, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": local_aws()}.items():
        monkeypatch.setenv(variable, value)
    records = Records(os.environ)
    assert records.read("acme", "a") == json.loads(BODY)
    records._caller._connection.close()
    await table.close()


async def test_what_a_write_says_is_what_is_read(name: str) -> None:
    """Whatever becomes of the lease, the row that a write returns is the one that lies there."""
    table, _ = await open_table(name)
    row = await table.write("acme/a", BODY, expected=Absent(), lease=Keep(), expires_at=None)
    for lease in (Hold("w", 1_750_000_060.123456), Keep(), Free()):
        at = At(row.version, row.fence)
        row = await table.write("acme/a", BODY, expected=at, lease=lease, expires_at=1_760_000_000.654321)
        assert row == await table.read("acme/a")
    await table.close()


async def test_an_item_of_before_is_read(name: str) -> None:
    """A large body that lies as it is can be read, taken and listed, and is packed by the next write."""
    table, plain = await open_table(name)
    old = item_of(Row("acme/a", b"", 1, 0, None, 0.0, None)) | {"body": {"B": BODY}}
    plain.put_item(TableName=name, Item=old)
    read, (listed,), row = (
        await table.read("acme/a"),
        await table.scan("acme/"),
        await table.acquire("acme/a", "w", now=0, until=1),
    )
    assert read is not None
    assert row is not None
    assert read.body == listed.body == row.body == BODY
    await table.write("acme/a", BODY, expected=At(row.version, row.fence), lease=Keep(), expires_at=None)
    assert plain.scan(TableName=name)["Items"][0]["body"]["B"].startswith(MARK)
    await table.close()


async def test_a_damaged_body_is_named_and_stops_no_listing(name: str) -> None:
    """Who reads or takes the record gets `Corrupt`; a listing shows its neighbours."""
    table, plain = await open_table(name)
    for key in ("acme/a", "acme/b"):
        await table.write(key, BODY, expected=Absent(), lease=Keep(), expires_at=None)
    item = next(item for item in plain.scan(TableName=name)["Items"] if item["sk"]["S"] == "/a")
    plain.put_item(TableName=name, Item=item | {"body": {"B": item["body"]["B"][:-9]}})
    with pytest.raises(Corrupt, match="record acme/a"):
        await table.read("acme/a")
    with pytest.raises(Corrupt, match="record acme/a"):
        await table.acquire("acme/a", "w", now=0, until=1)
    assert [(row.key, row.body == BODY) for row in await table.scan("acme/")] == [("acme/a", False), ("acme/b", True)]
    await table.close()
