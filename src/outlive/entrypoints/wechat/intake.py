"""From a decision to the queue, a command's answer, or nothing; and what a request is answered with at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from outlive.channels.wechat.bot import BotChannel, after_end, fitted, shown
from outlive.channels.wechat.decisions import Control, Decision, Drop, Poll, Say, Stranger, Turn
from outlive.channels.wechat.streams import Stream, stream_id
from outlive.core.keys import SessionKey
from outlive.core.turns import Known, look_up
from outlive.entrypoints.wechat.controls import run_control
from outlive.entrypoints.wechat.opening import Desk
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.pair_sender import ask_pairing, find_pairing
from outlive.flows.retry import retrying
from outlive.flows.turn.find_session import find_head, find_mapping
from outlive.flows.turn.live_text import read_live
from outlive.flows.turn.read_ledger import read_line

REMEMBERED = 1000
PAIRING = "I do not know you yet. Whoever runs me can let you in with\n\noutlive wechat pair {code}\n\nwithin an hour."
FULL = "I do not know you, and too many strangers wait already."


@dataclass
class Intake:
    """Takes what the parsers decided, for the account and the bot alike."""

    desk: Desk
    tell: Callable[[str], None]
    """One line for whoever watches."""
    _said: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Answers to commands by message id: a repeat gets the same one, and runs nothing."""

    async def admitted(self, decision: Decision, channel: str) -> Decision:
        """The decision with a stranger's wish granted, when the pairing records know them, or answered with a code."""
        if not isinstance(decision, Stranger):
            return decision
        engine, stores = self.desk.app.engine, self.desk.app.stores
        if await find_pairing(engine, stores, channel, decision.sender):
            return decision.wants
        pairing = await ask_pairing(engine, stores, channel, decision.sender, decision.sender)
        if pairing is None:
            return Say(FULL, "")
        self.tell(f"{decision.sender} asks to be let in: outlive wechat pair {pairing.code}")
        return Say(PAIRING.format(code=pairing.code), "")

    async def take(self, decision: Turn | Control | Say | Drop) -> str | None:
        """Hand it over; the words to answer with now, None for none. `Unavailable`: it was not handed over."""
        match decision:
            case Turn(inbound):
                engine = self.desk.app.engine
                await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
                return None
            case Control():
                return await self._control(decision)
            case Say(text):
                return text
            case Drop(reason):
                self.tell(f"not taken: {reason}")
                return None
            case _:
                assert_never(decision)

    async def _control(self, control: Control) -> str:
        if control.message_id not in self._said:
            self._said[control.message_id] = await run_control(self.desk, control)
            while len(self._said) > REMEMBERED:
                self._said.popitem(last=False)
        return self._said[control.message_id]

    # ------------------------------------------------------------------------------------ a bot's streams

    async def begin_stream(self, channel: BotChannel, turn: Turn) -> Stream:
        """Open the answer of a message, before it is queued."""
        now, inbound = self.desk.app.engine.clock.now(), turn.inbound
        stream = Stream(inbound.message_id, now, turn.response_url)
        return await retrying(lambda: channel.streams.open(inbound.key, stream), self.desk.app.engine.clock)

    async def show_stream(self, channel: BotChannel, poll: Poll) -> tuple[str, bool]:
        """How far an answer is, and whether that is its end: nothing more is asked for then."""
        clock = self.desk.app.engine.clock
        stream = await retrying(lambda: channel.streams.read(poll.key, poll.stream_id), clock)
        if stream is None:
            return "(This answer is no longer known.)", True
        live = "" if stream.final is not None else await self._live(poll.key, stream)
        if live is None and (answered := await self._answered(poll.key, stream)) is not None:
            return fitted(answered), True
        text, is_end = shown(stream, live or "", clock.now())
        if is_end:
            await channel.streams.change(poll.key, poll.stream_id, lambda known: after_end(known, stream))
        return text, is_end

    async def _live(self, key: SessionKey, stream: Stream) -> str | None:
        """The text of its turn so far; None when that is not the one that runs."""
        engine = self.desk.app.engine
        stores = engine.stores(key.tenant)
        mapping = await find_mapping(engine, stores, key)
        live = await read_live(engine, stores, mapping.session_id) if mapping else None
        if live is None or live.message_id != stream.message_id:
            return None
        return "\n\n".join(part for part in (live.text, f"[{live.tool}]" if live.tool else "") if part)

    async def _answered(self, key: SessionKey, stream: Stream) -> str | None:
        """The reply, where it went out as another message's: several were answered by one turn."""
        engine = self.desk.app.engine
        stores = engine.stores(key.tenant)
        mapping = await find_mapping(engine, stores, key)
        if mapping is None:
            return None
        head = await find_head(engine, stores, mapping.session_id)
        known = look_up(head, stream.message_id, stream.asked_at)
        if not isinstance(known, Known):
            return None
        line = await read_line(engine, stores, head, known.answered.offset)
        return line.reply if line.message_id != stream.message_id else None


def name_of(turn: Turn) -> str:
    """What the stream of a message is called."""
    return stream_id(turn.inbound.message_id)
