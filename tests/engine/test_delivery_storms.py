"""Everything that can go wrong between intake and reply, at once and by chance, and then counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from outlive.core.messages import Inbound
from outlive.errors import Unavailable, Undelivered
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.retry_outbox import dead_replies, retry_outboxes, waiting_outboxes
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.turn.read_ledger import read_lines
from outlive.flows.work_queue import work_one
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, at, faulty
from tests.engine.queued import Vendor, key_of, receive

CHATS, EACH, COPIES = 6, 5, 5
LAST_STEP = 40
"""About as many awaited calls as a turn makes from its receive to its acknowledgement."""


@dataclass
class Storm:
    """A fleet whose workers die at random places, in front of a vendor that refuses at random."""

    world: object
    random: Random
    vendor: Vendor = field(default_factory=Vendor)
    crashes: Counter[str] = field(default_factory=Counter)
    """By the call that a worker died at."""
    names: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def worker(self, plan: Plan | None = None):
        """A worker that nobody has seen before."""
        engine = self.world.worker(f"w{next(self.names) % 8}", plan)
        channel = faulty(self.vendor, plan or Plan(clock=self.world.clock), "channel")
        return replace(engine, channels={"console": channel})

    def weather(self) -> None:
        """What the vendor does next: nothing, a pause, an outage."""
        faults = [[], [], [Undelivered("429", retry_after=7.0)], [Unavailable("502")], [Unavailable("502")] * 3]
        self.vendor.faults = list(self.random.choice(faults))

    async def take_in(self) -> None:
        """Every message five times, from two intakes, in the order of each chat."""
        intakes, order = [self.worker(), self.worker()], [n % CHATS for n in range(CHATS * EACH)]
        self.random.shuffle(order)
        numbers: Counter[int] = Counter()
        for chat in order:
            numbers[chat] += 1
            text, now = f"{chat}/{numbers[chat]}", self.world.clock.now()
            inbound = Inbound(key_of(f"chat-{chat}"), text, text, now)
            taken = [await accept_message(intakes[n % 2].queue, inbound, self.world.clock) for n in range(COPIES)]
            assert taken == [True] + [False] * (COPIES - 1)

    async def pass_by(self) -> None:
        """Deliver until nothing is left; a worker that dies has its message come again when its time is over."""
        for _ in range(3000):
            self.weather()
            delivery = await receive(self.worker())
            if delivery is not None:
                await self.work(delivery)
            elif not await self.is_left():
                return
            else:
                self.world.clock.advance(5)
                await retry_outboxes(self.worker())
        pytest.fail("the storm never ended")

    async def work(self, delivery) -> None:
        """One delivery, by a worker that may die over it; twice at most over one message, for the third is its last."""
        dies = delivery.receives < 3 and self.random.random() < 0.6
        action = self.random.choice([CrashBefore(), CrashAfter()])
        plan = Plan(at(self.random.randint(1, LAST_STEP), action), clock=self.world.clock) if dies else None
        try:
            await work_one(self.worker(plan), delivery)
        except Crash:
            self.crashes[plan.dead.name] += 1

    async def is_left(self) -> bool:
        """Whether anything is in the queue or waits to be sent."""
        engine = self.worker()
        depth = await engine.queue.depth()
        return bool(depth.waiting + depth.in_flight) or bool(await waiting_outboxes(engine))

    async def ledgers(self) -> dict[str, list[str]]:
        """The messages that each session's turns answered."""
        engine = self.world.observer
        stores, found = engine.stores("acme"), {}
        for chat in range(CHATS):
            session_id = await find_session(engine, stores, key_of(f"chat-{chat}"))
            head = await find_head(engine, stores, session_id)
            found[str(chat)] = [line.message_id for line in await read_lines(engine, stores, head)]
        return found


@pytest.mark.promise("P1")
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_each_message_has_one_turn_in_order(world, seed) -> None:
    """Copies, crashes, pauses and outages at once: a turn and a reply for each message, in order, and nothing dead."""
    storm = Storm(world, Random(seed))
    await storm.take_in()
    await storm.pass_by()
    expected = {str(chat): [f"{chat}/{n}" for n in range(1, EACH + 1)] for chat in range(CHATS)}
    assert await storm.ledgers() == expected
    assert sum(storm.crashes.values()) > 5
    engine = storm.worker()
    assert (await engine.queue.depth()).dead == 0
    assert await dead_replies(engine, engine.stores("acme")) == []
    check_replies(storm)


def check_replies(storm: Storm) -> None:
    """In order in each chat; at most one repeat for each crash of a worker that had sent its reply."""
    sent: dict[str, list[str]] = defaultdict(list)
    for reply in storm.vendor.replies:
        sent[reply.session_key].append(reply.message_id)
    for chat, messages in sent.items():
        assert sorted(set(messages)) == messages_in_order(messages), chat
    repeats = sum(len(each) - len(set(each)) for each in sent.values())
    in_the_window = storm.crashes["channel.deliver"] + storm.crashes["table.write"] + storm.crashes["table.read"]
    assert repeats <= in_the_window
    assert all(len(set(each)) == EACH for each in sent.values())
    assert len(sent) == CHATS


def messages_in_order(messages: list[str]) -> list[str]:
    """Each message where it was first sent."""
    return list(dict.fromkeys(messages))


@pytest.mark.parametrize("seed", range(2))
async def test_without_crashes_the_model_is_asked_once_and_each_reply_sent_once(world, seed) -> None:
    """Copies and a vendor that refuses now and then cost neither a second model call nor a second reply."""
    storm = Storm(world, Random(seed))
    storm.work = lambda delivery: work_one(storm.worker(), delivery)
    await storm.take_in()
    await storm.pass_by()
    assert set(Counter(turn.prompt for turn in world.agent.runs).values()) == {1}
    assert len(world.agent.runs) == len(storm.vendor.replies) == CHATS * EACH
