"""The contract suite of `Queue`, cut by promise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from outlive.errors import Invalid, NotFound, Unavailable
from outlive.protocols import Message, Queue, QueueContents, QueueDepth
from outlive.testing.clock import ManualClock
from outlive.testing.contract import needs
from outlive.testing.queue_contents import Purging, Waiting
from outlive.testing.queue_contract import (
    CALLS,
    QueueContract,
    drain,
    is_refused,
    kill,
    message,
    name,
    nothing,
    receive,
    send,
)
from outlive.testing.queue_delivery import AtLeastOnce, OrderPerGroup, ReceiptsAreCurrent

ODD_TEXTS = ["a\x00b", "'; DROP TABLE messages; --", "\U0001f600", "e\u0301", " ", "x" * 2000, "%_", "\n"]


class Deduplication(QueueContract):
    """A message sent twice within the window is there once."""

    @needs("telling repeats")
    async def test_a_repeat_is_dropped(self, queue: Queue, other: Queue) -> None:
        """The second send of an id in a group returns False and changes nothing, the body being another too."""
        assert await queue.send(message("g", "1", b"first"))
        assert not await other.send(message("g", "1", b"second"))
        assert (await receive(queue)).message.body == b"first"
        assert await nothing(queue)

    @needs("telling repeats")
    async def test_a_repeat_is_dropped_after_the_message_is_done(self, queue: Queue) -> None:
        """The window holds when the first message has been received and acknowledged."""
        await send(queue, "g/1")
        assert await drain(queue) == ["g/1"]
        assert not await queue.send(message("g", "1"))
        assert await nothing(queue)

    async def test_ids_belong_to_their_group(self, queue: Queue) -> None:
        """The same id in another group is another message."""
        await send(queue, "g/1", "h/1")
        assert await drain(queue) == ["g/1", "h/1"]

    @needs("telling repeats")
    @needs("a clock of its caller's")
    async def test_the_window_is_counted_from_the_first_send(self, queue: Queue, clock: ManualClock) -> None:
        """Just inside the window a repeat is dropped and does not prolong it; at its end the id is new."""
        await send(queue, "g/1")
        clock.advance(self.dedupe_window - 1)
        assert not await queue.send(message("g", "1"))
        clock.advance(1)
        assert await queue.send(message("g", "1"))
        assert not await queue.send(message("g", "1"))
        assert await drain(queue) == ["g/1", "g/1"]

    @needs("telling repeats")
    async def test_of_32_concurrent_sends_one_counts(self, queue: Queue, other: Queue) -> None:
        """Of 32 concurrent sends of one message on two handles one is stored."""
        sends = [(queue, other)[n % 2].send(message("g", "1")) for n in range(32)]
        assert sum(await asyncio.gather(*sends)) == 1
        assert await drain(queue) == ["g/1"]


class RepeatsAreDropped(QueueContract):
    """The same by its effect alone, for queues that do not tell the sender."""

    async def test_only_the_first_send_is_delivered(self, queue: Queue, other: Queue) -> None:
        """However often an id is sent to a group, by whom and with what body, its first body is delivered once."""
        for sender, body in ((queue, b"first"), (other, b"second"), (queue, b"third")):
            await sender.send(message("g", "1", body))
        delivery = await receive(queue)
        assert delivery.message.body == b"first"
        await queue.ack(delivery)
        await other.send(message("g", "1", b"late"))
        assert await nothing(queue)

    async def test_concurrent_sends_are_delivered_once(self, queue: Queue, other: Queue) -> None:
        """Of 32 concurrent sends of one message on two handles one is delivered."""
        await asyncio.gather(*((queue, other)[n % 2].send(message("g", "1")) for n in range(32)))
        assert await drain(queue) == ["g/1"]

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:8]))
    async def test_odd_texts_are_told_apart(self, queue: Queue, other: Queue, text: str) -> None:
        """Any non-empty text is a group and an id of its own, repeated or not."""
        for group in (text, text, text + "x"):
            await queue.send(message(group, text))
        assert await drain(other) == [f"{text}/{text}", f"{text}x/{text}"]


class DeadLetters(QueueContract):
    """A message that fails too often is put aside, kept, and can be sent again."""

    async def test_a_message_received_too_often_dies_and_its_group_goes_on(
        self, queue: Queue, other: Queue, clock: ManualClock
    ) -> None:
        """After `max_receives` failures the next receive buries the message, with its reason, and returns the next."""
        await send(queue, "g/1", "g/2")
        for _ in range(self.max_receives):
            await queue.give_back(await receive(queue), delay=0, reason="tool crashed")
        assert name(await receive(queue)) == "g/2"
        (letter,) = await other.dead_letters()
        assert letter.message == message("g", "1")
        assert (letter.receives, letter.died_at) == (self.max_receives, clock.now())
        assert letter.reason == "tool crashed"

    @needs("a clock of its caller's")
    async def test_timeouts_kill_too(self, queue: Queue, clock: ManualClock) -> None:
        """A message whose receivers all vanish dies too, with a reason that is not empty."""
        await send(queue, "g/1")
        for _ in range(self.max_receives):
            last = await receive(queue)
            clock.advance(30)
        assert await nothing(queue)
        (letter,) = await queue.dead_letters()
        assert letter.reason
        await is_refused(queue, last)

    async def test_a_letter_is_sent_again_at_the_end_of_its_group(self, queue: Queue, other: Queue) -> None:
        """A redriven message comes after its group's waiting ones, received for the first time, once."""
        await send(queue, "g/1")
        await kill(queue, self.max_receives)
        await send(queue, "g/2")
        (letter,) = await other.dead_letters()
        await other.redrive(letter.id)
        assert await other.dead_letters() == []
        await queue.ack(await receive(queue))
        again = await receive(queue)
        assert (again.message, again.receives) == (letter.message, 1)

    async def test_a_redriven_letter_can_die_again(self, queue: Queue) -> None:
        """A message redriven and failing again is a dead letter again, and can be redriven again."""
        await send(queue, "g/1")
        for reason in ("first", "second"):
            await kill(queue, self.max_receives, reason)
            (letter,) = await queue.dead_letters()
            assert letter.reason == reason
            await queue.redrive(letter.id)
        assert await drain(queue) == ["g/1"]

    async def test_an_unknown_letter_is_not_found(self, queue: Queue) -> None:
        """Redriving an id that is no dead letter, or no longer one, is `NotFound`."""
        await send(queue, "g/1")
        await kill(queue, self.max_receives)
        (letter,) = await queue.dead_letters()
        await queue.redrive(letter.id)
        for letter_id in (letter.id, "nothing", "0", "' OR 1=1 --"):
            with pytest.raises(NotFound):
                await queue.redrive(letter_id)

    async def test_pages_of_letters_join_to_the_whole(self, queue: Queue) -> None:
        """Dead letters are listed in order of id, each once, page by page; a limit below one is refused."""
        for n in range(7):
            await send(queue, f"g{n}/x")
            await kill(queue, self.max_receives)
        seen: list[str] = []
        while page := await queue.dead_letters(after=seen[-1] if seen else "", limit=3):
            seen += [letter.id for letter in page]
        assert seen == sorted(set(seen))
        assert len(seen) == 7
        with pytest.raises(Invalid, match="limit"):
            await queue.dead_letters(limit=0)


