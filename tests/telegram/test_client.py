"""The Bot API client: limits honoured, refusals named, the token never said."""

from __future__ import annotations

import pytest

from outlive.channels.telegram.channel import MAX_DOWNLOAD
from outlive.channels.telegram.client import BotClient
from outlive.channels.telegram.faults import Blocked, CannotParse, ChatGone, NotModified, TopicGone
from outlive.errors import Conflict, Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable
from outlive.testing.clock import START, ManualClock
from outlive.testing.telegram import BLOCKED, ApiError, FakeTelegram, bad, too_many

MESSAGE = {"chat_id": 42, "text": "hi"}


async def test_a_rate_limit_is_waited_through(telegram: FakeTelegram, bot: BotClient, clock: ManualClock) -> None:
    """After a 429 the call is made again when `retry_after` is over, and not before."""
    telegram.order("sendMessage", too_many(7))
    await bot.call("sendMessage", MESSAGE)
    assert clock.now() == START + 7
    assert telegram.texts() == ["hi"]


async def test_a_long_rate_limit_is_the_callers(telegram: FakeTelegram, bot: BotClient, clock: ManualClock) -> None:
    """A wait beyond the patience is raised with its seconds, and nothing is waited for."""
    telegram.order("sendMessage", too_many(600))
    with pytest.raises(RateLimited) as refused:
        await bot.call("sendMessage", MESSAGE)
    assert (refused.value.retry_after, clock.now()) == (600.0, START)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BLOCKED, Blocked),
        (bad("chat not found"), ChatGone),
        (bad("message thread not found"), TopicGone),
        (bad("can't parse entities: no end"), CannotParse),
        (bad("message is not modified: the same"), NotModified),
        (bad("something else"), Invalid),
        (ApiError(401, "Unauthorized"), Refused),
        (ApiError(409, "Conflict: terminated"), Conflict),
        (ApiError(413, "Request Entity Too Large"), TooLarge),
        (ApiError(502, "Bad Gateway"), Unavailable),
    ],
)
async def test_a_refusal_has_a_name(
    telegram: FakeTelegram, bot: BotClient, error: ApiError, kind: type[OutliveError]
) -> None:
    """What Telegram refuses is the error that says what can be done, in Telegram's words."""
    telegram.order("sendMessage", error)
    with pytest.raises(kind) as refused:
        await bot.call("sendMessage", MESSAGE)
    assert type(refused.value) is kind
    assert error.description in refused.value.message


async def test_a_moved_group_is_followed(telegram: FakeTelegram, bot: BotClient) -> None:
    """A message to a group's old id arrives under its new one, and the next goes there at once."""
    telegram.world.moved[-5] = -1001
    for _ in range(2):
        await bot.call("sendMessage", {"chat_id": -5, "text": "hi"})
    assert telegram.texts(-1001) == ["hi", "hi"]
    assert [status for call, status in telegram.calls] == [400, 200, 200]


async def test_nobody_there_is_unavailable_without_the_token(clock: ManualClock) -> None:
    """A connection that fails is `Unavailable`, and neither the error nor its causes name the token."""
    bot = BotClient("123:secret-part", clock, base_url="http://127.0.0.1:1")
    with pytest.raises(Unavailable) as refused:
        await bot.call("getMe")
    assert "secret-part" not in f"{refused.value} {refused.value.__cause__}"
    assert refused.value.__suppress_context__
    await bot.close()


@pytest.mark.parametrize("token", ["", "abc", "12345", "x:y", "12:"])
def test_what_is_no_token_is_refused(clock: ManualClock, token: str) -> None:
    """A token that cannot be one is `Invalid` before anything is called."""
    with pytest.raises(Invalid, match="token"):
        BotClient(token, clock)


async def test_a_file_is_fetched_through_a_fresh_link(
    telegram: FakeTelegram, bot: BotClient, clock: ManualClock
) -> None:
    """A file can be fetched days later, however often: the link is asked for each time."""
    file = telegram.world.file(b"data")
    for _ in range(2):
        clock.advance(48 * 3600)
        assert await bot.download(file["file_id"], 10) == b"data"


async def test_a_file_that_is_gone_or_too_large_is_named(telegram: FakeTelegram, bot: BotClient) -> None:
    """An unknown file is refused, and one over the limit is not read to its end."""
    with pytest.raises(Invalid):
        await bot.download("none", 10)
    with pytest.raises(TooLarge):
        await bot.download(telegram.world.file(b"x" * 11)["file_id"], 10)
    with pytest.raises(TooLarge):
        await bot.download(telegram.world.file(b"x" * (MAX_DOWNLOAD + 1))["file_id"], MAX_DOWNLOAD)


async def test_a_link_that_runs_out_is_not_found(telegram: FakeTelegram, bot: BotClient) -> None:
    """A link that is dead when it is used says that the file is gone."""
    telegram.world.link_seconds = 0.0
    with pytest.raises(NotFound):
        await bot.download(telegram.world.file(b"data")["file_id"], 10)
