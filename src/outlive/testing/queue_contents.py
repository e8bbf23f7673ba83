"""The contract of looking into a queue, and of removing what is dead."""

from __future__ import annotations

import pytest

from outlive.errors import Invalid, NotFound
from outlive.protocols import Queue
from outlive.testing.clock import ManualClock
from outlive.testing.contract import needs
from outlive.testing.queue_contract import QueueContract, drain, kill, message, nothing, receive, send


class Waiting(QueueContract):
    """What waits in a group can be looked at without receiving it.

    A backend that cannot look says so by `can_look = False`, and lists nothing.
    """

    can_look = True

    async def test_what_waits_is_listed_in_order(self, queue: Queue, other: Queue) -> None:
        """The waiting messages of one group are listed in the order sent, those of other groups are not."""
        await send(queue, "g/1", "h/1", "g/2")
        expected = [message("g", "1"), message("g", "2")] if self.can_look else []
        assert list(await other.waiting("g")) == expected
        assert list(await other.waiting("g", limit=1)) == expected[:1]
        with pytest.raises(Invalid, match="limit"):
            await queue.waiting("g", limit=0)

    async def test_looking_changes_nothing(self, queue: Queue) -> None:
        """A message that was looked at is delivered as if nobody had looked."""
        await send(queue, "g/1")
        await queue.waiting("g")
        assert (await receive(queue)).receives == 1

    @needs("a clock of its caller's")
    async def test_a_message_with_a_worker_does_not_wait(self, queue: Queue, other: Queue, clock: ManualClock) -> None:
        """A received message is not listed until it has come back."""
        await send(queue, "g/1", "g/2")
        await receive(queue, visibility=30)
        assert [each.dedupe_id for each in await other.waiting("g")] == (["2"] if self.can_look else [])
        clock.advance(30)
        assert [each.dedupe_id for each in await other.waiting("g")] == (["1", "2"] if self.can_look else [])


class Purging(QueueContract):
    """A dead letter can be removed for good."""

    async def test_a_purged_letter_is_gone(self, queue: Queue, other: Queue) -> None:
        """A purged letter is neither listed nor sent again, and the others stay."""
        for group in ("g", "h"):
            await send(queue, f"{group}/1")
            await kill(queue, self.max_receives)
        first, second = await queue.dead_letters()
        await other.purge(first.id)
        assert await queue.dead_letters() == [second]
        with pytest.raises(NotFound):
            await queue.redrive(first.id)
        assert await nothing(queue)

    async def test_an_unknown_letter_cannot_be_purged(self, queue: Queue) -> None:
        """Purging an id that is no dead letter, or a message that still waits, is `NotFound`."""
        await send(queue, "g/1")
        for letter_id in ("nothing", "0", "1", "' OR 1=1 --"):
            with pytest.raises(NotFound):
                await queue.purge(letter_id)
        assert await drain(queue) == ["g/1"]
