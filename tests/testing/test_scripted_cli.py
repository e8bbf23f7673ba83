"""The scripted model under the real Claude Agent SDK and its real bundled CLI: tools, memory and faults work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    ResultMessage,
    StreamEvent,
    create_sdk_mcp_server,
    query,
    tool,
)

from outlive.testing.scripted_model import ANNOUNCEMENT, ScriptedModel, Stall, script

pytestmark = pytest.mark.cli


class Claude:
    """One conversation: every turn is a new CLI process that resumes the session, in one folder."""

    def __init__(self, folder: Path, model: ScriptedModel) -> None:
        self.work = folder / "work"
        self.home = folder / "home"
        self.model = model
        self.session: str | None = None
        self.messages: list[Any] = []
        self.work.mkdir(parents=True)

    def options(self, **more: Any) -> ClaudeAgentOptions:
        isolated = {"CLAUDE_CONFIG_DIR": str(self.home), "HOME": str(self.home), "IS_SANDBOX": "1"}
        env = {**self.model.env(), **isolated, "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1", **more.pop("env", {})}
        fixed = {"cwd": self.work, "env": env, "permission_mode": "bypassPermissions", "resume": self.session}
        return ClaudeAgentOptions(**{**fixed, **more})

    async def says(self, prompt: str, **more: Any) -> str:
        """The result of one turn, drained to its end; the messages are kept."""
        self.messages = [message async for message in query(prompt=prompt, options=self.options(**more))]
        return self.ended()

    def ended(self) -> str:
        result = next(message for message in reversed(self.messages) if isinstance(message, ResultMessage))
        self.session = result.session_id
        return result.result or ""


class OneProcess(Claude):
    """A conversation whose turns are all in one CLI process, for what does not depend on how it was started."""

    client: ClaudeSDKClient

    async def says(self, prompt: str, **more: Any) -> str:
        """The same; how the process was started cannot be changed by a turn."""
        assert not more
        await self.client.query(prompt)
        self.messages = [message async for message in self.client.receive_response()]
        return self.ended()


AS_ONE = pytest.mark.asyncio(loop_scope="module")
"""Runs where the process that tests share lives."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneProcess]:
    """One process, and a model of its own, for every test that looks at a turn only."""
    async with ScriptedModel() as started:
        claude = OneProcess(tmp_path_factory.mktemp("shared"), started)
        async with ClaudeSDKClient(claude.options()) as claude.client:
            yield claude


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as started:
        yield started


@pytest.fixture
def claude(tmp_path: Path, model: ScriptedModel) -> Claude:
    return Claude(tmp_path, model)


async def test_remembers_over_a_resume_with_two_calls_in_all(claude, model):
    """A name told in one process is known in the next, each turn takes one model call, and the prompt is cached."""
    assert await claude.says("my name is Ada") == f"{ANNOUNCEMENT} Noted: your name is Ada."
    assert await claude.says("what is my name?") == "You told me your name is Ada, 1 turn ago."
    first, second = [request.body for request in model.requests]
    assert (model.counts, second["tools"]) == ({"turn": 2}, first["tools"])
    assert claude.messages[-1].usage["cache_read_input_tokens"] > 5000


@AS_ONE
async def test_really_writes_runs_and_reads(shared):
    """Write, Bash and Read are executed by the CLI, in order, and the reply reports what they returned."""
    said = await shared.says("write hello to notes.txt then run `cat notes.txt; pwd` then read notes.txt")
    assert (shared.work / "notes.txt").read_text() == "hello"
    assert f"Bash returned: hello{shared.work}" in said
    assert said.endswith(f"{shared.work}/notes.txt holds:\nhello")


@AS_ONE
async def test_a_failed_command_is_reported(shared):
    """A command that fails in the shell is reported with its exit code."""
    assert (await shared.says("run `exit 3`")).endswith("Bash failed: Exit code 3")


async def test_keeps_a_task_list(claude):
    """The task tools, which the CLI defers, are looked up and executed; the list is there in the next process."""
    added = await claude.says("add tasks: buy milk, write report")
    assert added.endswith("Task #1 created successfully: buy milk\nTaskCreate returned: "
                          "Task #2 created successfully: write report")  # fmt: skip
    listed = await claude.says("complete task 1 then what are my tasks?")
    assert listed.endswith("TaskList returned: #1 [completed] buy milk\n#2 [pending] write report")


@AS_ONE
async def test_asks_a_subagent(shared):
    """A subagent runs to its end inside the turn, calls a tool itself, and its report comes back."""
    before = shared.model.counts.copy()
    said = await shared.says("ask a subagent to run `echo from below`")
    assert said.endswith("The subagent reported: Bash returned: from below")
    assert shared.model.counts - before == {"turn": 2, "subagent": 2}


