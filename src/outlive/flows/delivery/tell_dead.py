"""The sender of a message that became a dead letter is told, once."""

from __future__ import annotations

from contextlib import suppress

from outlive.core.keys import SessionKey, parse_session_key
from outlive.core.telemetry import MessageDead
from outlive.errors import AlreadyExists, Conflict, Invalid, OutliveError, Unavailable
from outlive.flows.deliver_reply import send_reply
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.telemetry import about
from outlive.protocols import Absent, At, DeadLetter, Free, Hold, Reply, Row

TOLD = "_told/"
"""Prefix of the records that say which dead letters were told of; no tenant's name starts with `_`."""
NEWS_SECONDS = 86400.0
"""A letter that is older is no news any more."""
TOLD_TTL = 7 * 86400.0
CLAIM_SECONDS = 60.0
TEXT = "Your message could not be answered: it failed several times. The operator can have it repeated."


async def tell_dead(engine: Engine) -> int:
    """Tell the senders of new dead letters; how many were told. One read where there are no letters.

    A record per letter, held while the note is sent, keeps other workers from saying it again. A channel that cannot
    take the note now gets it at a later call.
    """
    if not (await engine.queue.depth()).dead:
        return 0
    told, after = 0, ""
    while page := await engine.queue.dead_letters(after=after):
        for letter in page:
            if letter.died_at + NEWS_SECONDS > engine.clock.now() and letter.id not in engine.told:
                told += await _tell(engine, letter)
        after = page[-1].id
    return told


async def _tell(engine: Engine, letter: DeadLetter) -> bool:
    try:
        key = parse_session_key(letter.message.group)
    except Invalid:
        engine.told.add(letter.id)  # put into the queue by somebody else: there is nobody to tell
        engine.telemetry.event(MessageDead())
        return False
    claimed = await _claim(engine, letter, key)
    if claimed is None:
        return False
    reply = Reply(
        str(key), letter.message.dedupe_id, 0, TEXT, reply_to=letter.message.dedupe_id, stop_reason="dead_letter"
    )
    try:
        await send_reply(engine, reply)
    except Unavailable:
        await _free(engine, claimed, told=False)
        return False
    except OutliveError:
        await _settled(engine, letter, key, claimed)  # the chat is gone: nobody will ever hear it
        return False
    await _settled(engine, letter, key, claimed)
    return True


async def _settled(engine: Engine, letter: DeadLetter, key: SessionKey, claimed: Row) -> None:
    engine.told.add(letter.id)
    with about(tenant=str(key.tenant), session_key=str(key), message_id=letter.message.dedupe_id):
        engine.telemetry.event(MessageDead())
    await _free(engine, claimed, told=True)


async def _claim(engine: Engine, letter: DeadLetter, key: SessionKey) -> Row | None:
    """The letter's record, held; None when it was told of, or somebody is telling."""
    name = f"{TOLD}{key.tenant}/{letter.id}"
    now = engine.clock.now()
    with suppress(AlreadyExists):
        hold = Hold(engine.worker, now + CLAIM_SECONDS)
        return await engine.table.write(name, b"0", expected=Absent(), lease=hold, expires_at=now + TOLD_TTL)
    row = await retrying(lambda: engine.table.read(name), engine.clock)
    if row is None or row.body == b"1":
        engine.told.add(letter.id)
        return None
    return await engine.table.acquire(name, engine.new_id(), now=now, until=now + CLAIM_SECONDS)


async def _free(engine: Engine, row: Row, *, told: bool) -> None:
    """Best effort: an unanswered write leaves the claim to run out, and at worst the note is sent again."""
    expected, until = At(row.version, row.fence), row.expires_at
    with suppress(Conflict, Unavailable):
        await engine.table.write(row.key, b"1" if told else b"0", expected=expected, lease=Free(), expires_at=until)
