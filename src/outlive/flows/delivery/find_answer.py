"""What became of a message that was queued: its turn, or its dead letter."""

from __future__ import annotations

from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound
from outlive.core.sessions import Head
from outlive.core.turns import Known, New, Unsure, look_up
from outlive.errors import NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.read_ledger import read_line
from outlive.flows.turn.search_ledger import search_ledger
from outlive.protocols import DeadLetter, Queue


async def find_answer(engine: Engine, inbound: Inbound) -> tuple[str, LedgerLine] | None:
    """The session and the turn that answered the message; None as long as there is none.

    A message whose `sent_at` is 0 is looked for however old it may be.
    """
    stores = engine.stores(inbound.key.tenant)

    async def read(head: Head) -> LedgerLine | None:
        match look_up(head, inbound.message_id, inbound.sent_at):
            case Known(answered):
                return await read_line(engine, stores, head, answered.offset)
            case Unsure():
                return await search_ledger(engine, stores, head, inbound)
            case New():
                return None

    try:
        session_id = await find_session(engine, stores, inbound.key)
        line = await at_latest(engine, stores, session_id, read)
    except NotFound:  # the first message of a session makes it
        return None
    return (session_id, line) if line else None


async def find_dead_letter(queue: Queue, inbound: Inbound) -> DeadLetter | None:
    """The dead letter that the message has become, if it has."""
    after = ""
    while letters := await queue.dead_letters(after=after):
        for letter in letters:
            if (letter.message.group, letter.message.dedupe_id) == (str(inbound.key), inbound.message_id):
                return letter
        after = letters[-1].id
    return None
