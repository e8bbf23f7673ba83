"""The real SDK and its CLI over the store: what one host was told, another remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, import_session_to_store, query
from claude_agent_sdk._internal import transcript_mirror_batcher
from claude_agent_sdk._internal.session_store import project_key_for_directory

from outlive.errors import Unavailable
from outlive.testing.faults import Action, ErrorBefore, Pass, Plan, Step
from outlive.testing.scripted_model import ScriptedModel, script
from tests.store.conftest import World

pytestmark = pytest.mark.cli

WORK = script(
    {"tool": "Bash", "input": {"command": "echo one", "description": "one"}, "delay": 0.5},
    {"tool": "Bash", "input": {"command": "echo two", "description": "two"}, "delay": 0.5},
    {"tool": "Agent", "input": {"description": "sub", "prompt": "Say hello", "subagent_type": "general-purpose"}},
    {"text": "done"},
)


ENV = {"IS_SANDBOX": "1", "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1"}


@dataclass
class Hosts:
    """Machines that share nothing but the store and the path of the working directory."""

    world: World
    model: ScriptedModel
    root: Path

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self.cwd = self.root / "work"
        self.cwd.mkdir()

    def config(self) -> Path:
        """A new host's empty config directory."""
        folder = self.root / f"host{next(self._numbers)}"
        folder.mkdir()
        return folder

    async def turn(self, text: str, *, store: Any = None, config: Path | None = None, **options: Any) -> ResultMessage:
        """One query, drained, on a new host and with a new store unless told otherwise."""
        given = ClaudeAgentOptions(
            env={**ENV, **self.model.env(), "CLAUDE_CONFIG_DIR": str(config or self.config())},
            cwd=self.cwd,
            session_store=store or self.world.store(),
            session_store_flush="eager",
            permission_mode="bypassPermissions",
            max_buffer_size=64 << 20,
            **options,
        )
        results = [message async for message in query(prompt=text, options=given) if isinstance(message, ResultMessage)]
        return results[-1]

    def key(self, session_id: str) -> dict[str, str]:
        """The SDK's key of a session in the working directory."""
        return {"project_key": project_key_for_directory(str(self.cwd)), "session_id": session_id}


@pytest.fixture
async def hosts(new_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    """Hosts on a local store and a scripted model; the SDK does not pause before it tries again."""
    monkeypatch.setattr(transcript_mirror_batcher, "MIRROR_APPEND_BACKOFF_S", (0.0, 0.0))
    async with ScriptedModel() as model:
        yield Hosts(await new_world("local"), model, tmp_path)


async def test_another_host_remembers(hosts: Hosts) -> None:
    """A resume by id, a continued conversation and a fork, each on a host that has nothing, know the name."""
    first = await hosts.turn("My name is Ada.")
    for how in ({"resume": first.session_id}, {"continue_conversation": True}):
        again = await hosts.turn("What is my name?", **how)
        assert ("Ada" in again.result, again.session_id) == (True, first.session_id)
    fork = await hosts.turn("What is my name?", resume=first.session_id, fork_session=True)
    assert ("Ada" in fork.result, fork.session_id == first.session_id) == (True, False)
    assert len(await hosts.world.store().list_sessions(hosts.key("")["project_key"])) == 2


async def test_tools_and_subagents_are_mirrored_whole(hosts: Hosts) -> None:
    """After a turn with tools and a subagent every log loads without a hole, and the next host goes on."""
    first = await hosts.turn(f"My name is Ada. {WORK}")
    store, key = hosts.world.store(), hosts.key(first.session_id)
    [subpath] = await store.list_subkeys(key)
    assert len(await store.load(key)) > 10 < len(await store.load({**key, "subpath": subpath}))
    again = await hosts.turn("/compact", resume=first.session_id)
    assert again.session_id == first.session_id
    assert len(await hosts.world.store().load(key)) > 20


async def test_a_mirrored_turn_survives_an_outage(hosts: Hosts) -> None:
    """While the backend fails the turn goes on; once it is back, `flush` stores what was missing, in its place."""
    back: list[bool] = []

    def rule(step: Step) -> Action:
        return ErrorBefore() if step.number > 6 and not back else Pass()

    store = hosts.world.store(Plan(rule))
    first = await hosts.turn(f"My name is Ada. {WORK}", store=store)
    with pytest.raises(Unavailable):
        await store.flush()
    back.append(True)
    await store.flush()
    again = await hosts.turn("What is my name?", resume=first.session_id)
    assert "Ada" in again.result


async def test_a_hole_stops_a_resume_and_an_import_heals_it(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transcript with a hole is not resumed; imported from the host that ran it, it is, and the model sees it all."""
    config, store = hosts.config(), hosts.world.store()
    real = store.append

    async def losing(key: Any, entries: list[Any]) -> None:
        if "echo one" in str(entries) and "[[script]]" not in str(entries):
            raise Unavailable
        await real(key, entries)

    store.append = losing
    first = await hosts.turn(f"My name is Ada. {WORK}", store=store, config=config)
    with pytest.raises(RuntimeError, match="has a hole"):
        await hosts.turn("What is my name?", resume=first.session_id)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(config))
    await import_session_to_store(first.session_id, hosts.world.store(), directory=str(hosts.cwd))
    again = await hosts.turn("What is my name?", resume=first.session_id)
    assert "Ada" in again.result
    request = str(hosts.model.requests[-1].body)
    assert all(text in request for text in ("My name is Ada", "'command': 'echo one'", "'command': 'echo two'"))
