"""DAX: which reads go there, and which never; told with a table for a cache, and with DynamoDB's own client for DAX's.

The cluster's protocol is the client library's; no cluster was ever asked.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outlive.aws.client import Place
from outlive.aws.dax import DaxReads, open_dax
from outlive.aws.table import DynamoTable
from outlive.databases import Databases
from outlive.errors import Invalid, Refused, Unavailable
from outlive.flows.knowledge.message_log import append_message, read_messages
from outlive.flows.knowledge.preferences import patch_preferences, read_preferences
from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.turn.find_session import find_session
from outlive.protocols import Absent, Keep, Row
from outlive.settings import load_settings
from tests.aws.conftest import REGION
from tests.aws.stack import client
from tests.aws.test_doctor import make_table
from tests.engine.conftest import KEY, World
from tests.servers import local_aws


class Noted:
    """Reads of a table, and for which keys."""

    def __init__(self, table: Any) -> None:
        self.table, self.asked = table, list[str]()

    async def read(self, key: str) -> Row | None:
        self.asked.append(key)
        return await self.table.read(key)

    async def scan(self, prefix: str, **where: Any) -> Any:
        self.asked.append(prefix)
        return await self.table.scan(prefix, **where)


async def test_only_what_may_be_old_is_read_there(tmp_path: Path) -> None:
    """Of turns, tool results, preferences and messages only the last three are read so; leases and heads never."""
    world = World(tmp_path)
    engine = world.worker("one")
    noted = Noted(engine.table)
    engine = replace(engine, stale=noted)
    for number in range(3):
        await world.turn(engine, f"hello {number}", f"m{number}")
    stores = engine.stores("acme")
    session_id = await find_session(engine, stores, KEY)
    assert noted.asked == []

    async def call() -> bytes:
        return b"sunny"

    await ToolCache(stores, world.clock).call("default", "weather", {"at": "Ulm"}, call, ttl=300)
    await patch_preferences(engine, stores, "ada", "default", {"language": "de"})
    assert (await read_preferences(engine, stores, "ada", "default")).values == {"language": "de"}
    for text in "abc":
        await append_message(engine, stores, session_id, "user", text)
    await read_messages(engine, stores, session_id)
    assert len((await read_messages(engine, stores, session_id, before=3)).messages) == 2
    kinds = [key.removeprefix("acme/").partition("#")[0] for key in noted.asked]
    assert kinds == ["tool", "user", "msg"]


class Surface:
    """DynamoDB's own client with what it was asked; while `down` it fails as DAX's does."""

    def __init__(self) -> None:
        self.client, self.down = client(local_aws(), "dynamodb"), False
        self.asked: list[bool] = []

    def get_item(self, **asked: Any) -> Any:
        self.asked.append(asked["ConsistentRead"])
        if self.down:
            raise OSError("no endpoints available")
        return self.client.get_item(**asked)

    def query(self, **asked: Any) -> Any:
        self.asked.append(asked["ConsistentRead"])
        if self.down:
            raise OSError("no endpoints available")
        return self.client.query(**asked)


async def test_it_reads_what_the_table_has(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rows and pages are the table's, asked for without strong consistency, and from the table itself in an outage."""
    table = await DynamoTable.open(f"{make_table(name, 'pk', 'sk')}?region={REGION}&endpoint={local_aws()}")
    row = await table.write("acme/tool#a", b"result", expected=Absent(), lease=Keep(), expires_at=None)
    surface = Surface()
    reads = DaxReads.over(surface, Place(name, REGION, None), table)
    assert (await reads.read(row.key), await reads.scan("acme/tool#")) == (row, [row])
    surface.down = True
    assert (await reads.read(row.key), await reads.scan("acme/tool#")) == (row, [row])
    assert surface.asked == [False] * 4
    assert caplog.text.count("the table is read") == 2
    for change in (reads.delete("k", expected=row), reads.acquire("k", "w", now=0, until=1)):  # type: ignore[arg-type]
        with pytest.raises(Refused):
            await change
    await table.close()


async def test_it_is_refused_where_it_does_not_fit(stack: Any, tmp_path: Path) -> None:
    """Beside a role per tenant or over another table it is `Invalid`, and without a cluster `Unavailable`."""
    databases = Databases(stack)
    settings = load_settings(data=tmp_path, dax="dax://127.0.0.1:1")
    role = {"table": "dynamodb://t", "turn_role": "arn:aws:iam::000000000000:role/turn"}
    for wrong in (settings, settings.model_copy(update=role)):
        with pytest.raises(Invalid, match="dax"):
            await databases.stale(wrong, None)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="dax://"):
        await open_dax("http://127.0.0.1", Place("t", REGION, None), None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="VPC"):
        await open_dax("dax://127.0.0.1:1", Place("t", REGION, None), None)  # type: ignore[arg-type]
