"""The WeCom bot's webhook on loopback: streams that the vendor pulls, late answers, and what nobody may send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from outlive.channels.wechat.bot import MAX_CONTENT, STREAM_SECONDS, WAITING, BotChannel, shown
from outlive.channels.wechat.bot_files import MAX_FILE
from outlive.channels.wechat.rules import Rules, key_of
from outlive.channels.wechat.sealing import Sealer
from outlive.channels.wechat.streams import Stream, stream_id
from outlive.errors import Invalid, NotFound, Refused, TooLarge, Unavailable, Undelivered
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import FileRef, Reply
from outlive.testing.clock import ManualClock
from outlive.testing.wechat import FakeWeCom
from outlive.testing.wechat.posting import request
from tests.engine.held import HeldAgent
from tests.wechat.conftest import site

ADA = key_of(Rules(), "wecom", "ada")
NOW = 1_750_000_000.0


@pytest.fixture
async def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeWeCom]:
    """WeCom."""
    monkeypatch.chdir(tmp_path)
    async with FakeWeCom() as fake:
        yield fake


async def test_an_answer_is_pulled(fake: FakeWeCom, tmp_path: Path) -> None:
    """The console's check passes; a message is answered with a stream at once, and its text is there when asked for."""
    async with site(tmp_path, bot=fake) as served:
        assert (await fake.check("echo-9")).body == b"echo-9"
        answer = await asyncio.wait_for(fake.say("hi"), 20)
        assert (answer.texts[0], answer.texts[-1]) == ("", "Message 1: hi")
        assert len(served.agent.runs) == 1


async def test_text_is_shown_as_it_grows(fake: FakeWeCom, tmp_path: Path) -> None:
    """While the turn runs the vendor is given the text so far, in the end the reply."""
    agent = HeldAgent()
    async with site(tmp_path, bot=fake, agent=agent, live_seconds=0.2):
        telling = asyncio.create_task(fake.say("long"))
        async with asyncio.timeout(20):
            while not any("Message 1" in text for shown in fake.shown.values() for text in shown.texts):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        agent.go.set()
        assert (await asyncio.wait_for(telling, 20)).texts[-1] == "Message 1: long"


async def test_a_repeat_is_one_turn(fake: FakeWeCom, tmp_path: Path) -> None:
    """The same callback again has the same stream, and the turn is run once."""
    async with site(tmp_path, bot=fake) as served:
        callback = fake.callback("hi")
        streams = {(await fake.push(callback)).stream_id for _ in range(3)}
        shown = fake.shown[callback["msgid"]]
        while not shown.is_over:
            await asyncio.sleep(0.1)
            await fake.poll(callback, shown)
        assert (len(streams), len(served.agent.runs), shown.texts[-1]) == (1, 1, "Message 1: hi")


async def test_commands_and_strangers_are_answered_at_once(fake: FakeWeCom, tmp_path: Path) -> None:
    """A command's stream is whole with its first answer; so is a stranger's code."""
    async with site(tmp_path, bot=fake, wechat_allow="ada") as served:
        assert "/stop - " in (await fake.say("/help")).texts[0]
        assert (await fake.say("/stop")).texts == ["Nothing is running here."]
        assert "outlive wechat pair" in (await fake.say("hi", sender="eve")).texts[0]
        assert served.agent.runs == []


async def test_a_group_has_a_session_of_its_own(fake: FakeWeCom, tmp_path: Path) -> None:
    """What is said in a group is answered there, with the speaker named to the agent."""
    async with site(tmp_path, bot=fake):
        answer = await asyncio.wait_for(fake.say("@bot hi", chat="group-1"), 20)
        assert answer.texts[-1] == "Message 1: ada: hi"


async def test_what_nobody_may_send_runs_nothing(fake: FakeWeCom, tmp_path: Path) -> None:
    """Forged, old, unsealed, overlong and garbled requests are refused or dropped; nothing is run."""
    async with site(tmp_path, bot=fake) as served:
        query, body = fake.signed(fake.callback("hi"))
        old = FakeWeCom(now=lambda: 1_000_000_000.0).signed({})
        for asked in (({**query, "msg_signature": "0" * 40}, body), ({}, body), old, (query, b"{}"), (query, b"no")):
            assert (await request(fake.webhook, *asked, 5)).status == 403
        assert (await request(fake.webhook, query, b"a" * 10_000_000, 5)).status in {413, 0}
        assert (await fake.post(fake.callback(msgtype="hologram"))).status == 200
        assert (await fake.post({"from": 5})).body == b""
        assert served.agent.runs == []


