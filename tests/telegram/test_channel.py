"""Replies on their way out: whole, in order, once where that can be known, and in plain text when need be."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.channels.telegram.channel import SILENCE, TelegramChannel
from outlive.channels.telegram.client import BotClient
from outlive.channels.telegram.faults import Blocked, TopicGone
from outlive.core.keys import session_key
from outlive.core.messages import FileRef
from outlive.errors import RateLimited, Unavailable
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import Reply
from outlive.testing.clock import ManualClock
from outlive.testing.telegram import BLOCKED, ApiError, FakeTelegram, bad, too_many

ADA = session_key("telegram_42", "telegram", "42")
LONG = "\n\n".join(f"Paragraph {n} " + "word " * 150 for n in range(20))


def reply(text: str, key: object = ADA, message_id: str = "m1") -> Reply:
    """A committed reply."""
    return Reply(str(key), message_id, 1, text)


@pytest.fixture
def table(clock: ManualClock) -> MemoryTable:
    """Where receipts lie."""
    return MemoryTable(MemoryServer())


@pytest.fixture
def channel(bot: BotClient, table: MemoryTable, clock: ManualClock) -> TelegramChannel:
    """The channel under test."""
    return TelegramChannel(bot, table, clock)


async def test_a_reply_is_one_formatted_message(telegram: FakeTelegram, channel: TelegramChannel) -> None:
    """Markdown arrives as text with entities."""
    await channel.deliver(reply("**hi** there"))
    (message,) = telegram.sent()
    assert message["text"] == "hi there"
    assert message["entities"] == [{"type": "bold", "offset": 0, "length": 2}]


async def test_a_topic_gets_its_replies(telegram: FakeTelegram, channel: TelegramChannel) -> None:
    """A thread's reply goes into its topic, the group's own without naming one."""
    for thread in ("5", "default"):
        await channel.deliver(reply("hi", session_key("t", "telegram", "-1001", thread)))
    assert [message.get("message_thread_id") for message in telegram.sent(-1001)] == [5, None]


@pytest.mark.defect(13)
async def test_a_long_reply_arrives_whole_and_in_order(telegram: FakeTelegram, channel: TelegramChannel) -> None:
    """A reply over the limit is several messages, and nothing of it is cut off."""
    await channel.deliver(reply(LONG))
    texts = telegram.texts()
    assert len(texts) > 3
    assert " ".join(" ".join(texts).split()) == " ".join(LONG.split())


@pytest.mark.parametrize("is_new_process", [False, True])
async def test_a_repeat_sends_only_what_is_missing(
    telegram: FakeTelegram, channel: TelegramChannel, table: MemoryTable, clock: ManualClock, is_new_process: bool
) -> None:
    """When a chunk fails, the next try begins with it, in the same process or in another."""
    await channel.bot.call("sendMessage", {"chat_id": 42, "text": "before"})
    telegram.order("sendMessage", too_many(600))
    with pytest.raises(RateLimited):
        await channel.deliver(reply(LONG))
    await channel.bot.call("sendMessage", {"chat_id": 42, "text": "between"})
    again = TelegramChannel(channel.bot, table, clock) if is_new_process else channel
    telegram.order("sendMessage", ApiError(502, "Bad Gateway"))
    with pytest.raises(Unavailable):
        await again.deliver(reply(LONG))
    await again.deliver(reply(LONG))
    await again.deliver(reply(LONG))
    texts = [text for text in telegram.texts() if text not in {"before", "between"}]
    assert " ".join(" ".join(texts).split()) == " ".join(LONG.split())


async def test_formatting_that_is_refused_is_left_out(telegram: FakeTelegram, channel: TelegramChannel) -> None:
    """When Telegram cannot read the entities the text is sent without them."""
    telegram.order("sendMessage", bad("can't parse entities: unsupported"))
    await channel.deliver(reply("**hi**"))
    (message,) = telegram.sent()
    assert (message["text"], message.get("entities")) == ("hi", None)


@pytest.mark.parametrize("text", ["", " \n ", "\u200b \n"])
async def test_an_empty_reply_says_so(telegram: FakeTelegram, channel: TelegramChannel, text: str) -> None:
    """A reply without visible text is a message all the same."""
    await channel.deliver(reply(text))
    assert len(telegram.texts()) == 1
    assert telegram.texts()[0] in {SILENCE, "\u200b"}


async def test_who_cannot_be_reached_is_named(telegram: FakeTelegram, channel: TelegramChannel) -> None:
    """A blocked bot and a deleted topic are errors that no retry mends."""
    telegram.order("sendMessage", BLOCKED)
    with pytest.raises(Blocked):
        await channel.deliver(reply("hi"))
    with pytest.raises(TopicGone):
        await channel.deliver(reply("hi", session_key("t", "telegram", "-1001", "99")))


async def test_a_failure_is_said_once_a_minute(
    telegram: FakeTelegram, channel: TelegramChannel, clock: ManualClock
) -> None:
    """Error messages to a chat are at least a minute apart; other chats have their own minute."""
    assert await channel.notify(ADA, "failed")
    assert not await channel.notify(ADA, "failed again")
    assert await channel.notify(session_key("t", "telegram", "-1001"), "failed")
    clock.advance(60)
    assert await channel.notify(ADA, "once more")
    assert telegram.texts() == ["failed", "once more"]


async def test_files_go_out_and_come_in(telegram: FakeTelegram, channel: TelegramChannel, tmp_path: Path) -> None:
    """A file is sent under its name, and what was sent can be fetched."""
    await channel.send_file(ADA, "/some/where/report.txt", b"data", "here")
    (message,) = telegram.sent()
    assert (message["document"]["file_name"], message["caption"]) == ("report.txt", "here")
    assert await channel.fetch(FileRef("x", "", 4, message["document"]["file_id"])) == b"data"
