"""What this worker knows of the messages that were answered before those that the head remembers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from outlive.core.keys import SessionId, message_digest
from outlive.core.sessions import Answered, Head
from outlive.core.turns import CLOCK_MARGIN

MOST = 200_000
"""Digests that are kept, of all sessions together: some 100 bytes each."""


@dataclass(slots=True)
class _Session:
    lineage: int
    newest: Answered
    """The last message that is in `digests`."""
    since: float
    """Every message that was answered after this time is in `digests`."""
    digests: set[str]


class KnownAnswers:
    """Digests of the messages that were answered in the sessions this worker has looked through, kept up from heads.

    Only a "no" can be had here. What was seen may be gone, so a "perhaps" is looked up; and where the head no longer
    joins on to what was seen (a rewind, a fail-over, too many turns elsewhere) nothing is known.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sessions: dict[tuple[str, SessionId], _Session] = {}

    def rules_out(self, tenant: str, head: Head, message_id: str, sent_at: float) -> bool:
        """Whether the message is known not to have been answered up to this head."""
        key = tenant, head.session_id
        known = self._sessions.pop(key, None)
        if known is None or not _joins(known, head):
            return False
        self._sessions[key] = known  # the one asked for last goes last
        return known.since <= sent_at - CLOCK_MARGIN and message_digest(message_id) not in known.digests

    def learn(self, tenant: str, head: Head, since: float, message_ids: Iterable[str]) -> None:
        """These are all that were answered after `since`, up to this head."""
        if not head.answered:
            return
        digests = {*map(message_digest, message_ids), *(each.digest for each in head.answered)}
        self._sessions.pop((tenant, head.session_id), None)
        self._sessions[tenant, head.session_id] = _Session(head.lineage, head.answered[-1], since, digests)
        while sum(len(each.digests) for each in self._sessions.values()) > self._most:
            del self._sessions[next(iter(self._sessions))]


def _joins(known: _Session, head: Head) -> bool:
    """Take in what the head has added; False when something may lie between."""
    if known.lineage != head.lineage or known.newest not in head.answered:
        return False
    added = head.answered[head.answered.index(known.newest) + 1 :]
    known.digests.update(each.digest for each in added)
    known.newest = head.answered[-1]
    return True
