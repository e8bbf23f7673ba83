"""The kit finds nothing on any of our own backends; `outlive conformance` says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import boto3
import pytest

from outlive.entrypoints.cli import run_with
from outlive.entrypoints.conformance.live_stores import LiveStores, live_stores
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.settings import Settings
from outlive.stores import Stores
from outlive.testing.clock import ManualClock
from outlive.testing.concurrency import run_kit
from tests.servers import PostgresPlace, RedisServer, local_aws, s3_request, seaweed_s3


async def check(live: LiveStores) -> None:
    """Every promise is asked for and kept."""
    report = await run_kit(live.subject)
    assert [each.verdict for each in report.verdicts] == ["kept"] * len(report.verdicts), report.text()


async def left(live: LiveStores) -> int:
    """What lies below the tenant of a run."""
    stores = live._opened[0]
    rows, objects = await stores.table.scan(f"{live.tenant}/"), await stores.objects.list(f"{live.tenant}/")
    return len(rows) + len(objects)


@pytest.mark.promise("P5")
async def test_nothing_is_found_in_memory() -> None:
    """On the memory backends every promise is kept."""
    server, clock = MemoryServer(), ManualClock()
    stores = Stores(MemoryTable(server), MemoryQueue(server, clock=clock), MemoryObjects(server, clock=clock))
    live = LiveStores([stores], "conformance-memory")
    await check(live)
    await live.remove()
    assert await left(live) == 0


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.close()


@pytest.mark.promise("P5")
async def test_nothing_is_found_on_postgres_below_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    """On PostgreSQL with a hot tier in Redis every promise is kept."""
    url = PostgresPlace(tmp_path).url
    async with live_stores(Settings(data=tmp_path, table=url, queue=url, hot=redis_server.url)) as live:
        await check(live)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A table on a local DynamoDB and a bucket on a real S3 server."""
    name = "t" + blake2b(str(tmp_path).encode(), digest_size=8).hexdigest()
    env = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    for variable, value in (env | {"AWS_ENDPOINT": seaweed_s3(), "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(variable, value)
    client = boto3.client("dynamodb", endpoint_url=local_aws(), region_name="us-east-1")
    with suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
    s3_request("PUT", f"{seaweed_s3()}/{name}")
    table = f"dynamodb://{name}?region=us-east-1&endpoint={local_aws()}"
    return Settings(data=tmp_path, table=table, objects=f"s3://{name}")


@pytest.mark.promise("P5")
async def test_nothing_is_found_on_aws(aws: Settings) -> None:
    """On DynamoDB's and S3's local stand-ins every promise is kept, and nothing is left behind."""
    async with live_stores(aws) as live:
        await check(live)
        await live.remove()
        assert await left(live) == 0


@pytest.mark.promise("P5")
def test_nothing_is_found_on_sqlite_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`outlive conformance --json` on SQLite and a folder finds every promise kept."""
    assert run_with(["conformance", "--data", str(tmp_path), "--no-contracts", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert {each["verdict"] for each in report["reports"][0]["checks"]} == {"kept"}


def test_the_command_finds_faults_in_a_store_of_somebody_else(capsys: pytest.CaptureFixture[str]) -> None:
    """`--store MODULE:SUBJECT` exits 1 and prints a table with the fault's name."""
    assert run_with(["conformance", "--store", "tests.concurrency.layouts:S3_LIKE"]) == 1
    assert "BROKEN (duplicate" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["no_such_module_anywhere:x", "tests.concurrency.layouts:nothing", "json:loads"])
def test_what_is_no_store_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A module or a factory that is not there, and one that makes no store, is an error with its fix."""
    assert run_with(["conformance", "--store", name]) == 2
    assert "MODULE:FACTORY" in capsys.readouterr().err
