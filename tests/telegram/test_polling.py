"""Long polling and what it makes of the updates: nothing lost, nothing twice, parts put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from outlive.channels.telegram.channel import TelegramChannel
from outlive.channels.telegram.client import BotClient
from outlive.channels.telegram.polling import Poller
from outlive.channels.telegram.rules import Place, Rules
from outlive.clock import SystemClock
from outlive.core.answers import Answer
from outlive.core.approvals import Approval
from outlive.core.messages import Inbound, decode_inbound
from outlive.entrypoints.telegram.controls import Controls
from outlive.entrypoints.telegram.intake import Intake
from outlive.entrypoints.telegram.opening import Bot
from outlive.errors import Conflict, NotFound, Refused, Unavailable
from outlive.flows.delivery.pair_sender import CODE_SECONDS, approve_pairing, end_pairing
from outlive.flows.delivery.remember_intake import STALE_SECONDS, read_mark, write_mark
from outlive.flows.run_turn import Turn
from outlive.memory.queue import MemoryQueue
from outlive.protocols import Reply
from outlive.settings import load_settings
from outlive.testing.clock import START, ManualClock, SkewedClock
from outlive.testing.instant_agent import InstantAgent
from outlive.testing.telegram import ApiError, FakeTelegram, too_many
from outlive.wiring import App, open_app


@dataclass
class Desk:
    """A bot without workers: polls, and what it has queued can be looked at."""

    app: App
    telegram: FakeTelegram
    channel: TelegramChannel
    rules: Rules
    told: list[str] = field(default_factory=list)
    last: int | None = None

    def poller(self, *, fresh: bool = False) -> Poller:
        """A process that has just started; `fresh` when it has forgotten everything."""
        bot = Bot(self.app, self.channel, self.rules)
        intake = Intake(bot, Controls(bot), self.told.append)
        last = None if fresh else self.last
        return Poller(self.channel.bot, self.app.engine.clock, intake.take, self._remember, self.told.append, last, 0)

    async def _remember(self, number: int) -> None:
        self.last = number

    async def ask(self, key: str, text: str) -> Turn:
        """A turn of a worker that really waits, at the test's own time."""
        engine = replace(
            self.app.engine,
            clock=SkewedClock(SystemClock(), ahead=START - time.time()),
            channels={"telegram": self.channel},
        )
        return await replace(self.app, engine=engine).ask(key, text)

    async def queued(self) -> list[Inbound]:
        """The messages in the queue, oldest first; they are taken out."""
        found = []
        while delivery := await self.app.engine.queue.receive(visibility=30, wait=0):
            found.append(decode_inbound(delivery.message.body))
            await self.app.engine.queue.ack(delivery)
        return found


