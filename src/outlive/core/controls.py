"""What reaches a session round its queue: the stop of the running turn, and what becomes of a message meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from outlive.core.keys import SessionId
from outlive.errors import Corrupt

STOPS = "control/"
"""Prefix of the records that stop a turn, below a tenant."""
STOP_TTL = 86400.0


class WhileBusy(StrEnum):
    """What becomes of a message that comes while its session runs a turn; none is ever dropped."""

    QUEUE = "queue"
    """It waits, and has a turn of its own."""
    COLLECT = "collect"
    """All that wait are answered by one turn, the next."""
    STEER = "steer"
    """It is handed to the running agent; where that is too late, it waits."""
    INTERRUPT = "interrupt"
    """The running turn is stopped and kept as far as it got; the message is next."""


@dataclass(frozen=True, slots=True)
class StopOrder:
    """The wish that the turn under way be stopped."""

    fence: int
    """Of the lease that was held when it was asked for: no later turn is meant."""
    at: float
    by: str = ""


def is_meant(order: StopOrder, clean_fence: int, fence: int) -> bool:
    """Whether the turn under `fence` is to stop, where every lease up to `clean_fence` had ended in order.

    The fences between are those of workers that died over the same message: a stop that was meant for one of them is
    meant for whoever finishes its turn.
    """
    return clean_fence < order.fence <= fence


def stop_key(session_id: SessionId) -> str:
    """Where the stop of a session's turn lives, below the tenant."""
    return f"{STOPS}{session_id}"


def encode_stop(order: StopOrder) -> bytes:
    """The record as stored."""
    return json.dumps(asdict(order)).encode()


def decode_stop(body: bytes, name: str) -> StopOrder:
    """The record back; `Corrupt` names it."""
    try:
        return StopOrder(**json.loads(body))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="Delete it.") from error
