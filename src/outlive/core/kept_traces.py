"""The trace of a session's last turn as it is kept: one small record, replaced with every turn."""

from __future__ import annotations

import json
from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
TTL = 7 * 86400.0
"""Seconds."""
MAX_FOUND = 300
"""Characters that are kept of what a step found."""


@dataclass(frozen=True, slots=True)
class KeptStep:
    """One step of the pipeline: when it began, counted from the turn's own beginning, and how long it took."""

    name: str
    began: float
    seconds: float
    found: str


@dataclass(frozen=True, slots=True)
class KeptTrace:
    """How a turn went."""

    turn: int
    how: str
    at: float
    worker: str
    steps: tuple[KeptStep, ...]

    @property
    def seconds(self) -> float:
        """From the beginning of the first step to the end of the last one."""
        return max((step.began + step.seconds for step in self.steps), default=0.0)


def trace_key(session_id: SessionId) -> str:
    """Where it lives, below the tenant's own prefix."""
    return f"trace#{session_id}"


def encode_trace(trace: KeptTrace) -> bytes:
    """The record's body; times to the tenth of a millisecond."""
    steps = [[s.name, round(s.began, 4), round(s.seconds, 4), s.found[:MAX_FOUND]] for s in trace.steps]
    return json.dumps([SCHEMA, trace.turn, trace.how, trace.at, trace.worker, steps], separators=(",", ":")).encode()


def decode_trace(body: bytes, name: str) -> KeptTrace:
    """A trace from its record; `Corrupt` or `SchemaTooNew` name it."""
    try:
        schema, turn, how, at, worker, steps = json.loads(body)
        found = tuple(KeptStep(*step) for step in steps)
        is_newer = schema > SCHEMA
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} is no trace.", fix="The session's next turn replaces it.") from error
    if is_newer:
        raise SchemaTooNew(f"record {name} has schema {schema}.", fix="Upgrade outlive on this machine.")
    return KeptTrace(turn, how, at, worker, found)
