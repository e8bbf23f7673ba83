"""The whole way with real processes: the fake Slack, the app's own processes with the real CLI, and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from outlive.testing.scripted_model import script
from outlive.testing.slack import APP_TOKEN, SECRET, TOKEN, FakeSlack, shown

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="the CLI's processes end with their worker on Linux only"),
]

SLOW = script({"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 3"}}, {"text": "done **well**"})


class Host:
    """A machine with a data folder, where the app's processes are started and killed."""

    def __init__(self, base: Path, slack: FakeSlack) -> None:
        self.slack = slack
        self._runs: list[asyncio.subprocess.Process] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
        self.env = kept | {
            "OUTLIVE_DATA": str(base / "data"),
            "OUTLIVE_WORKSPACES": str(base / "host"),
            "OUTLIVE_LEASE_SECONDS": "3",
            "OUTLIVE_VISIBILITY_SECONDS": "3",
            "OUTLIVE_GRACE_SECONDS": "0.5",
            "OUTLIVE_ISOLATION": "none",
            "OUTLIVE_MODEL": "scripted",
            "OUTLIVE_SLACK_URL": slack.url,
            "OUTLIVE_SLACK_ALLOW": "U0ADA C0GEN",
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_SIGNING_SECRET": SECRET,
        }
        (base / "host").mkdir(mode=0o700)

    async def start(self, *words: str, until: str = "takes messages") -> tuple[asyncio.subprocess.Process, str]:
        """A process that goes on, once it has said so, and the line that it said."""
        command = [sys.executable, "-m", "outlive", *words, "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=self.env, stdout=PIPE)
        self._runs.append(process)
        assert process.stdout is not None
        while until not in (line := (await asyncio.wait_for(process.stdout.readline(), 60)).decode()):
            assert process.returncode is None
        return process, line

    async def run(self, *words: str) -> tuple[int | None, dict[str, Any]]:
        """A command to its end: its exit code, and its JSON or its error."""
        command = [sys.executable, "-m", "outlive", *words, "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=self.env, stdout=PIPE, stderr=PIPE)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, json.loads(out) if out else json.loads(err.splitlines()[-1])["error"]

    async def answers(self, count: int, channel: str = "D0U0ADA") -> list[str]:
        """The app's messages in a channel, once there are so many that none is a picture of a running turn."""
        await self.slack.until(lambda: len(self._standing(channel)) >= count, 40)
        return [shown(message) for message in self._standing(channel)]

    def _standing(self, channel: str) -> list[dict[str, Any]]:
        """Without streams that are open and messages with a Stop button."""
        messages = self.slack.sent(channel)
        closed = [each for each in messages if (channel, each["ts"]) not in self.slack.world.streams]
        return [each for each in closed if "outlive_stop" not in json.dumps(each["blocks"])]

    async def close(self) -> None:
        """End what is left."""
        for process in self._runs:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A machine, a fake Slack, and Ada, whom the app knows."""
    async with FakeSlack() as slack:
        slack.world.private("U0ADA")
        slack.world.channel("C0GEN")
        host = Host(tmp_path, slack)
        yield host
        await host.close()


async def test_intake_and_worker_are_processes_of_their_own(host: Host) -> None:
    """Slack's request goes into the queue by one process, another runs the turn with the real CLI and answers."""
    _, line = await host.start("slack", "serve", "--workers", "0", "--listen", "127.0.0.1:0")
    host.slack.delivery.url = "http://" + line.partition("http://")[2].partition(";")[0]
    worker, _ = await host.start("worker", until="started")
    body = host.slack.say("my name is Ada")
    for attempt in (1, 2, 3):
        assert (await host.slack.delivery.request("events_api", body, attempt)).status == 200
    await host.answers(1)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    host.slack.say("what is my name?")
    await host.start("worker", until="started")
    answers = await host.answers(2)
    assert (len(answers), "Ada" in answers[1]) == (2, True)
    forged = await host.slack.delivery.request("events_api", body, headers={"x-slack-signature": "v0=00"})
    assert forged.status == 401


async def test_a_mention_is_streamed_into_its_thread(host: Host) -> None:
    """Over Socket Mode a mention's reply is a stream in its thread, with a status line before, and it is there once."""
    await host.start("slack", "run", "--workers", "2")
    thread = host.slack.say(f"<@U0BOT> {SLOW}", channel="C0GEN")["event"]["ts"]
    answers = await host.answers(1, "C0GEN")
    assert answers[-1].endswith("done **well**") or "done" in answers[-1]
    assert {message["thread_ts"] for message in host.slack.sent("C0GEN")} == {thread}
    said = [call["status"] for call in host.slack.called("assistant.threads.setStatus")]
    assert any("Bash" in status for status in said)
    await host.slack.until(lambda: host.slack.world.statuses["C0GEN", thread] == "", 20)
    assert len(host.slack.sent("C0GEN")) == 1


async def test_files_reach_the_agent_and_a_button_stops_it(host: Host) -> None:
    """A file lies in the session's inbox from its message on; a running turn ends by its Stop button, the app stays."""
    process, _ = await host.start("slack", "run")
    file = host.slack.world.file(b"the secret word is plum", "../note.txt")
    host.slack.say("keep it", subtype="file_share", files=[file])
    name = f"inbox/{file['id']}-note.txt"
    assert name in (await host.answers(1))[0]
    host.slack.say(f"read {name}")
    assert "plum" in (await host.answers(2))[1]
    host.slack.say(script({"tool": "Bash", "input": {"command": "sleep 30"}}, {"text": "slept"}))
    await host.slack.until(lambda: "outlive_stop" in json.dumps(host.slack.sent()))
    stoppable = next(message for message in reversed(host.slack.sent()) if "outlive_stop" in json.dumps(message))
    host.slack.press(stoppable, "outlive_stop")
    answers = await host.answers(4)
    assert "The running turn is being stopped." in answers
    assert "slept" not in answers
    assert process.returncode is None


async def test_a_tool_is_allowed_by_a_button(host: Host) -> None:
    """The agent asks before it uses a tool, a button allows it, and the tool's result is in the answer."""
    host.env["OUTLIVE_APPROVE"] = "Bash"
    await host.start("slack", "run")
    host.slack.say(script({"tool": "Bash", "input": {"command": "echo plum > said.txt"}}, {"text": "it is said"}))
    (question,) = await host.answers(1)
    assert "plum" in question
    asked = next(message for message in host.slack.sent() if "outlive_answer_once" in json.dumps(message))
    host.slack.press(asked, "outlive_answer_once")
    assert (await host.answers(2))[1] == "it is said"


async def test_what_is_missing_is_named(host: Host) -> None:
    """Without a token, with a wrong one, without the secret, or a code that nobody has, the error says what to do."""
    code, error = await host.run("slack", "pair", "00000000")
    assert (code, error["type"]) == (1, "NotFound")
    host.env["SLACK_SIGNING_SECRET"] = ""
    code, error = await host.run("slack", "serve")
    assert (code, "SLACK_SIGNING_SECRET" in error["fix"]) == (2, True)
    host.env["SLACK_BOT_TOKEN"] = "xoxb-wrong"
    code, error = await host.run("slack", "run")
    assert (code, "SLACK_BOT_TOKEN" in error["fix"], "wrong" in error["message"]) == (1, True, False)
    del host.env["SLACK_BOT_TOKEN"]
    code, error = await host.run("slack", "run")
    assert (code, "SLACK_BOT_TOKEN" in error["fix"]) == (2, True)
