"""The agent's own memory tools inside a turn, through the whole engine, the real CLI and warm processes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.agents.profiles import Profiles
from outlive.core.keys import SessionId
from outlive.core.state import State
from outlive.errors import AgentFailed, Invalid
from outlive.flows.knowledge.change_state import read_state, state_history
from outlive.flows.knowledge.preferences import read_preferences
from outlive.testing.scripted_model import Fail, script
from tests.agents.profile_folder import make_profile, server
from tests.e2e.warm_host import Host, Universe, universe

pytestmark = pytest.mark.cli

DONE = {"text": "done"}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A call of one of the tools."""
    return {"tool": f"mcp__session__{tool}", "input": arguments}


def keep(**facts: Any) -> dict[str, Any]:
    """A call that keeps facts."""
    return call("state_patch", patch={"extracted_context": facts})


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Universe]:
    """Stores and a model, and a profile that has the tools on."""
    make_profile(tmp_path / "profiles/default", settings={"memory_tools": True})
    async with universe(tmp_path) as made:
        yield made


@pytest.fixture
def host(world: Universe) -> Host:
    """A host whose processes stay."""
    return world.host(profiles=world.base / "profiles")


async def session_of(host: Host) -> SessionId:
    """The one session."""
    return (await host.world.head()).session_id


async def state(host: Host) -> State:
    """What is committed."""
    return await read_state(host.engine, host.engine.stores("acme"), await session_of(host))


def asked(world: Universe) -> str:
    """What the model was asked last."""
    return json.dumps(world.model.requests[-1].body["messages"], ensure_ascii=False)


async def test_what_the_agent_keeps_is_committed_with_its_turn(world: Universe, host: Host) -> None:
    """A patch runs without asking, is in the committed state by the agent's name, and goes before the next message."""
    turn = await host.turn(script(keep(city="Bern"), call("state_get"), DONE))
    assert turn.line.reply == "done"
    found = await state(host)
    assert (found.version, found.document["extracted_context"]) == (1, {"city": "Bern"})
    (change,) = await state_history(host.engine, host.engine.stores("acme"), await session_of(host))
    assert change.by == "agent"
    await host.turn("Where do I live?")
    assert "session-state" in asked(world)


async def test_a_warm_process_works_on_the_turn_that_runs(host: Host) -> None:
    """The process of the first turn patches the second one's state, on top of what the first one kept."""
    await host.turn(script(keep(city="Bern"), DONE))
    before = host.processes()
    await host.turn(script(keep(street="Main"), DONE))
    assert (len(before), host.processes()) == (1, before)
    found = await state(host)
    assert (found.version, found.document["extracted_context"]) == (2, {"city": "Bern", "street": "Main"})


async def test_what_the_agent_keeps_is_lost_with_its_turn(world: Universe, host: Host) -> None:
    """A turn that fails after a patch leaves the state as it was, and so does the next turn."""
    await host.turn(script(keep(city="Bern"), DONE))
    world.model.order(Fail(400, times=3, after=1))
    with pytest.raises(AgentFailed):
        await host.turn(script(keep(city="Rome"), DONE))
    assert "Rome" in asked(world)
    assert (await state(host)).document["extracted_context"] == {"city": "Bern"}
    await host.turn(script(keep(street="Main"), DONE))
    assert (await state(host)).document["extracted_context"] == {"city": "Bern", "street": "Main"}


async def test_another_worker_goes_on_with_what_was_kept(world: Universe, host: Host) -> None:
    """A worker that has nothing but the stores reads and patches what the first one's agent kept."""
    await host.turn(script(keep(city="Bern"), DONE))
    other = world.host("b", profiles=world.base / "profiles")
    await other.turn(script(call("state_get"), keep(city=None), DONE))
    assert (await state(other)).document["extracted_context"] == {}


async def test_a_bad_patch_is_told_and_changes_nothing(world: Universe, host: Host) -> None:
    """The model sees the named error and its fix; the turn goes on, and the state is as it was."""
    await host.turn(script(call("state_patch", patch={"metadata": {"v": 9}}), DONE))
    assert "Invalid: state field 'metadata.v'" in asked(world)
    assert (await state(host)).version == 0


async def test_preferences_are_kept_for_the_user(host: Host) -> None:
    """What the agent keeps about the user is there for their other sessions with this agent."""
    await host.turn(script(call("preferences_patch", patch={"tone": "short"}), call("preferences_get"), DONE))
    kept = await read_preferences(host.engine, host.engine.stores("acme"), "ada", "default")
    assert kept.values == {"tone": "short"}


async def test_without_the_setting_the_model_is_not_shown_them(world: Universe) -> None:
    """The shipped profile has no such tool."""
    await world.host("plain").turn("hello")
    assert "mcp__session" not in json.dumps(world.model.requests[-1].body["tools"])


def test_their_name_is_taken(tmp_path: Path) -> None:
    """A profile whose own server has the name of the tools' server is refused by file and line."""
    servers = {"mcpServers": {"session": server(command="a")["mcpServers"]["calc"]}}
    folder = make_profile(tmp_path / "profiles/bot", mcp=servers)
    with pytest.raises(Invalid, match=r"mcp.json, line 3: 'session' is the name of outlive's own server"):
        Profiles(folder.parent).load("bot")
