"""Dead letters as people look at them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from outlive.core.messages import decode_inbound
from outlive.entrypoints.deeds import deed, note_at
from outlive.errors import NotFound, OutliveError
from outlive.protocols import DeadLetter, Queue
from outlive.wiring import App


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, read."""

    id: str
    session_key: str
    message_id: str
    receives: int
    died_at: float
    reason: str
    text: str | None
    """None when it cannot be read: that may be why it died."""


async def list_letters(app: App, after: str, limit: int) -> list[Letter]:
    """`limit` letters at most, from behind `after`."""
    return [read_letter(letter) for letter in await app.engine.queue.dead_letters(after=after, limit=limit)]


async def redrive(app: App, ids: Sequence[str] | None, progress: Callable[[int, int], None]) -> list[str]:
    """Send these letters again, or all there are; `NotFound` names one that is not there, those before it are sent."""
    return await _each(app, ids, progress, app.engine.queue.redrive, "letter.redriven")


async def purge(app: App, ids: Sequence[str] | None, progress: Callable[[int, int], None]) -> list[str]:
    """Remove these letters, or all there are; `NotFound` names one that is not there, those before it are gone."""
    return await _each(app, ids, progress, app.engine.queue.purge, "letter.purged")


async def _each(
    app: App,
    ids: Sequence[str] | None,
    progress: Callable[[int, int], None],
    settle: Callable[[str], Awaitable[None]],
    what: str,
) -> list[str]:
    """Settle one after the other, each noted at once in the audit of the tenant whose letter it is."""
    keys = await _keys(app.engine.queue, ids)
    wanted = list(keys if ids is None else ids)
    for number, letter_id in enumerate(wanted, start=1):
        await settle(letter_id)
        await note_at(app, deed(what, letter=letter_id), keys.get(letter_id, ""))
        progress(number, len(wanted))
    return wanted


async def _keys(queue: Queue, ids: Sequence[str] | None) -> dict[str, str]:
    """Id -> session key of every letter, or until these are found."""
    found: dict[str, str] = {}
    after = ""
    while ids is None or not found.keys() >= set(ids):
        page = await queue.dead_letters(after=after)
        if not page:
            break
        found |= {letter.id: letter.message.group for letter in page}
        after = page[-1].id
    return found


async def find_letter(app: App, letter_id: str) -> tuple[Letter, str]:
    """One letter, and its body as text; `NotFound` when there is none of that id."""
    after = ""
    while page := await app.engine.queue.dead_letters(after=after):
        for letter in page:
            if letter.id == letter_id:
                return read_letter(letter), letter.message.body.decode(errors="backslashreplace")
        after = page[-1].id
    raise NotFound(f"there is no dead letter {letter_id!r}.", fix="See `outlive queue dead`.")


def read_letter(letter: DeadLetter) -> Letter:
    """What can be read of it."""
    try:
        text = decode_inbound(letter.message.body).text
    except OutliveError:
        text = None
    sent = letter.message
    return Letter(letter.id, sent.group, sent.dedupe_id, letter.receives, letter.died_at, letter.reason, text)
