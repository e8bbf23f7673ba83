"""The budgets of docs/engine.md on DynamoDB and S3, counted where the requests go over the wire."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
import pytest_asyncio

from outlive.aws.items import item_of
from outlive.aws.table import DynamoTable
from outlive.flows.engine import Engine
from outlive.flows.turn.find_session import find_mapping
from outlive.objects.objects import UrlObjects
from tests.aws.conftest import REGION
from tests.aws.stack import client
from tests.aws.test_doctor import make_table
from tests.aws.wire import Wire, wire_to
from tests.engine.conftest import KEY, World
from tests.servers import local_aws

MESSAGES = [int(number) for number in os.environ.get("OUTLIVE_TEST_MESSAGES", "10 100").split()]
"""From people and agent together; `make wire` takes more."""


def text(number: int) -> str:
    """A prompt of some 600 bytes that hardly compresses."""
    words = random.Random(number)
    return f"turn {number}: " + " ".join(f"{words.randrange(10**6):x}" for _ in range(90))


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[Wire]:
    """The way to the local AWS."""
    async with wire_to(local_aws()) as wire:
        yield wire


async def on_aws(world: World, name: str, wire: Wire) -> Engine:
    """A worker on DynamoDB and S3 that hold what the world has stored so far, and has nothing on its own disk."""
    url = make_table(name, "pk", "sk")
    dynamodb, s3 = client(local_aws(), "dynamodb"), client(local_aws(), "s3")
    for row in world.server.rows.values():
        dynamodb.put_item(TableName=name, Item=item_of(row))
    s3.create_bucket(Bucket=name)
    for key, (data, _) in world.server.blobs.items():
        s3.put_object(Bucket=name, Key=key, Body=data)
    options = {"endpoint": wire.url, "region": REGION, "client_options": {"allow_http": True}}
    objects = await UrlObjects.open(f"s3://{name}", clock=world.clock, options=options)
    table = await DynamoTable.open(f"{url}?region={REGION}&endpoint={wire.url}")
    return replace(world.worker("aws"), table=table, objects=objects)


async def test_a_mapping_is_one_request(tmp_path: Path, name: str, wire: Wire) -> None:
    """A session is found by its key in one read of the table, however many times it is asked for."""
    world = World(tmp_path)
    await world.turn(world.worker("memory"), "hello", "m0")
    engine = await on_aws(world, name, wire)
    seconds = []
    for _ in range(40):
        began = time.perf_counter()
        assert await find_mapping(engine, engine.stores("acme"), KEY) is not None
        seconds.append(time.perf_counter() - began)
    await engine.table.close()
    print(f"a mapping: median {median(seconds) * 1000:.1f} ms, best {min(seconds) * 1000:.1f} ms")
    assert dict(wire.kinds) == {"GetItem": 40}


@pytest.mark.parametrize("messages", MESSAGES)
async def test_a_turn_keeps_its_budget_on_the_wire(tmp_path: Path, name: str, wire: Wire, messages: int) -> None:
    """At any length a warm turn is 1 PUT, 1 read and 3 writes in few bytes; a cold one reads at most 4 objects more."""
    world = World(tmp_path)
    memory = world.worker("memory")
    for number in range(messages // 2):
        await world.turn(memory, text(number), f"m{number}")
    engine = await on_aws(world, name, wire)
    await world.turn(engine, text(messages), "cold")
    cold, cold_bytes = dict(wire.kinds), wire.received
    told = f"| {messages:,} | {wire.kinds.total()}, of them {cold['GET']} GET | {wire.received / 1000:,.1f} "
    wire.reset()
    await world.turn(engine, text(messages + 1), "warm")
    await engine.table.close()
    print(f"{told}| {wire.kinds.total()} | {wire.sent / 1000:.1f} | {wire.received / 1000:.1f} |")
    assert dict(wire.kinds) == {"GetItem": 1, "UpdateItem": 3, "PUT": 1}
    assert (wire.sent < 20_000, wire.received < 9_000) == (True, True), (wire.sent, wire.received)
    assert {kind: count for kind, count in cold.items() if kind != "GET"} == {"GetItem": 1, "UpdateItem": 3, "PUT": 1}
    assert cold["GET"] <= 4
    assert cold_bytes < 16_000 + 1_500 * messages
