"""From intake to reply, counted: each message is run once, whatever is repeated, redelivered or shuffled."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from random import Random

import pytest
import pytest_asyncio

from outlive.core.messages import Inbound, decode_inbound
from outlive.errors import AgentFailed, Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.tell_dead import TEXT, tell_dead
from outlive.flows.work_queue import work_one
from outlive.protocols import Message
from outlive.testing.faults import ErrorBefore, Pass, Plan
from outlive.testing.instant_agent import InstantAgent
from tests.engine.held import HeldAgent
from tests.engine.queued import key_of, post, receive, work, work_side_by_side

SESSIONS, EACH, WORKERS = 200, 5, 8


@pytest.mark.defect(10)
async def test_the_same_message_five_times_from_two_intakes(world) -> None:
    """Five copies through two intakes at once are one queue entry, one model call and one reply."""
    intakes = [world.worker("intake-1"), world.worker("intake-2")]
    inbound = Inbound(key_of("ada"), "update-7", "hello", world.clock.now())
    sends = [accept_message(intakes[n % 2].queue, inbound, world.clock) for n in range(5)]
    assert sorted(await asyncio.gather(*sends)) == [False] * 4 + [True]
    await work(world.worker())
    assert (len(world.agent.runs), len(world.inbox.replies)) == (1, 1)


@pytest.mark.defect(11)
async def test_an_intake_says_when_the_queue_refused_a_message(world) -> None:
    """When the hand-over fails the channel is told so, and the same message is taken when it comes again."""
    engine = world.worker()
    world.server.failure = OSError("throttled")
    with pytest.raises(Unavailable):
        await post(engine, "hello")
    world.server.failure = None
    await post(engine, "hello")
    await work(engine)
    assert (len(world.agent.runs), len(world.inbox.replies)) == (1, 1)


@pytest.mark.defect(10)
async def test_a_repeat_behind_the_dedupe_window_is_not_run(world) -> None:
    """A copy that the queue takes again, a day later, is answered from the session and not sent again."""
    engine = world.worker()
    sent_at = world.clock.now()
    await post(engine, "hello", sent_at=sent_at)
    await work(engine)
    world.clock.advance(2 * 86400)
    await post(engine, "hello", sent_at=sent_at)
    assert await work(engine) == 1
    assert (len(world.agent.runs), len(world.inbox.replies)) == (1, 1)


@pytest.mark.defect(14)
async def test_redelivery_while_the_first_run_is_alive(world) -> None:
    """A message that another worker receives while the first run goes on waits for it, and is then a repeat."""
    world.agent = HeldAgent()
    plan = Plan(lambda step: ErrorBefore() if step.name == "queue.extend" else Pass(), clock=world.clock)
    first, second = world.worker("w1", plan), world.worker("w2")
    await post(first, "long")
    working = asyncio.create_task(work_one(first, await receive(first)))
    await world.agent.begun.wait()
    await world.clock.let_pass(31)
    assert await work(second) == 1
    world.agent.go.set()
    await working
    world.clock.advance(2)
    assert await work(second) == 1
    assert await world.answers() == ["long"]
    assert (len(world.agent.runs), len(world.inbox.replies)) == (1, 1)


class Poisoned(InstantAgent):
    """Fails on one message, and answers the others."""

    async def run(self, turn):
        """Fail before anything else."""
        if turn.prompt == "poison":
            raise AgentFailed("the tool crashed")
        async for event in super().run(turn):
            yield event


@pytest_asyncio.fixture
async def poisoned(world):
    """A worker whose agent fails on `poison`; that message is a dead letter, the next one is answered."""
    world.agent = Poisoned()
    engine = world.worker()
    await post(engine, "poison", "fine")
    for _ in range(4):
        await work(engine)
        world.clock.advance(61)
    return engine


@pytest.mark.defect(12)
@pytest.mark.defect(14)
async def test_a_poison_message_is_put_aside_and_its_sender_told_once(world, poisoned) -> None:
    """After three receives the message is dead, the next is answered, and one note goes out, from whichever worker."""
    (letter,) = await poisoned.queue.dead_letters()
    assert (decode_inbound(letter.message.body).text, letter.receives) == ("poison", 3)
    assert [turn.prompt for turn in world.agent.runs] == ["fine"]
    told = await asyncio.gather(*(tell_dead(world.worker(name)) for name in ("w1", "w2", "w3")))
    assert sum(told) == 1
    assert await tell_dead(poisoned) == 0
    notes = [reply for reply in world.inbox.replies if reply.text == TEXT]
    assert [(note.message_id, note.stop_reason) for note in notes] == [("poison", "dead_letter")]
    assert await world.answers() == ["fine"]


async def test_a_message_that_dies_again_is_told_again(world, poisoned) -> None:
    """A redriven message that fails again is a new dead letter, and its sender hears of it again."""
    await tell_dead(poisoned)
    (letter,) = await poisoned.queue.dead_letters()
    await poisoned.queue.redrive(letter.id)
    for _ in range(4):
        await work(poisoned)
        world.clock.advance(61)
    assert await tell_dead(poisoned) == 1


async def test_a_redriven_message_is_answered_once_its_cause_is_gone(world, poisoned) -> None:
    """When what was wrong has been mended, the redriven message has its turn and reply, behind those that went on."""
    await tell_dead(poisoned)
    (letter,) = await poisoned.queue.dead_letters()
    world.agent = InstantAgent()
    await poisoned.queue.redrive(letter.id)
    await work(world.worker())
    assert await world.answers() == ["fine", "poison"]
    assert (await poisoned.queue.depth()).dead == 0
    assert [reply.text for reply in world.inbox.replies if reply.text != TEXT] == [
        "Message 1: fine",
        "Message 2: poison",
    ]


async def test_a_message_that_nobody_can_read_has_its_sender_told(world) -> None:
    """A dead letter whose body is damaged is told to the chat that its group names; a foreign group to nobody."""
    engine = world.worker()
    await engine.queue.send(Message(str(key_of("ada")), "m1", b"\xff"))
    await engine.queue.send(Message("no session key:at all::x", "m2", b"\xff"))
    for _ in range(4):
        await work(engine)
        world.clock.advance(61)
    assert (await engine.queue.depth()).dead == 2
    assert await tell_dead(engine) == 1
    assert [reply.session_key for reply in world.inbox.replies] == [str(key_of("ada"))]


@pytest.mark.parametrize("seed", [1])
async def test_many_sessions_shuffled_through_many_workers(world, seed) -> None:
    """200 sessions with 5 messages each through 8 workers: one model call each, in order, nothing dead."""
    engines = [world.worker(f"w{number}") for number in range(WORKERS)]
    order = [f"chat-{n % SESSIONS}" for n in range(SESSIONS * EACH)]
    Random(seed).shuffle(order)
    numbers: Counter[str] = Counter()
    for chat in order:
        numbers[chat] += 1
        await post(engines[0], f"{chat}/{numbers[chat]}", chat=chat)
    await work_side_by_side(engines)
    calls = Counter(turn.prompt for turn in world.agent.runs)
    assert (len(calls), set(calls.values())) == (SESSIONS * EACH, {1})
    replies = defaultdict(list)
    for reply in world.inbox.replies:
        replies[reply.session_key].append(reply.message_id)
    assert all(sent == [f"{sent[0].split('/')[0]}/{n}" for n in range(1, EACH + 1)] for sent in replies.values())
    assert (len(replies), (await engines[0].queue.depth()).dead) == (SESSIONS, 0)
