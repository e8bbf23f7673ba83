"""Each tool of `outlive mcp`, called by the `mcp` package's client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from outlive.core.keys import session_key
from outlive.entrypoints.mcp_server.server import TOOLS
from tests.flows.conftest import World
from tests.mcp_server.conftest import tenant_calling

TOOL = {"tool": "weather", "parameters": {"city": "Bern", "days": 2}}


async def test_the_tools_are_listed_with_their_schemas(world: World) -> None:
    """Every tool is there, its arguments are described, and none of them is a tenant."""
    async with tenant_calling(world) as caller:
        listed = (await caller.client.list_tools()).tools
    assert [tool.name for tool in listed] == list(TOOLS)
    assert not [tool for tool in listed if "tenant" in tool.input_schema["properties"]]
    assert {tool.name for tool in listed if not tool.annotations.read_only_hint} == {
        *("append_message", "delete_messages", "state_patch", "preferences_patch", "cache_put", "cache_invalidate")
    }


async def test_a_session_is_checked_and_listed(world: World) -> None:
    """A session that is there is described; one that is not is no error."""
    turn = await world.say("hello")
    async with tenant_calling(world) as caller:
        found = await caller.ok("check_session", session="ada")
        assert (found["exists"], found["session_id"], found["turns"]) == (True, turn.session_id, 1)
        assert await caller.ok("check_session", session="nobody") == {"exists": False}
        assert [each["session_id"] for each in (await caller.ok("list_sessions"))["sessions"]] == [turn.session_id]


async def test_a_conversation_is_read_by_page(world: World) -> None:
    """The newest turns come first, then the ones before them, and long texts are cut."""
    for text in ("one", "two", "three"):
        await world.say(text)
    async with tenant_calling(world) as caller:
        page = await caller.ok("read_conversation", session="ada", limit=2, max_chars=3)
        assert [(turn["text"], turn["is_cut"]) for turn in page["turns"]] == [("two", True), ("thr", True)]
        before = await caller.ok("read_conversation", session="ada", before=page["before"])
        assert [turn["text"] for turn in before["turns"]] == ["one"]


async def test_messages_of_another_framework_are_kept(world: World) -> None:
    """A key without a session gets one; messages count up, are read in both directions, one by one, and removed."""
    async with tenant_calling(world) as caller:
        made = [await caller.ok("append_message", session="graph", role="user", text=text) for text in "abc"]
        assert [each["id"] for each in made] == [1, 2, 3]
        assert len({each["session_id"] for each in made}) == 1
        newest = await caller.ok("read_messages", session="graph", limit=2)
        assert ([each["text"] for each in newest["messages"]], newest["before"]) == (["b", "c"], 2)
        assert (await caller.ok("read_message", session="graph", id=1))["text"] == "a"
        assert await caller.ok("delete_messages", session="graph") == {"deleted": 3}


async def test_many_clients_append_at_once(world: World) -> None:
    """32 messages from four clients to a new key are 32 messages of one session."""

    async def append(worker: int) -> None:
        async with tenant_calling(world) as caller:
            for n in range(8):
                await caller.ok("append_message", session="crowd", role=f"w{worker}", text=str(n))

    await asyncio.gather(*map(append, range(4)))
    async with tenant_calling(world) as caller:
        messages = (await caller.ok("read_messages", session="crowd"))["messages"]
    assert [each["id"] for each in messages] == list(range(1, 33))


async def test_state_is_patched_and_read(world: World) -> None:
    """A session that never had a turn has state; its history says who changed what."""
    async with tenant_calling(world) as caller:
        patch = {"extracted_context": {"language": "de"}}
        assert (await caller.ok("state_patch", session="ada", patch=patch, by="crew"))["version"] == 1
        await caller.ok("state_patch", session="ada", patch=[{"op": "remove", "path": "/extracted_context/language"}])
        assert (await caller.ok("state_get", session="ada", version=1))["document"]["extracted_context"]
        changes = (await caller.ok("state_history", session="ada"))["changes"]
    assert [(change["by"], change["removed"]) for change in changes] == [
        ("crew", []),
        ("mcp", ["/extracted_context/language"]),
    ]


async def test_a_state_conflict_tells_both_sides(world: World) -> None:
    """A patch for an old version that touches a newer change is refused by name, with both values."""
    async with tenant_calling(world) as caller:
        await caller.ok("state_patch", session="ada", patch={"extracted_context": {"city": "Bern"}})
        other = {"extracted_context": {"city": "Rome"}}
        error = await caller.refused("state_patch", session="ada", patch=other, expected=0)
    assert error["type"] == "StateConflict"
    assert "Bern" in error["message"]
    assert "Rome" in error["message"]


async def test_preferences_are_per_user_and_agent(world: World) -> None:
    """What a user told one agent is not another's."""
    async with tenant_calling(world) as caller:
        await caller.ok("preferences_patch", user="ada", patch={"tone": "short", "unit": "m"})
        await caller.ok("preferences_patch", user="ada", patch={"unit": None})
        assert (await caller.ok("preferences_get", user="ada"))["values"] == {"tone": "short"}
        assert (await caller.ok("preferences_get", user="ada", agent="other"))["values"] == {}


