"""The queue and its dead letters, as far as they are the caller's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from outlive.core.keys import parse_session_key
from outlive.entrypoints.http_api.callers import Caller, CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import After, Limit
from outlive.entrypoints.http_api.routes import needs, router
from outlive.entrypoints.terminal.letters import Letter, read_letter
from outlive.errors import Invalid, NotFound
from outlive.protocols import DeadLetter

routes = router("queue")

LetterId = Annotated[str, Path(min_length=1, description="Id of a dead letter.")]


@dataclass(frozen=True, slots=True)
class QueueView:
    """How full the queue is."""

    waiting: int | None
    """Of all tenants together, so null for a key of one tenant; as is `in_flight`."""
    in_flight: int | None
    dead: int
    """The caller's."""


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Dead letters, the oldest first."""

    dead_letters: tuple[Letter, ...]
    after: str | None
    """Give it back for the next page; null when there is none."""


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """A dead letter, and its body as it lies there."""

    letter: Letter
    body: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The dead letter is no more."""

    id: str


@routes.get("/v1/queue", **needs("viewer", model=QueueView))
async def get_queue(caller: CallerHere) -> Response:
    """How many messages wait, are with a worker, or are dead."""
    depth = await caller.engine.queue.depth()
    if caller.everyone:
        return shown(QueueView(depth.waiting, depth.in_flight, depth.dead))
    own = [letter async for letter in _own(caller)] if depth.dead else []
    return shown(QueueView(None, None, len(own)))


@routes.get("/v1/queue/dead", **needs("viewer", model=LetterPage))
async def get_dead(caller: CallerHere, after: After = "", limit: Limit = 50) -> Response:
    """The messages that were received too often, each with the reason of its last failure."""
    found: list[Letter] = []
    async for letter in _own(caller, after):
        found.append(read_letter(letter))
        if len(found) == limit:
            return shown(LetterPage(tuple(found), letter.id))
    return shown(LetterPage(tuple(found), None))


@routes.get("/v1/queue/dead/{letter:segment}", **needs("viewer", model=LetterDetail))
async def get_letter(caller: CallerHere, letter: LetterId) -> Response:
    """One dead letter."""
    found = await _letter(caller, letter)
    return shown(LetterDetail(read_letter(found), found.message.body.decode(errors="backslashreplace")))


@routes.post("/v1/queue/dead/{letter:segment}/redrive", **needs("operator", "letter.redriven", model=Settled))
async def post_redrive(caller: CallerHere, letter: LetterId) -> Response:
    """Send it again, at the end of its session's messages."""
    found = await _letter(caller, letter)
    await caller.engine.queue.redrive(found.id)
    caller.deed["session_key"] = found.message.group
    return shown(Settled(found.id))


@routes.delete("/v1/queue/dead/{letter:segment}", **needs("admin", "letter.purged", model=Settled))
async def delete_letter(caller: CallerHere, letter: LetterId) -> Response:
    """Remove it for good: its message is never answered."""
    found = await _letter(caller, letter)
    await caller.engine.queue.purge(found.id)
    caller.deed["session_key"] = found.message.group
    return shown(Settled(found.id))


async def _own(caller: Caller, after: str = "") -> AsyncIterator[DeadLetter]:
    """The caller's letters: of the tenant, or all for who may work for all."""
    while page := await caller.engine.queue.dead_letters(after=after):
        for letter in page:
            if caller.everyone or _tenant(letter) == caller.tenant:
                yield letter
        after = page[-1].id


def _tenant(letter: DeadLetter) -> str:
    """Whose it is; nobody's when somebody else has put it there."""
    try:
        return parse_session_key(letter.message.group).tenant
    except Invalid:
        return ""


async def _letter(caller: Caller, letter_id: str) -> DeadLetter:
    async for letter in _own(caller):
        if letter.id == letter_id:
            return letter
    raise NotFound(f"there is no dead letter {letter_id!r}.", fix="List them.")
