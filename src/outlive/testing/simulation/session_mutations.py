"""Deliberate faults in what is done to whole sessions: keys, sweeps, rewinds, erasures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from outlive.core.keys import Tenant, head_key
from outlive.core.sessions import Head, decode_mapping
from outlive.errors import NotFound, Unavailable
from outlive.flows import engine, run_turn
from outlive.flows.sessions import erase_session, rewind_session, sweep_session
from outlive.flows.tenant_stores import open_stores
from outlive.flows.turn import find_session, former_sessions, hold_lease
from outlive.flows.turn.hold_lease import Lease


def sweep_without_grace() -> AbstractContextManager[Any]:
    """A sweep takes what is not committed yet."""

    async def disowned(_engine: Any, _stores: Any, _head: Any, leftovers: Any) -> Any:
        return leftovers

    return patch.object(sweep_session, "_disowned", disowned)


def sweep_keeps_only_newest() -> AbstractContextManager[Any]:
    """A sweep takes what kept versions need."""

    async def unneeded(_engine: Any, _stores: Any, head: Head, packs: Any) -> Any:
        newest = head.packs[-1].name if head.packs else ""
        return 1, {name: info for name, info in packs.items() if name != newest}

    return patch.object(sweep_session, "_unneeded", unneeded)


def erase_in_the_wrong_order() -> AbstractContextManager[Any]:
    """An erase leaves the head as it is while it removes packs."""
    return patch.object(erase_session, "emptied", lambda _engine, head: head)


def rewind_takes_the_ledger_back() -> AbstractContextManager[Any]:
    """A rewind forgets which messages were answered."""
    return patch.object(rewind_session, "PATH", "no such path")


@contextmanager
def read_error_is_absence() -> Iterator[None]:
    """An error of a read passes for an absent session."""
    real = hold_lease.acquire

    async def once(call: Any, _clock: Any) -> Any:
        return await call()

    async def hold(given: Any, stores: Any, key: Any, profile: str) -> Any:
        row = await find_session._mapping_row(given, stores, key)
        if row is not None:
            session_id = decode_mapping(row.body, row.key).session_id
            try:
                with patch.object(hold_lease, "retrying", once):
                    return await real(given, stores.table, session_id)
            except (Unavailable, NotFound):
                pass
        return await find_session._make(given, stores, key, profile, row)

    with patch.object(run_turn, "hold_session", hold):
        yield


def tenants_share() -> AbstractContextManager[Any]:
    """All tenants have the keys of one."""

    def shared(table: Any, objects: Any, tenant: str, archive: Any = None) -> Any:  # noqa: ARG001
        return open_stores(table, objects, Tenant("acme"))

    return patch.object(engine, "open_stores", shared)


def force_does_not_wait() -> AbstractContextManager[Any]:
    """Not a lease taken by force, but one simply written over."""

    async def take(given: Any, stores: Any, session_id: Any, *, force: bool = False, fix: str = "") -> Lease:  # noqa: ARG001
        row = await stores.table.read(head_key(session_id))
        if row is None:
            raise NotFound
        return Lease(stores.table, row, "operator", given)

    return patch.object(erase_session, "take_session", take)


def former_not_closed() -> AbstractContextManager[Any]:
    """Turns go on in a session that its key has left."""

    async def close(*_given: object) -> bool:
        return True

    return patch.object(former_sessions, "_close", close)


def former_not_asked() -> AbstractContextManager[Any]:
    """What a key was answered in the session that it has left is not looked up."""

    async def answered_elsewhere(*_given: object) -> None:
        return None

    return patch.object(run_turn, "answered_elsewhere", answered_elsewhere)
