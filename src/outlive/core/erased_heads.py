"""What stays of a head whose session is erased, while a write that makes the session may still be on its way."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.keys import Tenant, session_key
from outlive.core.regions import EPOCH
from outlive.core.session_options import NO_OPTIONS
from outlive.core.sessions import SESSION_TTL, Head, Summary
from outlive.core.turns import CLOCK_MARGIN

DAY = 86400.0
AGAIN = 1 << 16
"""How much higher the fencing tokens of a session begin whose creation was sent again, having had no answer.

The first request may arrive at any time. It must not make a record that a write of the session fits.
"""
ARRIVAL = 2 * CLOCK_MARGIN + 600.0
"""Seconds after which nothing is on its way any more: ten minutes, by clocks that may differ by an hour each."""
NOBODY = "erased"
"""The channel in the key of a head that says nothing any more."""


def was_made_again(fence: int) -> bool:
    """Whether the creation of a session with this fencing token was sent more than once."""
    return fence % EPOCH >= AGAIN


def emptied(head: Head, now: float) -> Head:
    """The head without anything the session held; its key stays, to find it by when the erase is cut off.

    It is expired by every clock, wrong ones too: a late delete of ours takes the mapping of what would still run in it.
    """
    return replace(
        head,
        created_at=now,
        updated_at=now - SESSION_TTL - DAY,
        agent_session_id=None,
        packs=(),
        ledger_size=0,
        answered=(),
        outbox=(),
        summary=Summary(),
        approval=None,
        lifted_rules=(),
        options=NO_OPTIONS,
    )


def may_still_arrive(head: Head, fence: int, now: float) -> bool:
    """Whether the creation of this session, or a mapping to it, may yet come: then its record must not be gone.

    A session without a turn may be one whose mapping had no answer.
    """
    is_open = was_made_again(fence) or head.version == 0
    return is_open and head.created_at + ARRIVAL > now


def marker(head: Head, tenant: Tenant) -> Head:
    """An emptied head whose key is gone, too: what is left is the session's id, and since when."""
    return replace(head, key=str(session_key(tenant, NOBODY, head.session_id)), profile="default", prompt_version="")


def is_marker(head: Head, tenant: Tenant) -> bool:
    """Whether there is nothing in the head but that its session is gone."""
    return head.key == str(session_key(tenant, NOBODY, head.session_id))
