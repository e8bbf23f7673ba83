"""The whole way with real processes: the fake Slack, the app's own processes with the real CLI, and back."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.testing.scripted_model import script
from outlive.testing.slack import APP_TOKEN, SECRET, TOKEN, FakeSlack, shown
from tests.e2e.chat_host import FOREVER, SLOW, ChatHost

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="the CLI's processes end with their worker on Linux only"),
    pytest.mark.asyncio(loop_scope="module"),
]


class Host(ChatHost):
    """A machine where the app's processes are started and killed; Ada and Bob are known."""

    def __init__(self, base: Path, slack: FakeSlack) -> None:
        super().__init__(
            base,
            OUTLIVE_MODEL="scripted",
            OUTLIVE_SLACK_URL=slack.url,
            OUTLIVE_SLACK_ALLOW="U0ADA U0BOB C0GEN",
            SLACK_BOT_TOKEN=TOKEN,
            SLACK_APP_TOKEN=APP_TOKEN,
            SLACK_SIGNING_SECRET=SECRET,
        )
        self.slack = slack
        for user in ("U0ADA", "U0BOB"):
            slack.world.private(user)
        slack.world.channel("C0GEN")

    async def answers(self, count: int, channel: str = "D0U0ADA") -> list[str]:
        """The app's messages in a channel, once there are so many that none is a picture of a running turn."""
        await self.slack.until(lambda: len(self._standing(channel)) >= count, 40)
        return [shown(message) for message in self._standing(channel)]

    def _standing(self, channel: str) -> list[dict[str, Any]]:
        """Without streams that are open and messages with a Stop button."""
        messages = self.slack.sent(channel)
        closed = [each for each in messages if (channel, each["ts"]) not in self.slack.world.streams]
        return [each for each in closed if "outlive_stop" not in json.dumps(each["blocks"])]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """An app over Socket Mode that runs for all tests that do not kill it, and asks before it writes a file."""
    async with FakeSlack() as slack:
        host = Host(tmp_path_factory.mktemp("app"), slack)
        host.env["OUTLIVE_APPROVE"] = "Write"
        await host.start("slack", "run", "--workers", "2")
        yield host
        await host.close()


@pytest_asyncio.fixture(loop_scope="module")
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A machine of the test's own."""
    async with FakeSlack() as slack:
        host = Host(tmp_path, slack)
        yield host
        await host.close()


async def test_intake_and_worker_are_processes_of_their_own(host: Host) -> None:
    """One process queues Slack's requests, another runs the turn; a worker's SIGKILL in mid-turn costs nothing."""
    _, line = await host.start("slack", "serve", "--workers", "0", "--listen", "127.0.0.1:0")
    host.slack.delivery.url = "http://" + line.partition("http://")[2].partition(";")[0]
    worker, _ = await host.start("worker", until="started")
    body = host.slack.say(SLOW)
    for attempt in (1, 2, 3):
        assert (await host.slack.delivery.request("events_api", body, attempt)).status == 200
    await host.slack.until(lambda: "Bash" in json.dumps(host.slack.sent()), 40)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    await host.start("worker", until="started")
    (first,) = await host.answers(1)
    host.slack.say("how many turns have we had?")
    _, second = await host.answers(2)
    assert (first.endswith("done **well**"), "2" in second) == (True, True)
    assert not any(host.slack.world.statuses.values())
    forged = await host.slack.delivery.request("events_api", body, headers={"x-slack-signature": "v0=00"})
    assert forged.status == 401


async def test_a_mention_is_streamed_into_its_thread(shared: Host) -> None:
    """Over Socket Mode a mention's reply is a stream in its thread, with a status line before, and it is there once."""
    slack = shared.slack
    thread = slack.say(f"<@U0BOT> {SLOW}", channel="C0GEN")["event"]["ts"]
    answers = await shared.answers(1, "C0GEN")
    assert answers[-1].endswith("done **well**")
    assert {message["thread_ts"] for message in slack.sent("C0GEN")} == {thread}
    said = [call["status"] for call in slack.called("assistant.threads.setStatus")]
    assert any("Bash" in status for status in said)
    await slack.until(lambda: slack.world.statuses["C0GEN", thread] == "", 20)
    assert len(slack.sent("C0GEN")) == 1


async def test_files_reach_the_agent_and_a_button_stops_it(shared: Host) -> None:
    """A file lies in the session's inbox from its message on; a running turn ends by its Stop button."""
    slack, before = shared.slack, len(shared.slack.sent("D0U0ADA"))  # a first try has left some
    file = slack.world.file(b"the secret word is plum", "../note.txt")
    slack.say("keep it", subtype="file_share", files=[file])
    name = f"inbox/{file['id']}-note.txt"
    assert name in (await shared.answers(before + 1))[before]
    slack.say(f"read {name}")
    assert "plum" in (await shared.answers(before + 2))[before + 1]
    slack.say(FOREVER)
    await slack.until(lambda: "outlive_stop" in json.dumps(slack.sent()))
    stoppable = next(message for message in reversed(slack.sent()) if "outlive_stop" in json.dumps(message))
    slack.press(stoppable, "outlive_stop")
    answers = (await shared.answers(before + 4))[before:]
    assert "The running turn is being stopped." in answers
    assert "slept" not in answers


async def test_a_tool_is_allowed_by_a_button(shared: Host) -> None:
    """The agent asks before it uses a tool, a button allows it, and the tool's result is in the answer."""
    write = {"tool": "Write", "input": {"file_path": "said.txt", "content": "plum"}}
    shared.slack.say(script(write, {"text": "it is said"}), user="U0BOB")
    (question,) = await shared.answers(1, "D0U0BOB")
    assert "plum" in question
    asked = next(each for each in shared.slack.sent("D0U0BOB") if "outlive_answer_once" in json.dumps(each))
    shared.slack.press(asked, "outlive_answer_once", user="U0BOB", channel="D0U0BOB")
    assert (await shared.answers(2, "D0U0BOB"))[1] == "it is said"


async def test_what_is_missing_is_named(host: Host) -> None:
    """Without a token, with a wrong one, without the secret, or a code that nobody has, the error says what to do."""
    code, error = await host.refused("slack", "pair", "00000000")
    assert (code, error["type"]) == (1, "NotFound")
    host.env["SLACK_SIGNING_SECRET"] = ""
    code, error = await host.refused("slack", "serve")
    assert (code, "SLACK_SIGNING_SECRET" in error["fix"]) == (2, True)
    host.env["SLACK_BOT_TOKEN"] = "xoxb-wrong"
    code, error = await host.refused("slack", "run")
    assert (code, "SLACK_BOT_TOKEN" in error["fix"], "wrong" in error["message"]) == (1, True, False)
    del host.env["SLACK_BOT_TOKEN"]
    code, error = await host.refused("slack", "run")
    assert (code, "SLACK_BOT_TOKEN" in error["fix"]) == (2, True)