async def test_an_unknown_stream_is_over(fake: FakeWeCom, tmp_path: Path) -> None:
    """Asked for an answer that nobody knows, the bot ends the stream instead of being asked for ever."""
    async with site(tmp_path, bot=fake):
        answered = await fake.post(fake.callback(msgtype="stream", stream={"id": "nothing"}))
        stream = fake.read_answer(answered)
        assert stream is not None
        assert stream["finish"] is True


# --------------------------------------------------------------------------------- the outbox's side


@pytest.fixture
async def channel(fake: FakeWeCom, clock: ManualClock) -> AsyncIterator[BotChannel]:
    """The channel alone, at the test's own time."""
    fake.now = clock.now
    channel = BotChannel(MemoryTable(MemoryServer()), clock, Sealer(fake.aes_key, ""), base_url=fake.url)
    yield channel
    await channel.close()


async def opened(channel: BotChannel, fake: FakeWeCom, clock: ManualClock) -> tuple[Stream, Reply]:
    """A message that waits for its answer."""
    callback = fake.callback("hi")
    stream = Stream(f"wecom:bot-1:{callback['msgid']}", clock.now(), callback["response_url"])
    await channel.streams.open(ADA, stream)
    return stream, Reply(str(ADA), stream.message_id, 1, "the answer")


async def test_a_reply_waits_until_it_was_pulled(channel: BotChannel, fake: FakeWeCom, clock: ManualClock) -> None:
    """Delivery stays open while the vendor may still ask, and is done once it has been given the reply."""
    stream, reply = await opened(channel, fake, clock)
    with pytest.raises(Undelivered) as caught:
        await channel.deliver(reply)
    assert caught.value.retry_after == 2.0
    await channel.streams.change(ADA, stream_id(stream.message_id), lambda known: replace(known, ended=True, seen=True))
    await channel.deliver(reply)
    assert fake.shown == {}


async def test_a_reply_after_the_stream_goes_to_its_url_once(
    channel: BotChannel, fake: FakeWeCom, clock: ManualClock
) -> None:
    """After six minutes the reply is a message of its own, and a repeat sends nothing."""
    _, reply = await opened(channel, fake, clock)
    clock.advance(STREAM_SECONDS + 1)
    await channel.deliver(reply)
    await channel.deliver(reply)
    assert [shown.late for shown in fake.shown.values()] == [["the answer"]]


async def test_a_reply_after_an_hour_is_given_up(channel: BotChannel, fake: FakeWeCom, clock: ManualClock) -> None:
    """When WeCom takes no answer any more that is final, as is a message that nobody asked."""
    _, reply = await opened(channel, fake, clock)
    clock.advance(3601)
    with pytest.raises(Refused):
        await channel.deliver(reply)
    with pytest.raises(Refused):
        await channel.deliver(replace(reply, message_id="never"))


async def test_a_late_answer_that_fails_is_tried_again(
    channel: BotChannel, fake: FakeWeCom, clock: ManualClock
) -> None:
    """A fault of WeCom's is tried again, a refusal is final."""
    _, reply = await opened(channel, fake, clock)
    clock.advance(STREAM_SECONDS + 1)
    fake.late_faults = [-1, 60140]
    with pytest.raises(Unavailable):
        await channel.deliver(reply)
    with pytest.raises(Refused, match="60140"):
        await channel.deliver(reply)


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:1/x", "file:///etc/passwd", "https://qyapi.weixin.qq.com.evil/x"]
)
async def test_only_wecoms_own_addresses_are_called(channel: BotChannel, clock: ManualClock, url: str) -> None:
    """A response URL that leads elsewhere is not called."""
    await channel.streams.open(ADA, Stream("m1", clock.now(), url))
    clock.advance(STREAM_SECONDS + 1)
    with pytest.raises(Refused, match="response URL"):
        await channel.deliver(Reply(str(ADA), "m1", 1, "x"))


# --------------------------------------------------------------------------------------------- files


def picture(url: str) -> FileRef:
    """A picture at an address."""
    return FileRef("1.jpg", "image", 0, url)


async def test_files_are_fetched_and_decrypted(channel: BotChannel, fake: FakeWeCom, clock: ManualClock) -> None:
    """A file comes with the bytes that were sent; after five minutes it is named as gone."""
    kept = [b"", b"\xff\xd8picture", b"x" * 32, bytes(range(256)) * 100]
    urls = [fake.file(content)["url"] for content in kept]
    assert [await channel.fetch(picture(url)) for url in urls] == kept
    clock.advance(301)
    with pytest.raises(NotFound, match="five minutes"):
        await channel.fetch(picture(urls[0]))


