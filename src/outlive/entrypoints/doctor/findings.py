"""What a check of `outlive doctor` found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from outlive.errors import OutliveError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    status: Status
    found: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a check returns; its name is given where the checks are listed."""

    found: str
    fix: str | None = None
    status: Status = "ok"


def warn(found: str, fix: str) -> Found:
    """Something to look at; outlive works all the same."""
    return Found(found, fix, "warn")


def fail(found: str, fix: str) -> Found:
    """Something that keeps outlive from working."""
    return Found(found, fix, "fail")


async def checked(name: str, look: Callable[[], Found]) -> Check:
    """Run a blocking check off the event loop; an error is a failed check."""
    return await awaited(name, asyncio.to_thread(look))


async def awaited(name: str, look: Awaitable[Found]) -> Check:
    """Run a check; an error is a failed check."""
    try:
        found = await look
    except OutliveError as error:
        found = fail(error.message, error.fix or "See the message.")
    except OSError as error:
        found = fail(f"{error.strerror or error}: {error.filename or ''}", "Make it accessible, or choose another.")
    return Check(name, found.status, found.found, found.fix)
