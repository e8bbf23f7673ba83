"""The tool cache in front of a profile's MCP servers, through the whole engine and the real CLI."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.agents import equipment
from outlive.agents.isolation import Mode
from outlive.errors import AgentFailed
from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.run_turn import Turn
from outlive.settings import load_settings
from outlive.testing.scripted_model import script
from outlive.wiring import open_app
from tests.agents.calculator import Handler
from tests.agents.places import passable_folder
from tests.agents.profile_folder import make_profile, server
from tests.e2e.neighbours import everything_in, skip_unless_possible
from tests.e2e.warm_host import Host, Universe, universe
from tests.engine.conftest import session_key

pytestmark = pytest.mark.cli

CALCULATOR = str(Path(__file__).parents[1] / "agents/calculator.py")
BOB = session_key("acme", "console", "bob")
EVE = session_key("other", "console", "eve")
DONE = {"text": "done"}


def add(a: int, b: int, say: str = "done", **more: Any) -> str:
    """A message that makes the agent add two numbers, and say something."""
    return script({"tool": "mcp__calc__add", "input": {"a": a, "b": b, **more}}, {"text": say})


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Universe]:
    """Stores and a model, and a profile whose server's results are kept."""
    async with universe(tmp_path) as made:
        yield made


@pytest.fixture
def calls(tmp_path: Path, world: Universe) -> Path:
    """The file with every call that has reached the calculator."""
    path = tmp_path / "calls"
    path.touch()
    profile(world, calls=path)
    return path


def profile(world: Universe, *arguments: str, calls: Path | None = None, **more: Any) -> None:
    """The profile with the calculator; what it adds is kept for five minutes."""
    env = {"CALLS": str(calls)} if calls else {}
    told = {"env": env, "cache_minutes": {"add": 5}} | more
    mcp = server(command=sys.executable, args=[CALCULATOR, *arguments], **told)
    make_profile(world.base / "profiles/default", mcp=mcp)


def host(world: Universe, name: str = "a", **limits: Any) -> Host:
    """A host with that profile."""
    return world.host(name, profiles=world.base / "profiles", **limits)


def results(world: Universe) -> str:
    """What the model was told last."""
    return json.dumps(world.model.requests[-1].body["messages"])


def told(turn: Turn) -> str:
    """What the trace says of the agent's step."""
    return next(step.found for step in turn.trace.steps if step.name == "agent")


def count(calls: Path) -> int:
    """How often the server was called."""
    return len(calls.read_text().splitlines())


async def test_the_same_call_in_another_session_on_another_host_is_a_hit(world: Universe, calls: Path) -> None:
    """The server is called once for two sessions on two hosts, whatever the order of the parameters."""
    first = await host(world).turn(add(1, 2))
    assert (told(first), "3 for nobody" in results(world)) == ("tool cache: 0 hits, 1 misses", True)
    again = script({"tool": "mcp__calc__add", "input": {"b": 2.0, "a": 1}}, DONE)
    second = await host(world, "b").turn(again, key=BOB)
    assert (told(second), "3 for nobody" in results(world)) == ("tool cache: 1 hits, 0 misses", True)
    assert count(calls) == 1
    engine = host(world, "c").engine
    found = await ToolCache(engine.stores("acme"), engine.clock).stats("default", "mcp__calc__add")
    assert (found.entries, found.hits) == (1, 1)


async def test_another_tenant_asks_for_itself(world: Universe, calls: Path) -> None:
    """What one tenant was answered is not there for another one."""
    await host(world).turn(add(1, 2))
    await host(world, "b").turn(add(1, 2), key=EVE)
    assert count(calls) == 2


async def test_a_failing_tool_is_not_kept(world: Universe, calls: Path) -> None:
    """The error reaches the model as the server told it, and the next call is made again."""
    warm = host(world)
    for say in ("one", "two"):
        await warm.turn(add(1, 2, say, fault="no sums today"))
        assert "no sums today" in results(world)
    assert count(calls) == 2


async def test_a_call_outlives_the_warm_process_it_was_made_in(world: Universe, calls: Path) -> None:
    """One process serves two turns with the server open, and each turn's trace counts its own calls."""
    warm = host(world)
    await warm.turn(add(1, 2))
    process = warm.processes()
    second = await warm.turn(add(1, 2, "again"))
    assert (warm.processes(), told(second), count(calls)) == (process, "tool cache: 1 hits, 0 misses", 1)


