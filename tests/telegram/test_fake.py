"""The fake Telegram, driven by a Bot API client that somebody else wrote: python-telegram-bot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO

import httpx
import pytest
import telegram as ptb
from telegram.error import BadRequest, Conflict, Forbidden, RetryAfter
from telegram.request import HTTPXRequest

from outlive.testing.clock import ManualClock
from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from outlive.testing.telegram import BLOCKED, FakeTelegram


def client(fake: FakeTelegram) -> ptb.Bot:
    """The other people's client, at the fake."""
    urls = {"base_url": f"{fake.url}/bot", "base_file_url": f"{fake.url}/file/bot"}
    return ptb.Bot(fake.token, **urls, request=HTTPXRequest(8), get_updates_request=HTTPXRequest(2))


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[ptb.Bot]:
    """python-telegram-bot, logged in."""
    async with client(telegram) as bot:
        yield bot


async def test_it_knows_who_it_is(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """`getMe` names the bot, and a wrong token is refused."""
    assert (bot.id, bot.username) == (telegram.world.bot_id, "outlive_bot")
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{telegram.url}/bot1:wrong/getMe")).status_code == 401


async def test_updates_are_repeated_until_confirmed(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """`getUpdates` gives what was not confirmed by a higher offset, with ids that rise by one."""
    telegram.say("one")
    telegram.say("two")
    first = await bot.get_updates(timeout=0)
    assert [update.message.text for update in first] == ["one", "two"]
    assert await bot.get_updates(timeout=0) == first
    rest = await bot.get_updates(offset=first[0].update_id + 1, timeout=0)
    assert [update.update_id for update in rest] == [first[0].update_id + 1]
    assert await bot.get_updates(offset=rest[0].update_id + 1, timeout=0) == ()


async def test_a_long_poll_ends_with_the_first_update(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """A poll that waits is answered when somebody writes."""
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.1)
    telegram.say("hello")
    assert [update.message.text for update in await asyncio.wait_for(poll, 5)] == ["hello"]


async def test_only_one_poller_is_served(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """A second poll ends the first with a conflict."""
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.1)
    await bot.get_updates(timeout=0)
    with pytest.raises(Conflict, match="terminated by other getUpdates"):
        await first


async def test_a_message_is_sent_edited_and_deleted(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """A message gets an id, changes by an edit, and the same edit again is refused as no change."""
    sent = await bot.send_message(42, "<b>hi</b> there", parse_mode="HTML")
    assert (sent.text, telegram.texts()) == ("hi there", ["hi there"])
    assert (await bot.edit_message_text("new", 42, sent.message_id)).text == "new"
    with pytest.raises(BadRequest, match="not modified"):
        await bot.edit_message_text("new", 42, sent.message_id)
    assert await bot.delete_message(42, sent.message_id)
    assert telegram.texts() == []


Send = Callable[[ptb.Bot], Awaitable[object]]
BUTTON = ptb.InlineKeyboardMarkup([[ptb.InlineKeyboardButton("x", callback_data="é" * 33)]])
OUTSIDE = [ptb.MessageEntity("bold", 1, 9)]


@pytest.mark.parametrize(
    ("send", "words"),
    [
        (lambda bot: bot.send_message(42, "x" * 4097), "too long"),
        (lambda bot: bot.send_message(42, " "), "text is empty"),
        (lambda bot: bot.send_message(43, "x"), "not found"),
        (lambda bot: bot.send_message(42, "<b>x", parse_mode="HTML"), "parse entities"),
        (lambda bot: bot.send_message(42, "x", entities=OUTSIDE), "parse entities"),
        (lambda bot: bot.send_message(42, "x", reply_markup=BUTTON), "(?i)button_data_invalid"),
        (lambda bot: bot.send_message(-1001, "x", message_thread_id=9), "thread not found"),
        (lambda bot: bot.edit_message_text("x", 42, 999), "to edit not found"),
        (lambda bot: bot.answer_callback_query("old"), "too old"),
        (lambda bot: bot.get_file("none"), "file_id"),
    ],
)
async def test_what_is_wrong_is_refused(bot: ptb.Bot, send: Send, words: str) -> None:
    """Limits, entities, chats, topics and ids that Telegram refuses are refused in its words."""
    with pytest.raises(BadRequest, match=words):
        await send(bot)


async def test_a_blocked_bot_is_forbidden(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """Who has blocked the bot gets nothing from it."""
    telegram.world.blocked.add(42)
    with pytest.raises(Forbidden, match="blocked"):
        await bot.send_message(42, "x")
    assert BLOCKED.code == 403


@pytest.mark.filterwarnings("ignore:.*retry_after")
async def test_floods_are_stopped(telegram: FakeTelegram, bot: ptb.Bot, clock: ManualClock) -> None:
    """A chat takes a burst of eight, then one a second; a group twenty a minute; `retry_after` tells the wait."""
    for n in range(8):
        await bot.send_message(42, str(n))
    with pytest.raises(RetryAfter) as refused:
        await bot.send_message(42, "9")
    clock.advance(refused.value.retry_after)
    await bot.send_message(42, "9")
    for n in range(20):
        clock.advance(1)
        await bot.send_message(-1001, str(n))
    with pytest.raises(RetryAfter) as refused:
        await bot.send_message(-1001, "one more")
    assert refused.value.retry_after > 30


async def test_files_travel_both_ways(telegram: FakeTelegram, bot: ptb.Bot, clock: ManualClock) -> None:
    """A document arrives, a file is downloaded through its link, and the link runs out after an hour."""
    sent = await bot.send_document(42, BytesIO(b"report"), filename="report.txt", caption="here")
    assert (sent.document.file_name, sent.caption) == ("report.txt", "here")
    file = await bot.get_file(sent.document.file_id)
    assert bytes(await file.download_as_bytearray()) == b"report"
    clock.advance(3601)
    with pytest.raises(Exception, match="Not Found"):
        await file.download_as_bytearray()


async def test_buttons_drafts_and_commands(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """A pressed button arrives and is answered once; drafts and typing are taken; the menu is kept."""
    button = ptb.InlineKeyboardButton("y", callback_data="y")
    sent = await bot.send_message(42, "?", reply_markup=ptb.InlineKeyboardMarkup.from_button(button))
    telegram.press(telegram.sent()[-1], "y")
    (update,) = await bot.get_updates(timeout=0)
    assert (update.callback_query.data, update.callback_query.message.message_id) == ("y", sent.message_id)
    assert await update.callback_query.answer()
    assert await bot.send_message_draft(42, 1, "so far")
    assert await bot.send_chat_action(42, "typing")
    assert await bot.set_my_commands([("start", "Begin")])
    assert [command.command for command in await bot.get_my_commands()] == ["start"]


async def test_a_draft_in_a_group_is_refused(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """Drafts are for private chats."""
    with pytest.raises(BadRequest, match="private chats"):
        await bot.send_message_draft(-1001, 1, "so far")


async def test_a_webhook_gets_each_chat_in_order(telegram: FakeTelegram, bot: ptb.Bot) -> None:
    """Updates carry the secret; a failed one comes again before the same chat's next, and other chats do not wait."""
    seen: list[tuple[str, str]] = []

    async def answer(request: HttpRequest) -> HttpResponse:
        update = ptb.Update.de_json(json.loads(request.body), bot)
        seen.append((request.headers["x-telegram-bot-api-secret-token"], update.message.text))
        return HttpResponse(500 if [text for _, text in seen].count("a1") < 3 and update.message.text == "a1" else 200)

    server = HttpServer(answer, "127.0.0.1", 0, 1_000_000)
    port = await server.start()
    for text, sender in (("a1", 42), ("a2", 42), ("b1", 43)):
        telegram.say(text, sender=sender)
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="s3cret")
    await telegram.until(lambda: not telegram.world.updates)
    assert {secret for secret, _ in seen} == {"s3cret"}
    assert [text for _, text in seen if text != "b1"] == ["a1", "a1", "a1", "a2"]
    assert [text for _, text in seen].count("b1") == 1
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates(timeout=0)
    assert (await bot.get_webhook_info()).pending_update_count == 0
    assert await bot.delete_webhook()
    await server.stop()
