"""Redis, PostgreSQL or both really killed while a real worker runs a turn of the real CLI, and started again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from outlive.testing.scripted_model import script
from tests.agents.places import passable_folder
from tests.e2e.test_kills import SLOW, Machine, events
from tests.servers import PostgresServer, RedisServer

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found through /proc, which only Linux has"),
]

AGAIN = script({"tool": "Bash", "input": {"command": "echo again >> log.txt"}}, {"text": "again"})


LONG = bool(os.environ.get("OUTLIVE_TEST_KILLS"))  # `make kills`
CASES = [("redis+postgres", 1.0)]
"""Which servers, and how long they are away."""
if LONG:
    CASES += [("redis", 1.0), ("postgres", 1.0), ("postgres", 5.0), ("redis+postgres", 5.0)]
    # 5 s: longer than lease and visibility of the turn


class Servers:
    """What a worker's stores are kept on, and the machine it runs on."""

    def __init__(self, base: Path) -> None:
        self.redis, self.postgres = RedisServer(base / "redis"), PostgresServer()
        self.redis.start()
        self.machine = Machine(
            base,
            table=self.postgres.url,
            queue=self.postgres.url,
            archive=self.postgres.url,
            hot=self.redis.url,
            broadcast=self.redis.url,
            trace="on",
        )
        self.machine.run("send", "ada", SLOW, "--message-id", "m1")
        self.worker: Popen[str] = self.machine.worker(turns=None)

    def named(self, names: str) -> list[RedisServer | PostgresServer]:
        """The servers of these names."""
        return [getattr(self, name) for name in names.split("+")]

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of this kind that the worker tells of."""
        return next(event for event in events(self.worker) if event["event"] == kind)

    def turn(self, message_id: str) -> dict[str, Any]:
        """How the message's turn went; repeats of others are passed over."""
        return next(turn for turn in iter(lambda: self.until("turn"), None) if turn["message_id"] == message_id)

    def close(self) -> None:
        """End everything."""
        self.machine.close()
        self.redis.close()
        self.postgres.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers of this test's own, and a worker that runs a turn."""
    with ExitStack() as stack:
        made = Servers(stack.enter_context(passable_folder()))
        stack.callback(made.close)
        made.until("tool")
        yield made


def ask_again(servers: Servers, number: int) -> dict[str, Any]:
    """The next message is answered from what the turns before it left, nothing missing or twice; its event."""
    servers.machine.run("send", "ada", AGAIN, "--message-id", f"m{number}")
    turn = servers.turn(f"m{number}")
    assert (turn["before"], turn["after"]) == (number - 1, number)
    log = (Path(turn["root"]) / "work" / "log.txt").read_text().split()
    assert log == ["began", "ended", *["again"] * (number - 1)]
    return turn


@pytest.mark.promise("P1")
@pytest.mark.parametrize(("names", "seconds"), CASES)
def test_servers_killed_in_mid_turn_and_started_again_lose_nothing(
    servers: Servers, names: str, seconds: float
) -> None:
    """Killed while the tool runs and back after a while, the turn is committed once, and the next go on from it."""
    for server in servers.named(names):
        server.kill()
    time.sleep(seconds)
    for server in servers.named(names):
        server.start()
    turn = servers.turn("m1")
    assert (turn["reply"], turn["before"], turn["after"]) == ("done", 0, 1)
    ask_again(servers, 2)
    _a_cold_turn_without_redis_says_so(servers)
    shown = json.loads(servers.machine.run("sessions", "show", "ada", "--json"))["conversation"]["turns"]
    assert [(line["message_id"], line["reply"]) for line in shown] == [("m1", "done"), ("m2", "again"), ("m3", "again")]
    if LONG:
        servers.machine.run("archive", "collect")
        assert json.loads(servers.machine.run("archive", "verify", "--json"))["entries"] == 3


def _a_cold_turn_without_redis_says_so(servers: Servers) -> None:
    servers.redis.kill()
    servers.worker.kill()
    servers.worker.wait()
    servers.machine.forget_trees()
    servers.worker = servers.machine.worker(turns=None)
    turn = ask_again(servers, 3)
    assert any("hot tier: down" in step["found"] for step in turn["steps"])
