"""What is put into a queue: a module of its own, since the producer starts often and needs no other record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What is put into a queue."""

    group: str
    """Messages of one group are delivered one at a time, in the order sent (a session's storage key)."""
    dedupe_id: str
    """The channel's own id; a second send with the same group and id within the window is dropped."""
    body: bytes