async def test_a_large_answer_comes_back_whole(world: Universe, calls: Path) -> None:
    """An answer above 16 KB lies in an object of its own and is told to the model as it was."""
    dots = 60_000
    await host(world).turn(add(1, 2, dots=dots))
    await host(world, "b").turn(add(1, 2, dots=dots), key=BOB)
    assert (count(calls), sum("toolcache/" in each for each in world.world.server.blobs)) == (1, 1)


async def test_other_tools_of_the_server_are_passed_on(world: Universe, calls: Path) -> None:
    """A tool without minutes is called each time."""
    profile(world, calls=calls, cache_minutes={"subtract": 5})
    await host(world).turn(add(1, 2))
    await host(world, "b").turn(add(1, 2), key=BOB)
    assert ("3 for nobody" in results(world), count(calls)) == (True, 2)


async def test_a_cached_server_that_never_starts_is_named(world: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn goes on without it and says so; a required one fails the turn."""
    monkeypatch.setattr(equipment, "START_SECONDS", 1)
    profile(world, "100")
    turn = await host(world).turn(script(DONE))
    assert told(turn).startswith("MCP server 'calc' did not start: the turn went on without it. Start ")
    profile(world, "100", required=True)
    with pytest.raises(AgentFailed, match="'calc' did not start"):
        await host(world).turn(script({"text": "again"}))


async def test_a_server_that_leaves_is_started_again(world: Universe, calls: Path) -> None:
    """A call that ends the server is told as an error, and the next turn has a server again."""
    warm = host(world)
    await warm.turn(add(1, 2, leave=True))
    await warm.turn(add(1, 3))
    assert ("4 for nobody" in results(world), count(calls)) == (True, 2)


@pytest.fixture
def url() -> Iterator[str]:
    """The calculator over HTTP, for whoever has the token."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/mcp"
        listening.shutdown()
        thread.join()


async def test_a_server_over_http_is_cached(
    world: Universe, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has the token and asks once; the agent's folders never hold it."""
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("TOKEN", "Bearer right")
    mcp = server(url=url, headers={"Authorization": "${TOKEN}"}, cache_minutes={"add": 60})
    make_profile(world.base / "profiles/default", mcp=mcp)
    look = {"tool": "Bash", "input": {"command": "grep -rl 'Bearer righ[t]' .. ; true"}}
    await host(world).turn(script({"tool": "mcp__calc__add", "input": {"a": 1, "b": 2}}, look, DONE))
    assert "mcp.json" not in results(world)
    await host(world, "b").turn(add(1, 2), key=BOB)
    assert ("3 for nobody" in results(world), count(tmp_path / "calls")) == (True, 1)


WHO = """
while read -r line; do
  id=$(printf %s "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
  case "$line" in
    *'"initialize"'*) r='{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"w","version":"1"}}' ;;
    *tools/list*) r='{"tools":[{"name":"ami","inputSchema":{"type":"object"}}]}' ;;
    *tools/call*)
      told="uid $(id -u), keys $(env | grep -ci api_key), stores $(ls "$DATA" 2>/dev/null | wc -l)"
      r='{"content":[{"type":"text","text":"'$told'"}]}' ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$id" "$r"
done
"""
"""A server in the shell, which every user has: it says who it is and what it sees."""


@pytest.mark.parametrize("mode", ["user", "bubblewrap"])
async def test_a_cached_server_is_kept_apart_as_the_agent_is(mode: Mode) -> None:
    """It runs as the agent's user or in its sandbox, without the model's key, and cannot list the stores."""
    skip_unless_possible(mode)
    with passable_folder() as base:
        mcp = server(command="/bin/sh", args=["-c", WHO], env={"DATA": str(base / "data")}, cache_minutes={"ami": 5})
        make_profile(base / "profiles/default", mcp=mcp)
        places = {"data": base / "data", "workspaces": base / "trees", "profiles": base / "profiles"}
        async with open_app(load_settings(model="scripted", isolation=mode, **places)) as app:
            await app.ask("local:console:ada:default", script({"tool": "mcp__calc__ami", "input": {}}, DONE))
        found = "".join(everything_in(path) for path in (base / "trees").iterdir() if path.is_dir())
    assert "keys 0, stores 0" in found
    assert ("uid 0," in found) is (mode == "bubblewrap")
