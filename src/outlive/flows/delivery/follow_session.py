"""What happens in a session as it happens, from whichever process runs its turns: live text, tools, results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from outlive.core.keys import SessionId, SessionKey, message_digest
from outlive.core.ledger import LedgerLine
from outlive.core.live import LiveState
from outlive.core.messages import Inbound
from outlive.core.sessions import Head
from outlive.core.stream_positions import News, Position, begin, news_of
from outlive.errors import NotFound
from outlive.flows.delivery.find_answer import find_answer, find_dead_letter
from outlive.flows.engine import Engine
from outlive.flows.turn.find_session import find_head, find_mapping
from outlive.flows.turn.hear_live import hear_live
from outlive.flows.turn.live_text import read_live
from outlive.flows.turn.read_ledger import read_lines
from outlive.protocols import DeadLetter

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two looks into the table. A turn of this process, and with a broadcast any, is told of at once."""
DEAD_SECONDS = 5.0
"""How often the dead letters are looked through."""


@dataclass(frozen=True, slots=True)
class Live:
    """News of a running turn."""

    message_id: str
    news: News


@dataclass(frozen=True, slots=True)
class Retrying:
    """The run was cut off and counts for nothing; the message is tried again."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A turn that stands."""

    session_id: str
    line: LedgerLine


@dataclass(frozen=True, slots=True)
class Died:
    """The message became a dead letter."""

    letter: DeadLetter


Happening = Live | Retrying | Committed | Died
Told = tuple[Happening, Position]
"""With where its reader is behind it."""


@dataclass(slots=True)
class _Unseen:
    """States that a reader has not been shown: of each run the latest, which has all of it."""

    states: list[LiveState] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, state: LiveState) -> None:
        """Keep it, in the place of what it continues: a reader who is slow costs no more than one who is not."""
        if self.states and self.states[-1].message_id == state.message_id and not self.states[-1].ended:
            self.states.pop()
        self.states.append(state)
        self.more.set()

    def take(self) -> list[LiveState]:
        """All there are, in their order."""
        found, self.states = self.states, []
        self.more.clear()
        return found


@dataclass(slots=True)
class _Follower:
    """One reader's view of a session key."""

    engine: Engine
    key: SessionKey
    seen: Position
    unseen: _Unseen = field(default_factory=_Unseen)
    failed: set[float] = field(default_factory=set)
    buried: set[str] = field(default_factory=set)
    looked_at: float = 0.0
    version: int = -1
    latest: LiveState | None = None

    async def gather(self, told: AsyncGenerator[LiveState, None]) -> None:
        """Take in the states of this process's turns, or of others'."""
        async with aclosing(told) as states:
            async for state in states:
                self.unseen.put(state)

    async def next_states(self, pause: float) -> list[LiveState]:
        """What this process has seen since, or after the pause nothing."""
        if pause > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.unseen.more.wait(), pause)
        return self.unseen.take()

    async def head(self) -> Head | None:
        """Of the session the key points at now."""
        stores = self.engine.stores(self.key.tenant)
        mapping = await find_mapping(self.engine, stores, self.key)
        try:
            return await find_head(self.engine, stores, mapping.session_id) if mapping else None
        except NotFound:
            return None

    def of_state(self, state: LiveState) -> list[Told]:
        """What is new in a state; nothing in one that is older than what was seen of the same message."""
        before = self.latest if self.latest and self.latest.message_id == state.message_id else state
        if state.finished or state.at < before.at:
            return []
        self.latest = state
        found: list[Told] = []
        for news, behind in news_of(state, self.seen):
            self.seen = behind
            found.append((Live(state.message_id, news), behind))
        if state.failed and state.at not in self.failed:
            self.failed.add(state.at)
            found.append((Retrying(state.message_id), self.seen))
        return found

    async def recorded(self, head: Head, message_id: str | None = None) -> list[Told]:
        """The same of the state that another process has written down."""
        state = await read_live(self.engine, self.engine.stores(self.key.tenant), head.session_id)
        is_meant = state is not None and state.session_key == str(self.key) and message_id in (None, state.message_id)
        return self.of_state(state) if state and is_meant else []

    async def died(self) -> list[Told]:
        """The dead letter of a message whose run was cut off, once it is one; looked for now and then."""
        now, state = self.engine.clock.now(), self.latest
        if state is None or not state.failed or now < self.looked_at + DEAD_SECONDS:
            return []
        self.looked_at = now
        letter = await find_dead_letter(self.engine.queue, Inbound(self.key, state.message_id, "-", 0.0))
        if letter is None or letter.id in self.buried:
            return []
        self.buried.add(letter.id)
        return [(Died(letter), self.seen)]

    async def committed(self, head: Head) -> list[Told]:
        """The turns that stand since; the ledger is read where the version has changed only."""
        if head.version == self.version and head.session_id == self.seen.session_id:
            return []
        lines = await read_lines(self.engine, self.engine.stores(self.key.tenant), head)
        is_same = head.session_id == self.seen.session_id
        new = [line for line in lines if (line.turn > self.seen.turn if is_same else line.at * 1000 > self.seen.at)]
        self.version = head.version
        last = lines[-1].turn if lines else 0
        self.seen = replace(self.seen, session_id=head.session_id, turn=last - len(new))
        return [self.stands(head.session_id, line) for line in new]

    def stands(self, session_id: SessionId, line: LedgerLine) -> Told:
        """A committed turn, behind which the reader is then."""
        at = max(self.seen.at, int(line.at * 1000))
        self.seen = Position(session_id, line.turn, at)
        return Committed(session_id, line), self.seen


