"""Slack's two ways in, Socket Mode and the public address, with an engine behind: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from outlive.channels.slack.channel import SlackChannel
from outlive.channels.slack.client import SlackClient
from outlive.channels.slack.decisions import Decision
from outlive.channels.slack.rules import Rules
from outlive.channels.slack.socket_mode import SocketReader
from outlive.clock import SystemClock
from outlive.core.approvals import Approval
from outlive.core.messages import Inbound, decode_inbound
from outlive.entrypoints.mcp_server.http import listen
from outlive.entrypoints.slack.controls import Controls
from outlive.entrypoints.slack.intake import Intake
from outlive.entrypoints.slack.opening import Bot, open_bot
from outlive.entrypoints.slack.serving import Endpoint, serve
from outlive.errors import Refused, Unavailable
from outlive.flows.delivery.pair_sender import approve_pairing
from outlive.flows.run_turn import Turn
from outlive.memory.queue import MemoryQueue
from outlive.protocols import Reply
from outlive.settings import load_settings
from outlive.testing.clock import START, ManualClock, SkewedClock
from outlive.testing.instant_agent import InstantAgent
from outlive.testing.slack import SECRET, FakeSlack, bad
from outlive.wiring import App, open_app

KEY = "slack_D0U0ADA:slack:D0U0ADA:default"


@dataclass
class Desk:
    """An app without workers: what it has queued can be looked at."""

    app: App
    slack: FakeSlack
    intake: Intake
    down: int = 0
    """Hand-overs that fail from now on."""
    told: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, decision: Decision) -> None:
        """The intake, with a queue that may be down."""
        if self.down:
            self.down -= 1
            raise Unavailable("The queue is down.")
        await self.intake.take(decision)

    async def idle(self) -> None:
        """Everything that was pushed is handed over, and what is said back is said."""
        await asyncio.wait_for(self.slack.delivery.idle(), 20)
        await self.intake.close()

    async def queued(self) -> list[Inbound]:
        """The messages in the queue, oldest first; they are taken out."""
        await self.idle()
        found = []
        while delivery := await self.app.engine.queue.receive(visibility=30, wait=0):
            found.append(decode_inbound(delivery.message.body))
            await self.app.engine.queue.ack(delivery)
        return found

    async def ask(self, key: str, text: str) -> Turn:
        """A turn of a worker that really waits, at the test's own time."""
        engine = replace(self.app.engine, clock=SkewedClock(SystemClock(), ahead=START - time.time()))
        return await replace(self.app, engine=engine).ask(key, text)


