"""Two local AWSs as two regions: a home that is killed in mid-turn, and one that is cut off and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from outlive.aws.table import DynamoTable
from outlive.clock import SystemClock
from outlive.core.regions import Regions, Replication
from outlive.entrypoints.aws_stack.tables import table_definition
from outlive.errors import LeaseLost, OutliveError
from outlive.flows.regions.copying import Copying
from outlive.flows.regions.give_back import give_back
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.regional_table import RegionalTable
from outlive.flows.regions.replicated_objects import ReplicatedObjects
from outlive.flows.regions.take_over import plan_take_over, take_over
from outlive.flows.turn.ask_agent import ask_agent
from outlive.flows.turn.find_session import hold_session
from outlive.flows.turn.hold_lease import Lease
from outlive.objects.objects import UrlObjects
from outlive.settings import load_settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app
from tests.engine.conftest import KEY, World
from tests.servers import local_aws, start_aws

EAST, WEST = "us-east-1", "us-west-2"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What any AWS program finds; the local one takes them all."""
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": EAST}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def make_stores(url: str, name: str, region: str) -> None:
    """A table and a bucket."""
    aws = boto3.Session("test", "test", region_name=region)
    aws.client("dynamodb", endpoint_url=url).create_table(**table_definition(name))
    place = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    aws.client("s3", endpoint_url=url).create_bucket(Bucket=name, **place)


def environment(folder: Path, name: str, region: str, own: str, peer: str) -> dict[str, str]:
    """What a process in `region` is told, whose stores are at `own` and the other's at `peer`."""
    other = WEST if region == EAST else EAST
    named = {
        "REGION": region,
        "REGIONS": f"{EAST},{WEST}",
        "REPLICATION": "synchronous",
        "TABLE": f"dynamodb://{name}?region={region}&endpoint={own}",
        "OBJECTS": f"s3://{name}",
        "PEER_TABLE": f"dynamodb://{name}?region={other}&endpoint={peer}",
        "PEER_OBJECTS": f"s3://{name}?region={other}&endpoint={peer}",
        "DATA": str(folder / region),
        "WORKSPACES": str(folder / region / "trees"),
        "FLUSH_SECONDS": "0.3",
        "ISOLATION": "none",
    }
    env = {f"OUTLIVE_{key}": value for key, value in named.items()}
    return env | {"AWS_ENDPOINT_URL": own, "AWS_ALLOW_HTTP": "true", "AWS_REGION": region}