class Depth(QueueContract):
    """The queue knows how full it is."""

    @needs("a clock of its caller's")
    async def test_each_message_is_counted_once(self, queue: Queue, other: Queue, clock: ManualClock) -> None:
        """Waiting, delayed and blocked messages wait, received ones are in flight until they time out."""
        await send(queue, "dead/1")
        await kill(queue, self.max_receives)
        await send(queue, "a/1", "a/2", "b/1", "c/1")
        await receive(queue)
        await queue.give_back(await receive(queue), delay=60, reason="")
        assert await other.depth() == QueueDepth(waiting=3, in_flight=1, dead=1)
        clock.advance(30)
        assert await other.depth() == QueueDepth(waiting=4, in_flight=0, dead=1)


class Durability(QueueContract):
    """What was acknowledged is there after everything is closed and opened again."""

    @needs("telling repeats")
    async def test_everything_survives_reopening(self, queue: Queue, tmp_path: Path, clock: ManualClock) -> None:
        """Messages, receives, receipts, the dedupe window and dead letters are the same after reopening."""
        await send(queue, "dead/1")
        await kill(queue, self.max_receives)
        await send(queue, "g/1", "g/2", "h/1")
        held = await receive(queue)
        letters, depth = await queue.dead_letters(), await queue.depth()
        await queue.close()
        again = await self.connect(tmp_path, clock)
        assert (await again.dead_letters(), await again.depth()) == (letters, depth)
        assert not await again.send(message("g", "2"))
        await again.ack(held)
        assert await drain(again) == ["g/2", "h/1"]
        await again.close()


