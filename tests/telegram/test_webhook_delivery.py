"""The webhook's whole way: Telegram calls, the request is read, the queue takes it, and only a failure is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from outlive.channels.telegram.decisions import Turn
from outlive.channels.telegram.rules import Rules
from outlive.channels.telegram.webhook import read_webhook
from outlive.core.messages import decode_inbound
from outlive.errors import Refused, Unavailable
from outlive.flows.accept_message import accept_message
from outlive.memory.queue import MemoryQueue
from outlive.protocols import Message
from outlive.testing.clock import ManualClock
from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from outlive.testing.telegram import FakeTelegram
from outlive.testing.telegram.forms import Call

SECRET = "a-secret-of-some-length"


@dataclass
class Producer:
    """The shortest server there can be between Telegram and the queue."""

    queue: MemoryQueue
    clock: ManualClock
    rules: Rules
    down: int = 0
    statuses: list[int] = field(default_factory=list)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """401 for a forged request, 500 when the hand-over failed, 200 for the rest."""
        try:
            decision = read_webhook(request.headers, request.body, secret=SECRET, rules=self.rules)
            if isinstance(decision, Turn):
                await self._queue(decision)
            self.statuses.append(200)
        except Refused:
            self.statuses.append(401)
        except Unavailable:
            self.statuses.append(500)
        return HttpResponse(self.statuses[-1])

    async def _queue(self, turn: Turn) -> None:
        if self.down:
            self.down -= 1
            raise Unavailable
        await accept_message(self.queue, turn.inbound, self.clock)

    async def queued(self) -> list[tuple[str, str]]:
        """Chat and text of what is in the queue, and nothing dead."""
        found: list[Message] = []
        while delivery := await self.queue.receive(visibility=30, wait=0):
            found.append(delivery.message)
            await self.queue.ack(delivery)
        inbounds = [decode_inbound(message.body) for message in found]
        return [(inbound.key.chat_id, inbound.text) for inbound in inbounds]


@pytest.fixture
async def producer(telegram: FakeTelegram, clock: ManualClock) -> AsyncIterator[Producer]:
    """A producer that Telegram calls."""
    rules = Rules(telegram.world.bot_id, "outlive_bot", allowed=frozenset({42, 43}))
    made = Producer(MemoryQueue(clock=clock), clock, rules)
    server = HttpServer(made.answer, "127.0.0.1", 0, 20_000_000)
    port = await server.start()
    parameters = {"url": f"http://127.0.0.1:{port}/hook", "secret_token": SECRET}
    telegram.intake.set_webhook(Call("setWebhook", parameters))
    yield made
    await telegram.intake.close()
    await server.stop()


async def test_a_failed_hand_over_is_repeated_in_order(telegram: FakeTelegram, producer: Producer) -> None:
    """While the queue refuses, Telegram holds the chat's updates; then they come in order, none is lost, none twice."""
    producer.down = 3
    for number in range(4):
        telegram.say(f"a{number}")
        telegram.say(f"b{number}", sender=43, name="Bob")
    await telegram.until(lambda: not telegram.world.updates)
    found = await producer.queued()
    assert [text for chat, text in found if chat == "42"] == ["a0", "a1", "a2", "a3"]
    assert [text for chat, text in found if chat == "43"] == ["b0", "b1", "b2", "b3"]
    assert producer.statuses.count(500) == 3


async def test_the_same_update_again_and_again_is_queued_once(telegram: FakeTelegram, producer: Producer) -> None:
    """Five deliveries of one update are one message in the queue."""
    update = telegram.say("hello")
    for _ in range(4):
        await telegram.until(lambda: not telegram.world.updates)
        telegram.world.updates.append(update)
        telegram.intake.arrived()
    await telegram.until(lambda: not telegram.world.updates)
    assert producer.statuses == [200] * 5
    assert await producer.queued() == [("42", "hello")]


async def test_forged_updates_are_refused(telegram: FakeTelegram, producer: Producer) -> None:
    """An update without the secret is answered 401 and queued by nobody."""
    telegram.intake.webhook["secret_token"] = "forged"
    telegram.say("hello")
    await telegram.until(lambda: bool(producer.statuses))
    telegram.intake.webhook = {}
    assert set(producer.statuses) == {401}
    assert await producer.queued() == []