@pytest.fixture
async def desk(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """A desk where Ada and a channel are known."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        data=tmp_path / "data", workspaces=tmp_path / "trees", slack_allow="U0ADA, C0GEN", slack_hears="thread"
    )
    async with open_app(settings, agent=InstantAgent()) as opened:
        engine = replace(opened.engine, clock=clock, queue=MemoryQueue(clock=clock), channels={"slack": channel})
        app = replace(opened, engine=engine)
        bot = await open_bot(app)
        told: list[str] = []
        yield Desk(app, slack, Intake(bot, Controls(bot), told.append), told=told)


@pytest.fixture
async def socket(desk: Desk, client: SlackClient, clock: ManualClock) -> AsyncIterator[SocketReader]:
    """The desk behind Socket Mode."""
    reader = SocketReader(client, clock, desk.intake.bot.rules, desk.take, desk.told.append)
    reading = asyncio.create_task(reader.run(desk.stop))
    yield reader
    desk.stop.set()
    await asyncio.wait([reading])


@pytest.fixture
async def address(desk: Desk) -> AsyncIterator[str]:
    """The desk behind a public address."""
    rules, clock = desk.intake.bot.rules, desk.app.engine.clock

    async def take(decision: Decision) -> None:
        await desk.take(decision)

    endpoint = Endpoint(take, rules, SECRET, clock, desk.told.append, patience=0.3)
    with listen("127.0.0.1", 0) as listening:
        desk.slack.delivery.url = f"http://127.0.0.1:{listening.getsockname()[1]}/slack"
        serving = asyncio.create_task(serve(endpoint, listening, desk.stop))
        yield desk.slack.delivery.url
        desk.stop.set()
        await serving


# --------------------------------------------------------------------------------------- Socket Mode


async def test_a_message_over_the_socket_is_queued(desk: Desk, socket: SocketReader) -> None:
    """What is said is confirmed and queued, once, and a mention's two events are one message."""
    desk.slack.say("hello")
    desk.slack.say("<@U0BOT> and here", channel="C0GEN")
    assert [inbound.text for inbound in await desk.queued()] == ["hello", "<@U0ADA>: and here"]
    assert [each.status for each in desk.slack.delivery.tries] == [200, 200, 200]


async def test_the_socket_gives_again_what_was_not_taken(desk: Desk, socket: SocketReader) -> None:
    """While the queue is down nothing is confirmed, and Slack's next try is taken."""
    desk.slack.delivery.ack_seconds = 0.2
    desk.down = 2
    desk.slack.say("hello")
    assert [inbound.text for inbound in await desk.queued()] == ["hello"]
    assert [each.status for each in desk.slack.delivery.tries] == [0, 0, 200]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_new_connection_follows_the_old(desk: Desk, socket: SocketReader, reason: str) -> None:
    """Told to go, the reader opens another connection and nothing is lost between."""
    await socket.connected.wait()
    await desk.slack.delivery.disconnect(reason)
    desk.slack.delivery.ack_seconds = 0.2
    desk.slack.say("hello")
    assert [inbound.text for inbound in await desk.queued()] == ["hello"]


async def test_a_broken_connection_is_opened_again(desk: Desk, socket: SocketReader) -> None:
    """A connection that breaks, with junk before it, is replaced, and the next message is taken."""
    await socket.connected.wait()
    first = desk.slack.delivery.sockets[0]
    for junk in ("{", "[]", '{"type": "unheard"}', '{"type": "unheard", "envelope_id": "e"}'):
        await first.send(junk)
    first.transport.abort()
    await desk.slack.until(lambda: any(each is not first for each in desk.slack.delivery.sockets))
    desk.slack.say("hello")
    assert [inbound.text for inbound in await desk.queued()] == ["hello"]


async def test_what_no_retry_mends_ends_the_reader(desk: Desk, client: SlackClient, clock: ManualClock) -> None:
    """A wrong token, and Socket Mode that was switched off, end it with an error; an outage is waited for."""
    reader = SocketReader(client, clock, Rules(), desk.take, desk.told.append)
    desk.slack.order("apps.connections.open", bad("internal_error"))
    await reader.step()
    assert "Trying again" in desk.told[-1]
    desk.slack.order("apps.connections.open", bad("invalid_auth"))
    with pytest.raises(Refused):
        await reader.step()
    connection = asyncio.create_task(reader.step())
    await asyncio.wait_for(reader.connected.wait(), 10)
    await desk.slack.until(lambda: bool(desk.slack.delivery.sockets))
    await desk.slack.delivery.disconnect("link_disabled")
    with pytest.raises(Refused, match="switched off"):
        await asyncio.wait_for(connection, 10)


# ------------------------------------------------------------------------------------ public address


async def test_a_request_is_queued_and_answered(desk: Desk, address: str) -> None:
    """An event is answered 200 once it is in the queue, and five deliveries of it are one message."""
    body = desk.slack.say("hello")
    for attempt in range(1, 5):
        assert (await desk.slack.delivery.request("events_api", body, attempt)).status == 200
    assert [inbound.text for inbound in await desk.queued()] == ["hello"]


async def test_a_failed_hand_over_is_repeated(desk: Desk, address: str) -> None:
    """While the queue is down Slack is answered 503, tries again, and the message is queued once."""
    desk.down = 2
    desk.slack.say("hello")
    assert [inbound.text for inbound in await desk.queued()] == ["hello"]
    assert [each.status for each in desk.slack.delivery.tries] == [503, 503, 200]


async def test_the_address_is_verified(desk: Desk, address: str) -> None:
    """The challenge comes back as it is."""
    sent = await desk.slack.delivery.request("events_api", {"type": "url_verification", "challenge": "abc"})
    assert (sent.status, sent.body) == (200, b"abc")


async def test_what_is_not_slacks_is_refused(desk: Desk, address: str) -> None:
    """A forged request gets 401, an old one too, ten megabytes 413, broken JSON 200, and nothing is queued."""
    delivery, hello = desk.slack.delivery, {"type": "event_callback"}
    assert (await delivery.request("events_api", hello, headers={"x-slack-signature": "v0=00"})).status == 401
    assert (await delivery.request("events_api", hello, headers={"x-slack-request-timestamp": "1"})).status == 401
    assert (await delivery.raw({}, b"x" * 10_000_000))[0] in {413, 0}
    assert (await delivery.raw({}, b"x" * 1_100_000))[0] == 413
    assert (await delivery.request("events_api", hello)).status == 200
    assert await desk.queued() == []


async def test_an_intake_that_hangs_is_answered_in_time(desk: Desk, address: str) -> None:
    """When the hand-over takes too long Slack gets an error within its three seconds, and tries again."""

    async def hang(_: Decision) -> None:
        await asyncio.sleep(30)

    desk.take = hang
    sent = await desk.slack.delivery.request("events_api", {"type": "event_callback"})
    assert sent.status == 503


# ------------------------------------------------------------------------------ controls and people


async def test_stop_and_new_go_round_the_queue(desk: Desk, socket: SocketReader) -> None:
    """Commands are answered at once, and none of them is queued."""
    await desk.ask(KEY, "hello")
    for text, expected in (("!stop", "No turn is running."), ("!new", "A new session begins")):
        desk.slack.say(text)
        await desk.idle()
        assert desk.slack.texts()[-1].startswith(expected)
    assert await desk.queued() == []


async def test_a_command_takes_effect_once(desk: Desk, socket: SocketReader) -> None:
    """The same command delivered again does nothing more, and its answer is said once."""
    body = desk.slack.say("!new")
    for _ in range(3):
        desk.slack.delivery.push("events_api", body)
    await desk.idle()
    assert len(desk.slack.texts()) == 1


async def test_status_whoami_and_help_answer(desk: Desk, socket: SocketReader) -> None:
    """Each tells what it is for."""
    await desk.ask(KEY, "hello")
    for text, expected in (("!status", "1 turn"), ("!whoami", "U0ADA"), ("!help", "!stop")):
        desk.slack.say(text)
        await desk.idle()
        assert expected in desk.slack.texts()[-1]


async def test_a_slash_command_answers_its_sender_only(desk: Desk, socket: SocketReader) -> None:
    """The answer of a slash command is seen by its sender alone; what is about a thread belongs there."""
    for text, channel in (("whoami", ""), ("status", "C0GEN"), ("stop", "C0GEN")):
        desk.slack.slash(text, channel=channel)
        await desk.idle()
    said = [text for who, text in desk.slack.world.ephemeral if who == "U0ADA"]
    assert [word in text for word, text in zip(("U0ADA", "in the thread", "No turn"), said, strict=True)] == [True] * 3
    assert desk.slack.texts() == []


async def test_links_lead_to_one_session(desk: Desk, socket: SocketReader) -> None:
    """A code from one thread, redeemed in another of the same chat, leads to the same session."""
    first = await desk.ask(KEY, "hello")
    desk.slack.say("!link")
    await desk.idle()
    code = desk.slack.texts()[-1].partition("link ")[2].partition("`")[0]
    thread = desk.slack.say("elsewhere")["event"]["ts"]
    desk.slack.say(f"!link {code}", thread=thread)
    await desk.idle()
    assert f"{first.session_id}" in desk.slack.texts()[-1]


async def test_export_is_for_owners(desk: Desk, socket: SocketReader) -> None:
    """Whoever is no owner is refused; an owner gets the session as a file."""
    await desk.ask(KEY, "hello")
    desk.slack.say("!export")
    await desk.idle()
    assert "owners" in desk.slack.texts()[-1]
    bot = desk.intake.bot
    desk.intake.controls.bot = Bot(bot.app, bot.channel, replace(bot.rules, owners=frozenset({"U0ADA"})), bot.name)
    desk.slack.say("!export")
    await desk.idle()
    ((file_id, _),) = desk.slack.world.shared.items()
    assert desk.slack.world.files[file_id]["name"] == f"{(await desk.ask(KEY, 'again')).session_id}.tar.zst"


async def test_a_stranger_gets_a_code_and_comes_in_with_it(desk: Desk, socket: SocketReader) -> None:
    """Somebody unknown is told a code, once for each message, and is heard when it was approved."""
    body = desk.slack.say("hello", user="U0EVE")
    desk.slack.delivery.push("events_api", body)
    await desk.idle()
    (greeting,) = desk.slack.texts("D0U0EVE")
    code = greeting.partition("pair ")[2].partition("`")[0]
    await approve_pairing(desk.app.engine, desk.app.stores, "slack", code)
    desk.slack.say("it is me", user="U0EVE")
    assert [inbound.text for inbound in await desk.queued()] == ["it is me"]


async def test_strangers_in_channels_get_no_answer(desk: Desk, socket: SocketReader) -> None:
    """In a channel a stranger is left alone, and whoever runs the app is told."""
    desk.slack.say("<@U0BOT> hello", user="U0EVE", channel="C0GEN")
    assert await desk.queued() == []
    assert desk.slack.texts("C0GEN") == []
    assert any("U0EVE is not in the allow-list" in line for line in desk.told)


async def test_a_thread_is_heard_once_it_is_a_session(desk: Desk, socket: SocketReader) -> None:
    """What follows in a thread without a mention is heard when the app has been in it, and not before."""
    thread = desk.slack.say("no mention", channel="C0GEN")["event"]["ts"]
    desk.slack.say("still none", channel="C0GEN", thread=thread)
    assert await desk.queued() == []
    await desk.ask(f"slack_C0GEN:slack:C0GEN:{thread}", "hello")
    desk.slack.say("and now?", channel="C0GEN", thread=thread)
    assert [inbound.text for inbound in await desk.queued()] == ["<@U0ADA>: and now?"]


async def test_a_pressed_button_is_an_answer(desk: Desk, socket: SocketReader, channel: SlackChannel) -> None:
    """The question's button sends its answer through the queue, to the session that asked."""
    question = Approval("0123abcd", "Bash", "ls", "d", "Bash", "m1", "U0ADA", 0, 9)
    await channel.deliver(Reply(KEY, "m1", 1, "May I?", question=question))
    desk.slack.press(desk.slack.sent()[0], "outlive_answer_always")
    (inbound,) = await desk.queued()
    assert inbound.answer is not None
    assert (str(inbound.key), inbound.answer.choice, inbound.sender) == (KEY, "always", "U0ADA")


async def test_an_answer_that_cannot_be_one_is_dropped(desk: Desk, socket: SocketReader) -> None:
    """An answer with more words than an answer takes is not queued, and whoever runs the app is told why."""
    desk.slack.say("!deny 0123abcd " + "x" * 3000)
    assert await desk.queued() == []
    assert any("refused" in line for line in desk.told)
