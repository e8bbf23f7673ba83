"""The official account's webhook on loopback: passive replies, late ones, repeats, and what nobody may send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.errors import Unavailable
from outlive.testing.wechat import FakeWeChat
from outlive.testing.wechat.account import xml_of
from outlive.testing.wechat.posting import request
from tests.engine.held import HeldAgent
from tests.wechat.conftest import KEY, site


@pytest.fixture(params=["", KEY], ids=["plain", "safe"])
async def fake(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FakeWeChat]:
    """The platform, in plain and in safe mode."""
    monkeypatch.chdir(tmp_path)
    async with FakeWeChat(aes_key=request.param) as fake:
        yield fake


@pytest.fixture
async def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeWeChat]:
    """The platform in plain mode."""
    monkeypatch.chdir(tmp_path)
    async with FakeWeChat() as fake:
        yield fake


async def test_a_quick_answer_goes_out_on_the_request(fake: FakeWeChat, tmp_path: Path) -> None:
    """The console's check passes, and a turn within 5 s is the passive reply: one request, no customer-service call."""
    async with site(tmp_path, account=fake) as served:
        checked = await fake.check("echo-7")
        assert (checked.status, checked.body) == (200, b"echo-7")
        await fake.say("你好 <b>&")
        assert fake.people["oAda"].heard == [("passive", "Message 1: 你好 <b>&")]
        assert (fake.calls, fake.attempts, len(served.agent.runs)) == ([], [200], 1)


async def test_a_slow_answer_comes_by_customer_service(plain: FakeWeChat, tmp_path: Path, monkeypatch) -> None:
    """A turn that takes longer is acknowledged in time, once, and its reply follows."""
    monkeypatch.setattr("outlive.channels.wechat.passive.ANSWER_SECONDS", 0.3)
    agent = HeldAgent()
    async with site(tmp_path, account=plain, agent=agent):
        answered = await plain.say("long")
        assert answered.body == b"success"
        agent.go.set()
        await plain.until(lambda: bool(plain.people["oAda"].heard))
        assert plain.people["oAda"].heard == [("service", "Message 1: long")]
        assert plain.attempts == [200]


async def test_an_answer_to_a_request_that_was_given_up_is_not_lost(plain: FakeWeChat, tmp_path: Path) -> None:
    """Three tries without an answer are one turn; its reply does not go to their dead connections."""
    plain.answer_seconds, agent = 0.3, HeldAgent()
    async with site(tmp_path, account=plain, agent=agent):
        await plain.say("long")
        assert plain.attempts == [0, 0, 0]
        agent.go.set()
        await plain.until(lambda: bool(plain.people["oAda"].heard))
        assert plain.people["oAda"].heard == [("service", "Message 1: long")]
        assert len(agent.runs) == 1


async def test_a_repeat_is_one_turn(fake: FakeWeChat, tmp_path: Path) -> None:
    """The same message five times, at once and again, is run once and answered."""
    async with site(tmp_path, account=fake, workers=2) as served:
        message = fake.message(Content="hi")
        await asyncio.gather(*(fake.push(message) for _ in range(3)))
        assert len(served.agent.runs) == 1
        assert fake.texts() == ["Message 1: hi"]


async def test_a_part_that_does_not_fit_follows(plain: FakeWeChat, tmp_path: Path) -> None:
    """Of a long reply the first part is passive, the rest comes behind it in order."""
    async with site(tmp_path, account=plain):
        text = "word " * 1000
        await plain.say(text.strip())
        await plain.until(lambda: len("".join(plain.texts())) >= 5000)
        assert [kind for kind, _ in plain.people["oAda"].heard] == ["passive", "service", "service"]
        assert "".join(plain.texts()) == f"Message 1: {text.strip()}"