@pytest.mark.promise("P1")
async def test_a_home_killed_in_mid_turn_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker and stores of the home are killed in a turn; the survivor finishes that turn, nothing is lost; timed."""
    (east, kill_east), west, name = start_aws({}), local_aws(), f"r{os.getpid()}"
    make_stores(east, name, EAST)
    make_stores(west, name, WEST)
    env = os.environ | environment(tmp_path, name, EAST, east, west)
    await asyncio.to_thread(_die_in_mid_turn, env, kill_east)
    began = time.perf_counter()
    for key, value in environment(tmp_path, name, WEST, west, east).items():
        monkeypatch.setenv(key, value)
    command = [sys.executable, "-m", "outlive", "region", "failover", "--yes", "--json"]
    told = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    done = json.loads(told.stdout)
    async with open_app(load_settings(), agent=InstantAgent()) as app:
        turn = await ask_agent(app.engine, KEY, "two", message_id="two")
        seconds = time.perf_counter() - began
        again = await ask_agent(app.engine, KEY, "three", message_id="three")
    print(f"time from the failure to the first answer: {seconds:.1f} s")
    assert (done["plan"]["may_lose_seconds"], done["done"]["sessions"], done["done"]["alone"]) == (0, 1, True)
    assert (turn.line.turn, turn.how, again.line.turn) == (2, "continued", 3)


def _die_in_mid_turn(env: dict[str, str], kill_stores: Callable[[], None]) -> None:
    command = [sys.executable, "-m", "tests.regions.home"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        try:
            assert [worker.stdout.readline().strip() for _ in range(2)] == ["answered", "flushed"]
        finally:
            worker.kill()
            kill_stores()


class Cable:
    """The way to a server, which can be cut."""

    def __init__(self, target: str) -> None:
        self.target, self.url, self.is_cut = urlsplit(target), "", False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset what is open; what comes is closed at once, until `is_cut` is false again."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.is_cut:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection(self.target.hostname, self.target.port)
        self._open.update((writer, forth))
        with suppress(OSError):
            await asyncio.gather(_pass(reader, forth), _pass(back, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def cable_to(target: str) -> AsyncIterator[Cable]:
    """A cable to the server at `target`."""
    cable = Cable(target)
    server = await asyncio.start_server(cable.serve, "127.0.0.1", 0)
    cable.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield cable
    server.close()
    cable.cut()


async def open_region(name: str, own: str, urls: dict[str, str]) -> RegionPair:
    """Both regions as they are reached from one."""
    tables: dict[str, Any] = {}
    objects: dict[str, Any] = {}
    for region, url in urls.items():
        tables[region] = await DynamoTable.open(f"dynamodb://{name}?region={region}&endpoint={url}")
        options = {"endpoint": url, "region": region, "client_options": {"allow_http": True}}
        options["retry_config"] = {"max_retries": 0}
        objects[region] = await UrlObjects.open(f"s3://{name}", clock=SystemClock(), options=options)
    pair = RegionPair(Regions((EAST, WEST), own), Replication.SYNCHRONOUS, tables, objects, SystemClock())
    pair.control_seconds = 0.2
    return pair


@pytest.mark.promise("P4")
async def test_a_home_that_was_cut_off_comes_back_stale(tmp_path: Path) -> None:
    """Cut off, the home acknowledges nothing; back again, it is refused and follows the new home; then goes home."""
    east, west, name = start_aws({})[0], local_aws(), f"p{os.getpid()}"
    make_stores(east, name, EAST)
    make_stores(west, name, WEST)
    async with cable_to(west) as to_west, cable_to(east) as to_east:
        here = await open_region(name, EAST, {EAST: east, WEST: to_west.url})
        there = await open_region(name, WEST, {EAST: to_east.url, WEST: west})
        old, new = _worker(tmp_path, here), _worker(tmp_path, there)
        await ask_agent(old, KEY, "one", message_id="one")
        to_west.cut()
        to_east.cut()
        here.control_seconds = 60.0  # it looks for the other region once, and not again while it is cut off
        with pytest.raises(OutliveError):
            await ask_agent(old, KEY, "two", message_id="two")
        stale = await _held(old)
        await take_over(there, await plan_take_over(there), everything=True)
        assert (await ask_agent(new, KEY, "two", message_id="two")).line.turn == 2
        to_west.is_cut = to_east.is_cut = False
        here.control_seconds = 0.2
        with pytest.raises(LeaseLost):
            await stale.commit(replace(stale.head, version=2))
        assert (await ask_agent(old, KEY, "three", message_id="three")).line.turn == 3
        done = await give_back(there)
        assert (done.returned, done.lost_turns) == (1, 0)
        assert (await ask_agent(old, KEY, "four", message_id="four")).line.turn == 4
        for table in (*here.tables.values(), *there.tables.values()):
            await table.close()


async def _held(engine: Any) -> Lease:
    """The session's lease, taken in the region that is cut off, once the turn that failed has run out."""
    lease = await hold_session(engine, engine.stores("acme"), KEY, "default")
    assert isinstance(lease, Lease)
    return lease


def _worker(folder: Path, pair: RegionPair) -> Any:
    copying = Copying(pair)
    world = World(folder / pair.regions.own)
    engine = world.worker(pair.regions.own)
    return replace(
        engine,
        table=RegionalTable(pair, copying),
        objects=ReplicatedObjects(pair, copying),
        clock=SystemClock(),
        policy=replace(engine.policy, region=pair.regions.own),
    )