@asynccontextmanager
async def _following(engine: Engine, key: SessionKey, seen: Position | None) -> AsyncIterator[_Follower]:
    follower = _Follower(engine, key, seen or Position(at=int(engine.clock.now() * 1000)))
    sources = engine.live.watch(key), hear_live(engine, key)
    gathering = [asyncio.create_task(follower.gather(source)) for source in sources]
    await asyncio.sleep(0)  # it watches before anybody looks
    try:
        yield follower
    finally:
        for task in gathering:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def follow_session(
    engine: Engine, key: SessionKey, seen: Position | None = None
) -> AsyncGenerator[Told | None, None]:
    """Everything that happens behind the key from now on, or since a position; it ends when it is closed.

    None comes with each look that found nothing, a second apart at most: a good moment to see whether the reader is
    still there. A state in between may be missed, the committed turn never is.
    """
    async with _following(engine, key, seen) as follower:
        pause = FIRST_PAUSE
        while True:
            states = await follower.next_states(pause)
            found = [told for state in states for told in follower.of_state(state)]
            if not states or any(state.finished for state in states):
                head = await follower.head()
                if head is not None:
                    found += await follower.committed(head)
                    found += [] if states else await follower.recorded(head)
            found += await follower.died()
            pause = FIRST_PAUSE if found else min(2 * pause, LONGEST_PAUSE)
            if not found:
                yield None
            for told in found:
                yield told


async def follow_message(
    engine: Engine, inbound: Inbound, seen: Position | None = None
) -> AsyncGenerator[Told | None, None]:
    """What happens to one message, up to and with its end: `Committed` or `Died`. Otherwise as `follow_session`."""
    async with _following(engine, inbound.key, seen) as follower:
        if follower.seen.message != message_digest(inbound.message_id):
            follower.seen = begin(follower.seen, inbound.message_id)  # who asks for its news knows what it says
        pause, looked_at = 0.0, engine.clock.now()
        while True:
            states = [s for s in await follower.next_states(pause) if s.message_id == inbound.message_id]
            found = [told for state in states for told in follower.of_state(state)]
            if not states or states[-1].finished:
                found += await _looked_up(follower, inbound, has_news=bool(states))
            if not found and engine.clock.now() > looked_at + DEAD_SECONDS:
                letter, looked_at = await find_dead_letter(engine.queue, inbound), engine.clock.now()
                found += [(Died(letter), follower.seen)] if letter else []
            pause = FIRST_PAUSE if found else min(2 * pause or FIRST_PAUSE, LONGEST_PAUSE)
            if not found:
                yield None
            for told in found:
                yield told
                if isinstance(told[0], Committed | Died):
                    return


async def _looked_up(follower: _Follower, inbound: Inbound, *, has_news: bool) -> list[Told]:
    """The message's end if it has come, or else what its turn has written down."""
    if answered := await find_answer(follower.engine, inbound):
        return [follower.stands(SessionId(answered[0]), answered[1])]
    head = None if has_news else await follower.head()
    return await follower.recorded(head, inbound.message_id) if head else []