async def test_a_file_that_cannot_be_taken_is_refused(channel: BotChannel, fake: FakeWeCom) -> None:
    """Bytes for another key, more than 20 MB, no HTTPS, no name of a host: refused; nobody there: tried again."""
    noise, large = fake.file(b"")["url"], fake.file(b"")["url"]
    until = fake.now() + 300
    fake.files["/file/1"] = b"not a whole block", until
    with pytest.raises(Refused):
        await channel.fetch(picture(noise))
    fake.files["/file/2"] = bytes(MAX_FILE + 1), until
    with pytest.raises(TooLarge):
        await channel.fetch(picture(large))
    for url in (
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "https://[::1]:8443/",
        "file:///etc/passwd",
        f"{fake.url}.evil/x",
    ):
        with pytest.raises(Invalid):
            await channel.fetch(picture(url))
    with pytest.raises(Unavailable):
        await channel.fetch(picture("https://localhost:1/x"))


async def test_a_picture_lies_in_the_inbox(fake: FakeWeCom, tmp_path: Path) -> None:
    """A picture sent to the bot is in the session's working directory when its turn runs, and the message names it."""
    async with site(tmp_path, bot=fake):
        callback = fake.callback(msgtype="image", image=fake.file(b"\xff\xd8picture"))
        shown = await fake.push(callback)
        async with asyncio.timeout(20):
            while not shown.is_over:
                await asyncio.sleep(fake.poll_seconds)
                await fake.poll(callback, shown)
    (file,) = await asyncio.to_thread(lambda: list(tmp_path.glob("trees/**/inbox/*.jpg")))
    assert f"[file: inbox/{file.name}]" in shown.texts[-1]
    assert file.read_bytes() == b"\xff\xd8picture"


async def test_what_does_not_fit_follows(channel: BotChannel, fake: FakeWeCom, clock: ManualClock) -> None:
    """A reply over 20,480 bytes is shown as far as it fits, and its rest goes to the response URL."""
    stream, reply = await opened(channel, fake, clock)
    reply = replace(reply, text="字" * 8000)
    with pytest.raises(Undelivered):
        await channel.deliver(reply)
    name = stream_id(stream.message_id)
    known = await channel.streams.read(ADA, name)
    assert known is not None
    first, is_end = shown(known, "", clock.now())
    await channel.streams.change(ADA, name, lambda known: replace(known, ended=True, seen=True))
    await channel.deliver(reply)
    ((rest,),) = [each.late for each in fake.shown.values()]
    assert (is_end, first + rest) == (True, reply.text)
    assert len(first.encode()) <= MAX_CONTENT


async def test_a_message_sent_again_by_hand_is_answered(
    channel: BotChannel, fake: FakeWeCom, clock: ManualClock
) -> None:
    """After a word about a failure was pulled, the reply of a redriven message follows, once."""
    stream, reply = await opened(channel, fake, clock)
    name = stream_id(stream.message_id)
    await channel.streams.change(ADA, name, lambda known: replace(known, final="failed", ended=True, seen=True))
    await channel.deliver(reply)
    await channel.deliver(reply)
    assert [shown.late for shown in fake.shown.values()] == [["the answer"]]


async def test_messages_answered_by_one_turn_all_end(fake: FakeWeCom, tmp_path: Path) -> None:
    """Of messages that were collected into one turn each stream ends, with the reply that answers them."""
    agent = HeldAgent()
    async with site(tmp_path, bot=fake, agent=agent, while_busy="collect"):
        telling = [asyncio.create_task(fake.say("one"))]
        await asyncio.wait_for(agent.begun.wait(), 20)
        for text in ("two", "three"):
            telling.append(asyncio.create_task(fake.say(text)))
            await asyncio.sleep(0.3)
        agent.go.set()
        answers = [answer.texts[-1] for answer in await asyncio.wait_for(asyncio.gather(*telling), 40)]
    assert answers == ["Message 1: one", "Message 2: two\n\nthree", "Message 2: two\n\nthree"]
    assert len(agent.runs) == 2


def test_a_stream_is_ended_before_wecom_ends_it() -> None:
    """After five and a half minutes the stream ends with a word about what follows, within the limit."""
    stream = Stream("m1", NOW, "https://x/1")
    assert shown(stream, "so far", NOW + 10) == ("so far", False)
    text, is_end = shown(stream, "字" * 9000, NOW + STREAM_SECONDS)
    assert is_end
    assert text.endswith(WAITING)
    assert len(text.encode()) <= MAX_CONTENT
    assert json.dumps(text)
