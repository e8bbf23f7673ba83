"""Dead letters as people look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outlive.core.messages import decode_inbound
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
    queue = app.engine.queue
    wanted = list(ids) if ids else await _all_ids(queue)
    for number, letter_id in enumerate(wanted, start=1):
        await queue.redrive(letter_id)
        progress(number, len(wanted))
    return wanted


async def purge(app: App, ids: Sequence[str] | None, progress: Callable[[int, int], None]) -> list[str]:
    """Remove these letters, or all there are; `NotFound` names one that is not there, those before it are gone."""
    queue = app.engine.queue
    wanted = list(ids) if ids else await _all_ids(queue)
    for number, letter_id in enumerate(wanted, start=1):
        await queue.purge(letter_id)
        progress(number, len(wanted))
    return wanted


async def find_letter(app: App, letter_id: str) -> tuple[Letter, str]:
    """One letter, and its body as text; `NotFound` when there is none of that id."""
    after = ""
    while page := await app.engine.queue.dead_letters(after=after):
        for letter in page:
            if letter.id == letter_id:
                return read_letter(letter), letter.message.body.decode(errors="backslashreplace")
        after = page[-1].id
    raise NotFound(f"there is no dead letter {letter_id!r}.", fix="See `outlive queue dead`.")


async def _all_ids(queue: Queue) -> list[str]:
    found: list[str] = []
    while page := await queue.dead_letters(after=found[-1] if found else ""):
        found.extend(letter.id for letter in page)
    return found


def read_letter(letter: DeadLetter) -> Letter:
    """What can be read of it."""
    try:
        text = decode_inbound(letter.message.body).text
    except OutliveError:
        text = None
    sent = letter.message
    return Letter(letter.id, sent.group, sent.dedupe_id, letter.receives, letter.died_at, letter.reason, text)
