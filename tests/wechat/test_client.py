"""The account's API: tokens kept fresh, refusals by name, long replies in parts."""

from __future__ import annotations

import asyncio

import pytest

from outlive.channels.wechat.account import AccountChannel
from outlive.channels.wechat.client import AccountClient
from outlive.channels.wechat.rules import Rules, key_of
from outlive.core.messages import FileRef
from outlive.errors import Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable, Undelivered
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import Reply
from outlive.testing.clock import ManualClock
from outlive.testing.wechat import FakeWeChat

Pair = tuple[FakeWeChat, AccountClient]
ADA = str(key_of(Rules(), "wechat", "oAda"))
SEND = "message/custom/send"


def tokens(fake: FakeWeChat) -> int:
    """How often a token was asked for."""
    return sum(path == "stable_token" for path, _ in fake.calls)


async def test_one_token_serves_many_calls(client: Pair) -> None:
    """Calls at once and one after the other share one token."""
    fake, api = client
    await asyncio.gather(*(api.send_text("oAda", f"{n}") for n in range(5)))
    assert sorted(fake.texts()) == ["0", "1", "2", "3", "4"]
    assert tokens(fake) == 1


async def test_a_token_is_changed_before_it_runs_out(client: Pair, clock: ManualClock) -> None:
    """Five minutes before its end another one is asked for, so no call is refused."""
    fake, api = client
    await api.send_text("oAda", "a")
    clock.advance(7200 - 299)
    await api.send_text("oAda", "b")
    assert tokens(fake) == 2
    assert {code for _, code in fake.calls} == {0}


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_that_is_refused_is_renewed_at_once(client: Pair, code: int) -> None:
    """When the platform takes a token no more, the call is made again with another, and succeeds."""
    fake, api = client
    await api.send_text("oAda", "a")
    fake.expire_tokens()
    fake.faults.append((SEND, code))
    await api.send_text("oAda", "b")
    assert fake.texts() == ["a", "b"]


async def test_a_token_that_is_refused_for_ever_is_tried_once_more(client: Pair) -> None:
    """Two refusals in a row are an error to try again later, not a loop."""
    fake, api = client
    fake.faults += [(SEND, 40001)] * 5
    with pytest.raises(Unavailable, match="40001"):
        await api.send_text("oAda", "a")
    assert sum(path == SEND for path, _ in fake.calls) == 2


@pytest.mark.parametrize(
    ("code", "kind", "pause"),
    [
        (45015, Refused, None), (48001, Refused, None), (43004, Refused, None), (40003, NotFound, None),
        (45002, TooLarge, None), (99999, Invalid, None), (45047, RateLimited, 600), (45009, RateLimited, 3600),
        (40164, Undelivered, 300), (-1, Unavailable, None),
    ],
)  # fmt: skip
async def test_refusals_are_named(client: Pair, code: int, kind: type[OutliveError], pause: float | None) -> None:
    """Each error code says whether to try again, when, and what to do; none names the secret or a token."""
    fake, api = client
    fake.faults.append((SEND, code))
    with pytest.raises(kind) as caught:
        await api.send_text("oAda", "a")
    assert getattr(caught.value, "retry_after", None) == pause
    assert str(code) in caught.value.message
    assert not {"fake-secret", "token-1"} & set(str(caught.value).split())


async def test_wrong_credentials_are_tried_again_later(clock: ManualClock) -> None:
    """A wrong secret loses no reply: it is a fault of the setup, which somebody will mend."""
    async with FakeWeChat(now=clock.now) as fake:
        api = AccountClient(fake.app_id, "wrong", clock, base_url=fake.url)
        with pytest.raises(Undelivered, match="40125") as caught:
            await api.send_text("oAda", "a")
        assert "WECHAT_APP_SECRET" in (caught.value.fix or "")
        await api.close()
    with pytest.raises(Invalid, match="app id"):
        AccountClient("", "", clock)


async def test_a_platform_that_is_away_is_unavailable(clock: ManualClock) -> None:
    """Nobody listens: an error to try again, without secrets in it."""
    api = AccountClient("wx1", "s3cret", clock, base_url="http://127.0.0.1:1")
    with pytest.raises(Unavailable) as caught:
        await api.send_text("oAda", "a")
    assert "s3cret" not in str(caught.value)
    await api.close()


async def test_files_are_fetched_by_media_id(client: Pair, clock: ManualClock) -> None:
    """A picture comes with its bytes, one that is gone is named so."""
    fake, api = client
    fake.media["m1"] = b"\xff\xd8picture"
    channel = AccountChannel(api, MemoryTable(MemoryServer()), clock)
    assert await channel.fetch(FileRef("1.jpg", "image", 0, "m1")) == b"\xff\xd8picture"
    with pytest.raises(NotFound):
        await channel.fetch(FileRef("2.jpg", "image", 0, "m2"))


async def test_a_long_reply_goes_out_once_and_in_order(client: Pair, clock: ManualClock) -> None:
    """Parts fit into 2,048 bytes; after a failure the next try begins behind the last one that arrived."""
    fake, api = client
    text = "\n\n".join(f"第{n}段 " + "很长的话" * 60 for n in range(8))
    channel = AccountChannel(api, MemoryTable(MemoryServer()), clock)
    reply = Reply(ADA, "m1", 1, text)
    await channel.client.send_text("oAda", "first")
    fake.faults.append((SEND, 45009))
    with pytest.raises(RateLimited) as caught:
        await channel.deliver(reply)
    assert caught.value.progress == "0"
    await channel.deliver(reply)
    await channel.deliver(reply)
    assert "".join(fake.texts()[1:]) == text


async def test_a_limit_in_the_middle_keeps_what_arrived(client: Pair, clock: ManualClock) -> None:
    """When the platform wants no more messages, the rest waits for the person's next one, and nothing is repeated."""
    fake, api = client
    channel = AccountChannel(api, MemoryTable(MemoryServer()), clock)
    reply = Reply(ADA, "m1", 1, "a" * 5000)
    fake.people["oAda"].answers_left = 1
    with pytest.raises(RateLimited) as caught:
        await channel.deliver(reply)
    assert caught.value.progress == "1"
    fake.message(sender="oAda")
    await channel.deliver(reply)
    assert "".join(fake.texts()) == "a" * 5000
