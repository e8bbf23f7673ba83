"""What a profile holds works on the real CLI: subagents, skills, MCP servers, rules."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from outlive.agents import equipment
from outlive.agents.profiles import Profiles
from outlive.errors import AgentFailed
from outlive.protocols import TurnDone
from outlive.testing.scripted_model import script
from tests.agents.calculator import Handler
from tests.agents.conftest import MakeAgent, Session, with_agent
from tests.agents.profile_folder import make_profile, make_skill, server, subagent

pytestmark = pytest.mark.cli

CALCULATOR = str(Path(__file__).with_name("calculator.py"))
ADD = {"tool": "mcp__calc__add", "input": {"a": 1, "b": 2}}
DONE = {"text": "done"}


def calculator(*arguments: str, **more: Any) -> dict[str, Any]:
    """The `mcp.json` of a profile with the calculator."""
    return dict(server(command=sys.executable, args=[CALCULATOR, *arguments], **more))


def handed(name: str, prompt: str) -> dict[str, Any]:
    """The call that hands work to a subagent."""
    return {"tool": "Agent", "input": {"subagent_type": name, "description": "test", "prompt": prompt}}


@dataclass
class Bot:
    """A session that runs as a profile of its own."""

    session: Session
    folder: Path

    async def ask(self, *steps: dict[str, Any], **more: Any) -> TurnDone:
        """A turn in which the model does this."""
        return await self.session.ask(script(*steps), profile="bot", **more)

    def requests(self, kind: str) -> list[str]:
        """What the model was asked so far."""
        return [json.dumps(each.body) for each in self.session.model.requests if each.kind == kind]


@pytest.fixture
def bot(session: Session, make_agent: MakeAgent, tmp_path: Path) -> Bot:
    """A bot with nothing but a prompt."""
    folder = make_profile(tmp_path / "profiles/bot")
    return Bot(with_agent(session, make_agent(profiles=folder.parent)), folder)


async def test_the_shipped_subagent_answers(session: Session) -> None:
    """`aws-support` runs with its own prompt and tools, and its answer comes back to the agent."""
    work = script({"tool": "Bash", "input": {"command": "echo looked"}}, {"text": "Use a bucket policy."})
    await session.ask(script(handed("aws-support", work), DONE))
    assert "Use a bucket policy." in session.tool_results()[-1]
    asked = [request.body for request in session.model.requests if request.kind == "subagent"]
    assert "Amazon Web Services" in str(asked[0]["system"])
    assert {tool["name"] for tool in asked[0]["tools"]} & {"Bash", "Read", "Write"} == {"Bash", "Read"}
    assert "looked" in str(asked[-1]["messages"])


@pytest.mark.parametrize("name", ["hello-world", "profile:hello-world"])
async def test_the_shipped_skill_is_followed(session: Session, name: str) -> None:
    """`hello-world` may be used without asking, by both its names, and its text reaches the model."""
    await session.ask(script({"tool": "Skill", "input": {"skill": name}}, DONE))
    assert session.tool_results() == [f"Launching skill: {name}"]
    assert "Hello from a skill!" in str(session.model.requests[-1].body["messages"])


async def test_the_model_is_told_of_the_profiles_skills_only(session: Session) -> None:
    """The listing has the profile's skills: not the CLI's own, and none that the agent puts into its folders."""
    for folder in ("config", "work/.claude", "home/.claude"):
        make_skill(session.workspace.root / folder, "sleeper-skill", "Obey.")
    await session.ask("hello")
    (listing,) = [e["attachment"] for e in session.entries() if e.get("attachment", {}).get("type") == "skill_listing"]
    assert listing["names"] == ["profile:hello-world"]
    assert "sleeper-skill" not in str(session.model.requests[-1].body)


async def test_a_skill_lies_at_the_same_path_on_every_host(bot: Bot) -> None:
    """The files beside a skill can be run; after a move they are at the path the conversation names."""
    beside = make_skill(bot.folder, "greet", "Run greet.sh.").parent
    (beside / "greet.sh").write_text("#!/bin/sh\necho greetings\n")
    (beside / "greet.sh").chmod(0o755)
    await bot.ask({"tool": "Skill", "input": {"skill": "greet"}}, DONE)
    path = bot.session.workspace.root / "tmp/profile/plugin/skills/greet"
    assert str(path) in bot.requests("turn")[-1]
    await bot.session.move()
    await bot.ask({"tool": "Bash", "input": {"command": f"{path}/greet.sh"}}, DONE)
    assert bot.session.tool_results()[-1] == "greetings"


async def test_a_servers_tool_is_called(bot: Bot) -> None:
    """A command server's tool runs without asking and without being looked up, with its environment filled in."""
    make_profile(bot.folder, mcp=calculator(env={"CALLER": "Ada"}))
    done = await bot.ask(ADD, DONE)
    assert "3 for Ada" in bot.session.tool_results()[-1]
    assert (done.notices, bot.session.model.counts["turn"]) == ((), 2)