@pytest.fixture
async def desk(
    telegram: FakeTelegram, bot: BotClient, clock: ManualClock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """A desk where Ada and the forum are known."""
    monkeypatch.chdir(tmp_path)
    async with open_app(
        load_settings(data=tmp_path / "data", workspaces=tmp_path / "trees"), agent=InstantAgent()
    ) as opened:
        app = replace(opened, engine=replace(opened.engine, clock=clock, queue=MemoryQueue(clock=clock)))
        channel = TelegramChannel(bot, app.engine.table, clock)
        rules = Rules(telegram.world.bot_id, "outlive_bot", allowed=frozenset({42, -1001}), owners=frozenset({42}))
        yield Desk(app, telegram, channel, rules)


async def test_updates_are_queued_once(desk: Desk) -> None:
    """What was handed over is confirmed, and a process that has forgotten everything queues nothing twice."""
    desk.telegram.say("one")
    await desk.poller().step()
    desk.telegram.say("two")
    await desk.poller(fresh=True).step()
    assert [inbound.text for inbound in await desk.queued()] == ["one", "two"]


async def test_what_the_queue_refuses_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the queue is down no update is confirmed; when it is back each is queued, and commands are not repeated."""

    async def down(*_: object) -> bool:
        raise Unavailable("The queue is down.")

    desk.telegram.say("/stop")
    desk.telegram.say("one")
    poller = desk.poller()
    with monkeypatch.context() as patched:
        patched.setattr(desk.app.engine.queue, "send", down)
        await poller.step()
    assert desk.last is None
    await poller.step()
    assert [inbound.text for inbound in await desk.queued()] == ["one"]
    assert desk.telegram.texts() == ["Nothing is running here."]


async def test_an_album_is_one_message(desk: Desk) -> None:
    """The parts of an album, between other chats' messages, are one message with all files and the first one's id."""
    photo = [{"file_id": "p", "width": 1, "height": 1}]
    desk.telegram.say(photo=photo, media_group_id="a", caption="look")
    desk.telegram.say("elsewhere", chat=-1001)
    desk.telegram.say(photo=photo, media_group_id="a")
    desk.telegram.say(photo=photo, media_group_id="b")
    await desk.poller().step()
    album, other = await desk.queued()
    assert [file.name for file in album.files] == ["1-photo.jpg", "3-photo.jpg"]
    assert album.text == "look\n[file: inbox/1-photo.jpg]\n[file: inbox/3-photo.jpg]"
    assert [file.name for file in other.files] == ["4-photo.jpg"]


async def test_parts_that_come_later_are_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An album whose parts arrive while the bot settles is still one message."""
    photo = [{"file_id": "p", "width": 1, "height": 1}]
    desk.telegram.say(photo=photo, media_group_id="a")
    sleep, parts = desk.app.engine.clock.sleep, iter("23")

    async def sleep_and_send(seconds: float) -> None:
        await sleep(seconds)
        if next(parts, None):
            desk.telegram.say(photo=photo, media_group_id="a")

    monkeypatch.setattr(desk.app.engine.clock, "sleep", sleep_and_send)
    await desk.poller().step()
    (album,) = await desk.queued()
    assert len(album.files) == 3


async def test_a_comment_and_what_is_forwarded_are_one_message(desk: Desk) -> None:
    """A comment with two forwarded messages behind it is one message; a later word is its own."""
    bob = {"type": "user", "sender_user": {"first_name": "Bob"}}
    desk.telegram.say("what do you think?")
    desk.telegram.say("a", forward_origin=bob)
    desk.telegram.say("b", forward_origin=bob)
    desk.telegram.say("and?")
    await desk.poller().step()
    assert [inbound.text for inbound in await desk.queued()] == [
        "what do you think?\n[forwarded from Bob]\na\n[forwarded from Bob]\nb",
        "and?",
    ]


@pytest.mark.parametrize("error", [ApiError(502, "Bad Gateway"), too_many(9), ApiError(409, "Conflict: terminated")])
async def test_a_failure_that_passes_is_waited_for(desk: Desk, error: ApiError) -> None:
    """A server that fails, a limit or another poller that leaves is told once, and the message arrives."""
    desk.telegram.say("one")
    desk.telegram.order("getUpdates", error, times=2)
    poller = desk.poller()
    for _ in range(3):
        await poller.step()
    assert len(desk.told) == 1
    assert [inbound.text for inbound in await desk.queued()] == ["one"]


@pytest.mark.parametrize(
    ("error", "kind"), [(ApiError(401, "Unauthorized"), Refused), (ApiError(409, "Conflict: webhook"), Conflict)]
)
async def test_a_failure_that_stays_ends_it(desk: Desk, error: ApiError, kind: type[Exception]) -> None:
    """A wrong token, or another poller that stays, ends the poller with what to do."""
    desk.telegram.order("getUpdates", error, times=9)
    with pytest.raises(kind) as refused:
        await desk.poller().run(asyncio.Event())
    assert getattr(refused.value, "fix", None)


async def test_the_mark_is_kept_and_grows_old(desk: Desk, clock: ManualClock) -> None:
    """The number read last is there after a restart, and forgotten before Telegram begins with other numbers."""
    engine, stores = desk.app.engine, desk.app.stores
    for number in (7, 8):
        await write_mark(engine, stores, "telegram:1", number)
    assert await read_mark(engine, stores, "telegram:1") == 8
    clock.advance(STALE_SECONDS)
    assert await read_mark(engine, stores, "telegram:1") is None


# ------------------------------------------------------------------------------------------- who gets in


async def test_a_stranger_is_let_in_by_code(desk: Desk, clock: ManualClock) -> None:
    """A stranger gets one code, runs nothing, is heard once it is approved, and no more when unpaired."""
    app = desk.app
    for text in ("hello", "/new"):
        desk.telegram.say(text, sender=66, name="Eve")
        await desk.poller().step()
    first, second = desk.telegram.texts(66)
    assert first == second
    code = first.partition("pair ")[2].split()[0]
    assert await desk.queued() == []
    await approve_pairing(app.engine, app.stores, "telegram", code.lower())
    desk.telegram.say("now", sender=66)
    await desk.poller().step()
    assert [inbound.sender for inbound in await desk.queued()] == ["66"]
    await end_pairing(app.engine, app.stores, "telegram", "66")
    desk.telegram.say("and now", sender=66)
    await desk.poller().step()
    assert await desk.queued() == []


async def test_a_code_counts_for_an_hour(desk: Desk, clock: ManualClock) -> None:
    """An old code, a used code and an invented one let nobody in."""
    app = desk.app
    desk.telegram.say("hello", sender=66, name="Eve")
    await desk.poller().step()
    code = desk.telegram.texts(66)[0].partition("pair ")[2].split()[0]
    clock.advance(CODE_SECONDS)
    for each in (code, "00000000", ""):
        with pytest.raises(NotFound):
            await approve_pairing(app.engine, app.stores, "telegram", each)


async def test_a_stranger_in_a_group_gets_no_answer(desk: Desk) -> None:
    """In a group a stranger is not heard and not answered."""
    desk.telegram.say("/debug", sender=66, name="Eve", chat=-1001)
    await desk.poller().step()
    assert desk.telegram.texts(-1001) == []
    assert desk.told == ["not taken: Eve (66) is not in the allow-list"]


async def test_too_many_strangers_get_no_code(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as many codes are open as are allowed, the next stranger gets no answer and no record."""
    monkeypatch.setattr("outlive.flows.delivery.pair_sender.MAX_WAITING", 2)
    for sender in (66, 67, 68):
        desk.telegram.say("hello", sender=sender)
    await desk.poller().step()
    assert [len(desk.telegram.texts(sender)) for sender in (66, 67, 68)] == [1, 1, 0]


# --------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/start", "/new - "),
        ("/help", "/whoami - "),
        ("/whoami", "You are 42. This chat is 42."),
        ("/status", "No session yet."),
        ("/sessions", "No session yet."),
        ("/new", "A new session begins"),
        ("/stop", "Nothing is running here."),
        ("/model", "Model: "),
        ("/debug", "No session yet."),
        ("/resume nonsense", "session id 'nonsense' is not valid"),
        ("/resume " + "0" * 32, "does not exist"),
        ("/export", "has no session"),
    ],
)
async def test_a_command_is_answered_at_once(desk: Desk, text: str, words: str) -> None:
    """Each command answers without a turn, and what it cannot do is said with the reason."""
    desk.telegram.say(text)
    await desk.poller().step()
    (answer,) = desk.telegram.texts()
    assert words in answer
    assert await desk.queued() == []


@pytest.mark.parametrize("text", ["/debug", "/export"])
async def test_owners_commands_are_for_owners(desk: Desk, text: str) -> None:
    """Who is allowed to talk is not thereby allowed to look inside."""
    desk.rules = replace(desk.rules, owners=frozenset())
    desk.telegram.say(text)
    await desk.poller().step()
    assert "for the bot's owners" in desk.telegram.texts()[0]


async def test_debug_tells_of_the_last_turn(desk: Desk) -> None:
    """/debug names the last turn's number, how it ended, and the message that it answered."""
    line = (await desk.ask("telegram_42:telegram:42:default", "hello")).line
    desk.telegram.say("/debug")
    await desk.poller().step()
    answer = desk.telegram.texts()[-1]
    assert f"turn 1: {line.stop_reason}, " in answer
    assert answer.endswith(f"message {line.message_id}")


async def test_an_old_session_can_be_resumed(desk: Desk) -> None:
    """The old session is listed, and /resume with the first part of its id leads back; no other chat's is given."""
    key = "telegram_42:telegram:42"
    desk.telegram.world.person(43, "Bob")
    first = await desk.ask(f"{key}:default", "hello")
    other = await desk.ask("telegram_42:telegram:43:default", "hello")
    for text in (
        "/new",
        "/sessions",
        "/resume",
        f"/resume {first.session_id[:6]}",
        f"/resume {other.session_id}",
        "/export",
    ):
        desk.telegram.say(text)
    await desk.poller().step()
    answers = [message for message in desk.telegram.sent() if not message.get("text", "").startswith("Message ")]
    _, listed, asked, resumed, refused = (message["text"] for message in answers[:5])
    assert f"{first.session_id} 1 turn" in listed
    assert asked == f"Which one? /resume ID goes back to it.\n\n{listed}"
    assert resumed == f"Back in {first.session_id} with 1 turn."
    assert "not one of this chat" in refused
    assert answers[5]["document"]["file_name"] == f"{first.session_id}.tar.zst"
    assert (await desk.ask(f"{key}:default", "again")).line.turn == 2


async def test_a_question_is_answered_with_a_button(desk: Desk) -> None:
    """A question has three buttons; the one that is pressed is an answer in the queue, once, in the presser's name."""
    question = Approval("3fa9c1d2", "Bash", "ls", "d" * 40, "Bash", "m", "42", 1, 2_000_000_000)
    await desk.channel.deliver(Reply("telegram_42:telegram:42:default", "m", 1, "May I?", question))
    (message,) = desk.telegram.sent()
    labels = [button["text"] for button in message["reply_markup"]["inline_keyboard"][0]]
    assert labels == ["Allow once", "Always", "Deny"]
    desk.telegram.press(message, message["reply_markup"]["inline_keyboard"][0][0]["callback_data"])
    await desk.poller().step()
    (answer,) = await desk.queued()
    assert (answer.answer, answer.sender) == (Answer("3fa9c1d2", "once"), "42")
    assert desk.telegram.texts() == ["May I?"]


async def test_a_button_is_released(desk: Desk) -> None:
    """A pressed button stops spinning, and one that nobody knows is answered so."""
    await desk.channel.say(Place(42, None, is_private=True), "?")
    desk.telegram.press(desk.telegram.sent()[0], "unknown")
    await desk.poller().step()
    assert desk.telegram.called("answerCallbackQuery")
    assert "do not know this button" in desk.telegram.texts()[-1]


async def test_a_moved_group_goes_on(desk: Desk) -> None:
    """After a group got another id, its messages go to the session they went to before, and it is still let in."""
    mention: dict[str, Any] = {"entities": [{"type": "mention", "offset": 0, "length": 12}]}
    desk.telegram.world.group(-5, "Small")
    desk.telegram.world.group(-1005, "Large")
    desk.rules = replace(desk.rules, allowed=frozenset({42, -5}))
    desk.telegram.say("@outlive_bot one", chat=-5, **mention)
    desk.telegram.say(chat=-5, migrate_to_chat_id=-1005)
    desk.telegram.say("@outlive_bot two", chat=-1005, **mention)
    await desk.poller().step()
    desk.telegram.say("@outlive_bot three", chat=-1005, **mention)
    await desk.poller().step()
    keys = {str(inbound.key) for inbound in await desk.queued()}
    assert keys == {"telegram_-5:telegram:-5:default"}
