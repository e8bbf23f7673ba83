"""How long what is kept beside the sessions is kept, class by class."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for each class; None keeps it for ever."""

    audit_days: float | None = None
    """Entries of the audit log."""
    transcript_days: float | None = None
    """Conversations in the archive."""
    debug_days: float | None = None
    """Debug logs of sessions that still live."""
    dead_letter_days: float | None = None
    """Messages that nobody could answer."""
    cache_days: float | None = 1.0
    """Tool results: records whose time is over, and the large results they named."""


def cut_off(days: float | None, now: float) -> float:
    """What is older than this goes; in epoch seconds."""
    return float("-inf") if days is None else now - days * DAY