class OddBytes(QueueContract):
    """Every body, group and id comes back exactly; what is not allowed is refused."""

    @needs("telling repeats")
    @pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:8]))
    async def test_odd_groups_and_ids_come_back(self, queue: Queue, other: Queue, text: str) -> None:
        """Any non-empty text is a group and an id, told apart from its neighbours."""
        await queue.send(message(text, text))
        assert not await queue.send(message(text, text))
        assert await queue.send(message(text + "x", text))
        assert await drain(other) == [f"{text}/{text}", f"{text}x/{text}"]

    @pytest.mark.parametrize("body", [b"", b"\x00\xff\xed\xa0\x80\r\n", bytes(range(256)) * 1024])
    async def test_odd_bodies_come_back(self, queue: Queue, other: Queue, body: bytes) -> None:
        """Bodies of any bytes up to 256 KB come back, through the dead letters too."""
        await queue.send(message("g", "1", body))
        assert (await receive(other)).message.body == body
        await queue.send(message("h", "1", body))
        await kill(queue, self.max_receives)
        assert [letter.message.body for letter in await other.dead_letters()] == [body]

    @pytest.mark.parametrize(
        ("group", "dedupe_id", "field"), [("", "1", "group"), ("g", "", "id"), ("g", "\ud800", "id")]
    )
    async def test_what_names_nothingis_refused(self, queue: Queue, group: str, dedupe_id: str, field: str) -> None:
        """An empty or broken group or id is `Invalid`, names the field, and nothing is sent."""
        with pytest.raises(Invalid, match=field):
            await queue.send(Message(group, dedupe_id, b""))
        assert await queue.depth() == QueueDepth(0, 0, 0)

    async def test_any_reason_can_be_given(self, queue: Queue) -> None:
        """A reason with NUL and lone surrogates, as error texts may have, does not keep a message from its end."""
        await send(queue, "g/1")
        await kill(queue, self.max_receives, "cannot read \udcff\x00")
        (letter,) = await queue.dead_letters()
        assert letter.reason.startswith("cannot read ")


class Failure(QueueContract):
    """An outage is an error, never an answer."""

    @pytest.mark.parametrize("method", CALLS)
    async def test_a_broken_backend_is_unavailable_on_every_method(
        self, queue: Queue, clock: ManualClock, method: str
    ) -> None:
        """Each call on a broken backend raises `Unavailable` at once, with the vendor's own error inside."""
        began = clock.now()
        await self.sever(queue)
        with pytest.raises(Unavailable) as caught:
            await CALLS[method](queue)
        assert caught.value.original is not None
        assert clock.now() == began

    async def test_every_method_is_in_the_outage(self) -> None:
        """The list of calls tried in an outage names every method of the protocol but `close`."""
        methods = vars(Queue) | vars(QueueContents)
        assert set(CALLS) == {name for name in methods if not name.startswith("_")} - {"close"}

    async def test_ping_answers_while_the_backend_works(self, queue: Queue) -> None:
        """`ping` returns on a queue that serves."""
        await queue.ping()

    async def test_closing_twice_is_fine(self, queue: Queue, other: Queue) -> None:
        """A second `close` does nothing, and other handles go on working."""
        await queue.close()
        await queue.close()
        await send(other, "g/1")


class QueueSuite(
    OrderPerGroup,
    AtLeastOnce,
    ReceiptsAreCurrent,
    Deduplication,
    RepeatsAreDropped,
    DeadLetters,
    Waiting,
    Purging,
    Depth,
    Durability,
    OddBytes,
    Failure,
):
    """All that a `Queue` promises."""