async def test_calls_an_mcp_tool(claude):
    """A tool of an in-process MCP server is found and called with the arguments given."""

    @tool("greet", "Greets.", {"name": str})
    async def greet(given: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": f"Hello {given['name']}"}]}

    server = create_sdk_mcp_server("people", tools=[greet])
    said = await claude.says('use tool mcp__people__greet with {"name": "Ada"}', mcp_servers={"people": server})
    assert said.endswith("mcp__people__greet returned: Hello Ada")


@AS_ONE
async def test_the_cli_retries_an_overloaded_model(shared):
    """A 529 is retried by the CLI itself, and the turn succeeds."""
    before = len(shared.model.requests)
    assert await shared.says(script({"error": 529}, {"text": "at last"})) == "at last"
    assert [request.status for request in shared.model.requests[before:]] == [529, 200]


@AS_ONE
async def test_the_cli_recovers_from_a_cut_stream(shared):
    """A connection that drops in mid-answer is retried, and the answer comes whole and once."""
    before = len(shared.model.requests)
    assert await shared.says(script({"text": "one two three four", "disconnect": True})) == "one two three four"
    assert len(shared.model.requests) == before + 2


async def test_streaming_is_visible(claude):
    """Partial messages reach the SDK piece by piece and add up to the text."""
    said = await claude.says(script({"text": "one two three", "thinking": "hm"}), include_partial_messages=True)
    events = [message.event for message in claude.messages if isinstance(message, StreamEvent)]
    deltas = [event["delta"]["text"] for event in events if event.get("delta", {}).get("type") == "text_delta"]
    assert (deltas, said) == (["one ", "two ", "three"], "one two three")


async def test_memory_survives_the_clis_compaction(claude, model):
    """After /compact the summary is all that is left, and the name is still known, with its turn."""
    await claude.says("my name is Ada")
    await claude.says("hello")
    await claude.says("/compact")
    assert "You told me your name is Ada, 2 turns ago." in await claude.says("what is my name?")
    assert model.counts == {"turn": 3, "summary": 1}


async def test_structured_output(claude):
    """A schema given to the SDK is filled in, with the reply where it wants text."""
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    await claude.says("my name is Ada", output_format={"type": "json_schema", "schema": schema})
    assert claude.messages[-1].structured_output == {"answer": f"{ANNOUNCEMENT} Noted: your name is Ada."}


async def test_a_message_in_mid_turn_is_heard(claude, model):
    """What is sent while a tool runs is acknowledged in the reply of the same turn."""
    async with ClaudeSDKClient(claude.options()) as client:
        await client.query("run `python3 -c 'import time; time.sleep(1)'`")
        await model.wait_for(1)
        await client.query("my name is Ada")
        claude.messages = [message async for message in client.receive_response()]
    assert claude.ended().endswith("While I was working you said: my name is Ada")


async def test_a_script_is_finished_after_a_kill_on_another_server(claude, model, tmp_path):
    """A CLI killed in mid-turn leaves a script that the next CLI finishes, with a model that never saw its start."""
    steps = script(
        {"tool": "Write", "input": {"file_path": str(claude.work / "a.txt"), "content": "a"}},
        {"tool": "Bash", "input": {"command": "cat a.txt"}},
        {"text": "finished"},
    )
    claude.session = await killed_in_second_call(claude, model, steps)
    async with ScriptedModel() as other:
        claude.model = other
        async with ClaudeSDKClient(claude.options(env={"CLAUDE_CODE_RESUME_INTERRUPTED_TURN": "1"})) as client:
            claude.messages = [message async for message in client.receive_response()]
    assert (claude.ended(), (claude.work / "a.txt").read_text()) == ("finished", "a")
    assert "Bash" in [block.name for block in tool_uses(claude.messages)]


async def killed_in_second_call(claude: Claude, model: ScriptedModel, prompt: str) -> str:
    """Kills the CLI while the second model call of the turn is under way; returns the session's id."""
    client = ClaudeSDKClient(claude.options())
    model.order(Stall(60, after=1))
    await client.connect()
    await client.query(prompt)
    await model.wait_for(2)
    await on_disk(claude.home, '"tool_result"')
    os.kill(client._transport._process.pid, signal.SIGKILL)
    with pytest.raises(ClaudeSDKError):
        async for _ in client.receive_messages():
            pass
    await client.disconnect()
    return model.requests[0].session


async def on_disk(home: Path, text: str) -> None:
    """Waits until the CLI, which writes its transcript a little later than it calls the model, has written `text`."""
    async with asyncio.timeout(10):
        while text not in await asyncio.to_thread(transcripts, home):  # noqa: ASYNC110 another process writes it
            await asyncio.sleep(0.02)


def transcripts(home: Path) -> str:
    return "".join(file.read_text() for file in home.rglob("*.jsonl"))


def tool_uses(messages: list[Any]) -> list[Any]:
    replies = (message for message in messages if isinstance(message, AssistantMessage))
    return [block for reply in replies for block in reply.content if hasattr(block, "input")]