async def test_results_are_cached_counted_and_forgotten(world: World) -> None:
    """A kept result is found whatever the order of its parameters, counted, and gone when it is invalidated."""
    async with tenant_calling(world) as caller:
        assert await caller.ok("cache_get", **TOOL) == {"hit": False}
        await caller.ok("cache_put", **TOOL, result="sunny")
        turned = {"tool": "weather", "parameters": {"days": 2.0, "city": "Bern"}}
        assert await caller.ok("cache_get", **turned) == {"hit": True, "result": "sunny"}
        assert await caller.ok("cache_stats", tool="weather") == {"entries": 1, "bytes": 5, "hits": 1}
        await caller.ok("cache_invalidate", tool="weather")
        assert await caller.ok("cache_get", **TOOL) == {"hit": False}
        assert (await caller.ok("cache_stats", tool="weather"))["entries"] == 0


async def test_a_kept_result_runs_out(world: World) -> None:
    """After its time a result is neither found nor counted as an entry."""
    async with tenant_calling(world) as caller:
        await caller.ok("cache_put", **TOOL, result="sunny", ttl=300)
        world.clock.advance(301)
        assert await caller.ok("cache_get", **TOOL) == {"hit": False}
        assert (await caller.ok("cache_stats", tool="weather"))["entries"] == 0


async def test_a_tenant_sees_nothing_of_another(world: World) -> None:
    """A key that names another tenant is refused; another's session id, user and results are not there."""
    turn = await world.say("secret", key=session_key("acme", "console", "ada"))
    async with tenant_calling(world) as caller:
        await caller.ok("cache_put", **TOOL, result="ours")
    async with tenant_calling(world, "other") as caller:
        assert (await caller.refused("check_session", session="acme:console:ada:default"))["type"] == "Refused"
        assert await caller.ok("check_session", session=turn.session_id) == {"exists": False}
        assert (await caller.refused("read_conversation", session=turn.session_id))["type"] == "NotFound"
        assert await caller.ok("cache_get", **TOOL) == {"hit": False}


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("check_session", {}, "session"),
        ("check_session", {"session": "ada", "tenant": "other"}, "tenant"),
        ("list_sessions", {"limit": 5000}, "limit"),
        ("append_message", {"session": "ada", "role": "", "text": "x"}, "role"),
        ("state_patch", {"session": "ada", "patch": "text"}, "patch"),
        ("state_patch", {"session": "ada", "patch": {"metadata": {"v": 9}}}, "metadata.v"),
        ("cache_put", {**TOOL, "result": "x", "ttl": 5}, "ttl"),
        ("preferences_patch", {"user": "a\x00", "patch": {}}, "user"),
        ("nonsense", {}, "nonsense"),
    ],
)
async def test_bad_arguments_are_named(world: World, tool: str, arguments: dict[str, Any], named: str) -> None:
    """An argument that is missing, unknown or out of range is an error that names it and the fix."""
    async with tenant_calling(world) as caller:
        error = await caller.refused(tool, **arguments)
    assert error["type"] in {"Invalid", "NotFound"}
    assert named in error["message"]
    assert error["fix"]


async def test_what_fails_is_told_as_it_is(world: World) -> None:
    """A store that is down is an error by its own name, and the server goes on."""
    async with tenant_calling(world) as caller:
        world.server.failure = ConnectionResetError("down")
        assert (await caller.refused("check_session", session="ada"))["type"] == "Unavailable"
        world.server.failure = None
        assert json.dumps(await caller.ok("check_session", session="ada")) == '{"exists": false}'