async def test_commands_answer_at_once(plain: FakeWeChat, tmp_path: Path) -> None:
    """Each command is answered on its own request, and runs no turn."""
    async with site(tmp_path, account=plain) as served:
        for text in ("/help", "/status", "/stop", "/whoami", "/new"):
            await plain.say(text)
        texts = plain.texts()
        assert "/stop - " in texts[0]
        assert texts[1:3] == ["No session yet.", "Nothing is running here."]
        assert "oAda" in texts[3]
        assert served.agent.runs == []


async def test_strangers_are_let_in_with_a_code(plain: FakeWeChat, tmp_path: Path) -> None:
    """Who is not known gets a code instead of an answer, and nothing is run."""
    async with site(tmp_path, account=plain, wechat_allow="") as served:
        await plain.say("hello")
        assert "outlive wechat pair " in plain.texts()[0]
        assert served.agent.runs == []


async def failing(*_: object) -> bool:
    """A queue that is down."""
    raise Unavailable("The queue is down.")


async def test_a_queue_that_is_down_is_told(plain: FakeWeChat, tmp_path: Path, monkeypatch) -> None:
    """Only a hand-over that failed is answered with an error, and then the platform sends it again."""
    async with site(tmp_path, account=plain) as served:
        with monkeypatch.context() as patched:
            patched.setattr("outlive.entrypoints.wechat.intake.accept_message", failing)
            answered = await plain.say("hi")
        assert (answered.status, plain.attempts) == (503, [503, 503, 503])
        assert served.agent.runs == []


async def test_what_nobody_may_send_runs_nothing(plain: FakeWeChat, tmp_path: Path) -> None:
    """Forged, old, unsigned and overlong requests are refused with the right status; nothing is run or asked."""
    async with site(tmp_path, account=plain) as served:
        query, body = plain.signed(plain.message(Content="hi"))
        forged = {**query, "signature": "0" * 40}
        old = FakeWeChat(now=lambda: 1_000_000_000.0).signed(plain.message(Content="hi"))
        assert (await request(plain.webhook, forged, body, 5)).status == 403
        assert (await request(plain.webhook, {}, body, 5)).status == 403
        assert (await request(plain.webhook, *old, 5)).status == 403
        assert (await request(plain.webhook, {}, None, 5)).status == 403
        assert (await request(plain.webhook, query, b"a" * 10_000_000, 5)).status in {413, 0}
        assert served.agent.runs == []
        assert served.told


@pytest.mark.parametrize(
    "body",
    [b"", b"<xml>", b"\xff\xfe", b"{}", b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><MsgType>&f;</MsgType></xml>'],
)  # fmt: skip
async def test_broken_bodies_are_taken_and_dropped(plain: FakeWeChat, tmp_path: Path, body: bytes) -> None:
    """What is signed but cannot be read is answered as the platform expects, said once, and runs nothing."""
    async with site(tmp_path, account=plain) as served:
        query, _ = plain.signed(plain.message(Content="hi"))
        answered = await request(plain.webhook, query, body, 5)
        assert (answered.status, answered.body) == (200, b"success")
        assert (len(served.told), served.agent.runs) == (1, [])


async def test_unknown_types_are_taken_and_dropped(fake: FakeWeChat, tmp_path: Path) -> None:
    """Message types and events never seen are answered with success and run nothing."""
    async with site(tmp_path, account=fake) as served:
        for message in (fake.message("hologram"), fake.message("event", Event="SCAN", EventKey="x")):
            assert (await fake.push(message)).body == b"success"
        assert served.agent.runs == []


async def test_plain_requests_are_refused_in_safe_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an AES key a request that is not sealed is refused, though its signature over time and nonce is right."""
    monkeypatch.chdir(tmp_path)
    async with FakeWeChat(aes_key=KEY) as fake, site(tmp_path, account=fake) as served:
        query, _ = FakeWeChat().signed(fake.message(Content="hi"))
        body = xml_of(fake.message(Content="hi")).encode()
        assert (await request(fake.webhook, query, body, 5)).status == 403
        assert served.agent.runs == []
