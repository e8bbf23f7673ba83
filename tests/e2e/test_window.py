"""The real CLI on a host that has only a window of the session, beside one that has all of it."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

from outlive.agents.models import ModelSettings
from outlive.agents.options import ALLOWED, TOOLS, environment
from outlive.core.transcripts import unknown_parents
from outlive.flows.run_turn import Turn
from outlive.protocols import AgentEvent, AgentTurn, SessionSeen, TurnDone
from outlive.testing.prefix import Comparison, compare_prompts
from outlive.testing.scripted_model import ScriptedModel, script
from tests.e2e.hosts import OUTPUT, WORK, Hosts, Tree
from tests.e2e.scenarios import COMPACTION, OK, PIXEL, bash, subagent, tool

pytestmark = pytest.mark.cli

COMPACT = "/compact"
LARGE = script(bash("yes abcdefgh | head -c 20000"), bash("yes 12345678 | head -c 20000"), OK)
IMAGE = script(bash(f"echo {PIXEL} | base64 -d > p.png"), tool("Read", file_path=f"{WORK}/p.png"), OK)
AUTOMATIC = (
    "My name is Ada",
    IMAGE,
    script(subagent(bash("echo sub > sub.txt"), {"text": "found it"}), bash("seq 1 70000"), OK),
    LARGE,
    "My cat is Tom",
    IMAGE,
    script(tool("Read", file_path=OUTPUT, offset=69990, limit=5), OK),
    "What is my name?",
)
MANUAL = (
    "My name is Ada",
    script(subagent(bash("echo sub > sub.txt"), {"text": "found it"}), bash("seq 1 70000"), OK),
    COMPACT,
    IMAGE,
    "My cat is Tom",
    COMPACT,
    "What is my name?",
    "What is my cat?",
)


class _ByHand:
    """The agent, and for `/compact` the SDK in the same tree: our own agent takes a message for what it says."""

    def __init__(self, hosts: Hosts) -> None:
        assert hosts._agent is not None
        self.agent, self.hosts = hosts._agent.agent, hosts

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        if turn.prompt != COMPACT:
            async for event in self.agent.run(turn):
                yield event
            return
        session_id = turn.agent_session_id or ""
        async for message in query(prompt=COMPACT, options=self._options(turn)):
            if isinstance(message, ResultMessage):
                yield SessionSeen(session_id)
                yield TurnDone("compacted", session_id)

    def _options(self, turn: AgentTurn) -> ClaudeAgentOptions:
        model = ModelSettings("scripted", "claude-sonnet-5-5", base_url=self.hosts.model.url, retries=0)
        return ClaudeAgentOptions(
            cwd=turn.root / "work",
            env=environment(turn.root, model, self.hosts.options, inherited=os.environ, is_root=False),
            model=model.model,
            tools=list(TOOLS),
            allowed_tools=list(ALLOWED),
            setting_sources=[],
            skills=[],
            resume=turn.agent_session_id,
        )

    def __getattr__(self, name: str) -> object:
        return getattr(self.agent, name)


@dataclass
class Played:
    """A session in which every turn was also run, in a copy of the stores, on a host with all of it."""

    how: list[str] = field(default_factory=list)
    """How the tree of each turn came to its host."""
    compared: list[Comparison] = field(default_factory=list)
    """What the model was asked first in each turn, beside what it was asked on the host with everything."""
    replies: list[str] = field(default_factory=list)
    transcript: bytes = b""
    """As it lies in the stores."""
    windows: list[Tree] = field(default_factory=list)
    """What each host had on disk at the end of its turn."""


async def _turn(hosts: Hosts, text: str, mode: str) -> tuple[Turn, dict[str, object]]:
    """One turn on a new host, and the first request that it made."""
    await hosts.move()
    assert hosts._agent is not None
    hosts._agent.agent = _ByHand(hosts)  # type: ignore[assignment]
    hosts.moves = False
    hosts.worker = lambda: hosts.world.worker("any", hydration=mode)
    start = len(hosts.model.requests)
    turn = await hosts.turn(text)
    kinds = ("turn",) if text != COMPACT else ("turn", "summary")
    return turn, next(each.body for each in hosts.model.requests[start:] if each.kind in kinds)


async def _play(turns: tuple[str, ...], base: Path, options: dict[str, object]) -> Played:
    played = Played()
    async with ScriptedModel() as model:
        hosts = Hosts(base, model, **options)
        for number, text in enumerate(turns):
            kept, before = hosts.world.server, copy.deepcopy(hosts.world.server)
            expected = None
            if number > 1:  # nothing is compacted before
                hosts.world.server = before
                _, expected = await _turn(hosts, text, "full")
                for seen in (hosts.restored, hosts.committed, hosts.asked):
                    seen.pop()
            hosts.world.server = kept
            turn, found = await _turn(hosts, text, "window")
            played.how.append(next(step.found for step in turn.trace.steps if step.name == "hydrate"))
            played.replies.append(turn.line.reply)
            played.compared += [compare_prompts(expected, found, ids=())] if expected else []
        await hosts.leave()
        played.windows = hosts.committed
        head = await hosts.world.head()
        path = f"config/projects/session/{head.agent_session_id}.jsonl"
        played.transcript = await hosts.world.file(path) or b""
    return played


@pytest.fixture(scope="module", params=["automatic", "manual"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A session with images, subagents and large outputs that was compacted more than once."""
    base = tmp_path_factory.mktemp("window")
    if request.param == "manual":
        return asyncio.run(_play(MANUAL, base, {}))
    return asyncio.run(_play(AUTOMATIC, base, dict(COMPACTION.options)))


def test_the_model_is_asked_the_same(played: Played) -> None:
    """On every host the first request of a turn is, byte for byte, the one of a host that has the whole tree."""
    for comparison in played.compared:
        assert comparison.share == 1.0, comparison.difference
        assert not comparison.difference


def test_only_a_window_was_restored(played: Played) -> None:
    """From the first compaction on hosts get less than the whole, and the trace says so; before, it says why not."""
    is_window = ["left out" in how for how in played.how]
    first = is_window.index(True)
    assert all(is_window[first:])
    assert all("no compaction to start from" in how for how in played.how[1:first])
    assert played.transcript.count(b'"subtype":"compact_boundary"') >= 2


def test_the_stored_transcript_is_whole(played: Played) -> None:
    """What the windows' hosts committed goes on where the last one ended: no parent is missing, no entry is double."""
    entries = [json.loads(line) for line in played.transcript.splitlines()]
    uuids = [entry["uuid"] for entry in entries if "uuid" in entry]
    assert len(uuids) == len(set(uuids))
    assert unknown_parents(played.transcript) == []
    local = next(content for path, (_, _, content) in played.windows[-1].items() if path.count("/") == 3)
    assert len(local) < len(played.transcript)
    assert played.transcript.endswith(local[local.rindex(b'"subtype":"compact_boundary"') :])


def test_what_was_told_before_is_known(played: Played) -> None:
    """A fact from before two compactions is in the last answers."""
    assert any("Ada" in reply for reply in played.replies[-2:])
