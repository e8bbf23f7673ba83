"""A profile that changes reaches sessions that live, through the whole engine and the real CLI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.profiles import Profiles
from outlive.core.keys import SessionId, head_key
from outlive.core.sessions import Head, decode_head
from outlive.errors import Invalid
from outlive.testing.scripted_model import ScriptedModel
from tests.agents.profile_folder import make_profile
from tests.e2e.test_hosts import Hosts

pytestmark = pytest.mark.cli


@pytest_asyncio.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    """Hosts whose default profile is a folder of the test."""
    make_profile(tmp_path / "profiles/default", prompt="You are the first.")
    async with ScriptedModel() as model:
        found = Hosts(tmp_path, model)
        found.agent = ClaudeAgent(ModelSettings("scripted", base_url=model.url), Profiles(tmp_path / "profiles"))
        yield found
        await found.agent.close()


async def head_of(hosts: Hosts, session_id: str) -> Head:
    """The session's head as it is stored."""
    row = await hosts.world.worker("any").stores("acme").table.read(head_key(SessionId(session_id)))
    assert row is not None
    return decode_head(row.body, row.key)


async def test_a_changed_prompt_reaches_a_live_session(hosts: Hosts, tmp_path: Path) -> None:
    """The next turn of a running conversation asks the model with the new prompt, and the head says which it was."""
    profiles = Profiles(tmp_path / "profiles")
    for prompt in ("You are the first.", "You are the second."):
        make_profile(tmp_path / "profiles/default", prompt=prompt)
        turn = await hosts.turn(f"{prompt} Or not?")
        assert prompt in str(hosts.model.requests[-1].body["system"])
        version = (await head_of(hosts, turn.session_id)).prompt_version
        assert version == turn.line.prompt_version == profiles.load("default").digest
    assert len(hosts.model.requests[-1].body["messages"]) > len(hosts.model.requests[0].body["messages"])


async def test_a_profile_that_breaks_stops_nothing_for_good(hosts: Hosts, tmp_path: Path) -> None:
    """A turn is refused by file and line while the profile is broken, and the session goes on when it is mended."""
    await hosts.turn("My name is Ada")
    make_profile(tmp_path / "profiles/default", settings='{\n "memry": true\n}')
    with pytest.raises(Invalid, match=r"settings.json, line 2: 'memry' is not known here. Did you mean 'memory'"):
        await hosts.turn("What is my name?")
    make_profile(tmp_path / "profiles/default", settings={"memory": True})
    assert "Ada" in (await hosts.turn("What is my name?")).line.reply