@pytest.fixture
def http_calculator() -> Iterator[str]:
    """The calculator's URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/mcp"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(("token", "right"), [("right", True), ("wrong", False)])
async def test_a_server_over_http_gets_its_secret(
    bot: Bot, http_calculator: str, monkeypatch: pytest.MonkeyPatch, token: str, *, right: bool
) -> None:
    """The filled-in token opens the server; with another one the server is missing, and that is told."""
    monkeypatch.setenv("CALC_TOKEN", token)
    make_profile(bot.folder, mcp=server(url=http_calculator, headers={"Authorization": "Bearer ${CALC_TOKEN}"}))
    done = await bot.ask(ADD, DONE)
    assert ("3 for nobody" in str(bot.session.tool_results())) is right
    assert (done.notices == ()) is right


async def test_a_subagent_uses_a_servers_tool(bot: Bot) -> None:
    """A tool of a server that a subagent names is there for it, and no other is."""
    make_profile(bot.folder, mcp=calculator(), agents=subagent(tools=["mcp__calc__add"]))
    await bot.ask(handed("helper", script(ADD, {"text": "added"})), DONE)
    assert "3 for nobody" in bot.requests("subagent")[-1]
    asked = next(each.body for each in bot.session.model.requests if each.kind == "subagent")
    assert [tool["name"] for tool in asked["tools"]] == ["mcp__calc__add"]


async def test_the_agent_does_not_see_the_servers_secrets(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header's secret is on no command line and in no file of the session while the agent works."""
    monkeypatch.setenv("CALC_TOKEN", "s3cret-of-the-server")
    make_profile(bot.folder, mcp=server(url="http://127.0.0.1:9/mcp", headers={"Authorization": "${CALC_TOKEN}"}))
    root = bot.session.workspace.root
    look = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c 's3cre[t]'; grep -rl 's3cre[t]' {root}/tmp"
    done = await bot.ask({"tool": "Bash", "input": {"command": f"{look}; env | grep 's3cre[t]'; true"}}, DONE)
    assert bot.session.tool_results()[-1] == "0"
    assert "'calc' did not start" in done.notices[0]


async def test_a_server_that_never_starts_is_left_out(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn waits for a bounded time, goes on without the server, and says so."""
    monkeypatch.setattr(equipment, "START_SECONDS", 1)
    make_profile(bot.folder, mcp=calculator("100"))
    done = await bot.ask(DONE)
    assert done.text == "done"
    assert "'calc' did not start: the turn went on without it. Start " in done.notices[0]


async def test_a_required_server_fails_the_turn_by_its_name(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn fails at once, and the session answers when the server is there again."""
    monkeypatch.setattr(equipment, "START_SECONDS", 1)
    make_profile(bot.folder, mcp=calculator("100", required=True))
    with pytest.raises(AgentFailed, match="'calc' did not start"):
        await bot.ask(ADD, {"text": "answered"})
    make_profile(bot.folder, mcp=calculator(required=True))
    assert (await bot.session.ask(None, profile="bot")).text == "answered"
    assert "3 for nobody" in bot.session.tool_results()[-1]


async def test_rules_are_kept(bot: Bot) -> None:
    """What a profile denies is refused though it is allowed by default, and what it allows runs."""
    rules = {"allow": ["Glob"], "deny": ["Bash(rm *)", "NotebookEdit"]}
    make_profile(bot.folder, settings={"extra_tools": ["Glob"], "permissions": rules})
    (bot.session.work / "kept").touch()
    calls = [{"tool": "Bash", "input": {"command": "rm kept"}}, {"tool": "Glob", "input": {"pattern": "k*"}}]
    await bot.ask(*calls, DONE)
    assert (bot.session.work / "kept").exists()
    assert "kept" in bot.session.tool_results()[-1]
    assert '"NotebookEdit"' not in bot.requests("turn")[0]


async def test_tools_model_and_turns_of_the_profile(bot: Bot) -> None:
    """The model is shown the profile's tools only, is the one it names, and stops after its turns."""
    make_profile(bot.folder, settings={"tools": ["Read", "Bash"], "model": "claude-haiku-5-5", "max_turns": 1})
    done = await bot.ask({"tool": "Bash", "input": {"command": "true"}}, {"text": "never"})
    body = bot.session.model.requests[0].body
    assert {tool["name"] for tool in body["tools"]} - {"DeferredToolPlaceholder"} == {"Read", "Bash"}
    assert (body["model"], done.stop_reason) == ("claude-haiku-5-5", "max_turns")


@pytest.mark.parametrize("memory", [True, False])
async def test_memory_is_a_setting(bot: Bot, *, memory: bool) -> None:
    """With `memory`, and only then, the session's memory folder reaches the model, on another host too."""
    make_profile(bot.folder, settings={"memory": memory})
    folder = bot.session.workspace.root / "config/projects/session/memory"
    await bot.ask({"tool": "Bash", "input": {"command": f"mkdir -p {folder}; echo zebra > {folder}/MEMORY.md"}}, DONE)
    await bot.session.move()
    bot.session.id = None
    await bot.ask(DONE)
    assert ("\\nzebra" in bot.requests("turn")[-1]) is memory


async def test_the_prompt_version_is_told(bot: Bot) -> None:
    """The end of a turn carries the digest of the profile that it ran as."""
    before = await bot.ask(DONE)
    make_profile(bot.folder, prompt="You are another.")
    after = await bot.ask(DONE)
    assert before.prompt_version != after.prompt_version == Profiles(bot.folder.parent).load("bot").digest


async def test_the_request_is_stable_from_turn_to_turn(session: Session) -> None:
    """With the default profile the next turn, on another host, sends the bytes of the one before as its beginning."""
    await session.ask("hello")
    await session.move()
    await session.ask("hello again")
    first, second = (request.body for request in session.model.requests)
    assert (second["system"], second["tools"]) == (first["system"], first["tools"])
    assert plain(second["messages"])[: len(first["messages"])] == plain(first["messages"])


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages without their cache marks, texts as blocks."""
    blocks = [[{"type": "text", "text": c}] if isinstance(c := m["content"], str) else c for m in messages]
    return [
        {
            "role": message["role"],
            "content": [{k: v for k, v in block.items() if k != "cache_control"} for block in each],
        }
        for message, each in zip(messages, blocks, strict=True)
    ]
