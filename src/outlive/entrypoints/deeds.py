"""What a command has changed, as the tenant's audit tells it: named as the HTTP API names it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from outlive.core.keys import parse_session_id
from outlive.entrypoints.targets import Target
from outlive.errors import Invalid
from outlive.flows.delivery.audit import AuditEntry, note_deed, tenant_named
from outlive.flows.tenant_stores import TenantStores
from outlive.wiring import App


@dataclass(frozen=True, slots=True)
class Deed:
    """One change."""

    what: str
    """Such as `session.rewound`."""
    session: str
    """The session's id or key as it was typed; empty where it is about none."""
    details: Mapping[str, str]


def deed(what: str, session: str = "", /, **details: object) -> Deed:
    """A change, with those details that say something."""
    said = {name: str(value) for name, value in details.items() if value is not None and value is not False}
    return Deed(what, session, {name: value for name, value in said.items() if value})


def done_to(target: Target, what: str) -> Deed:
    """What was done to a session, a user or the tenant."""
    if target.session is not None:
        return deed(f"session.{what}", target.session)
    return (
        deed(f"tenant.{what}") if target.everything else deed(f"user.{what}", user=target.user, channel=target.channel)
    )


async def note(app: App, done: Deed) -> None:
    """Add it to the audit, under whoever runs the command."""
    stores, key, session_id = _named(app, done.session)
    entry = AuditEntry(app.engine.clock.now(), done.what, key, session_id, operator(), done.details)
    await note_deed(app.engine, stores, entry)


async def note_at(app: App, done: Deed, session_key: str) -> None:
    """The same for what was found to be of this session key: in the audit of the tenant that it names."""
    stores = app.engine.stores(tenant_named(session_key, app.stores.tenant))
    entry = AuditEntry(app.engine.clock.now(), done.what, session_key, "", operator(), done.details)
    await note_deed(app.engine, stores, entry)


def _named(app: App, session: str) -> tuple[TenantStores, str, str]:
    """The stores, key and id of a session that may be gone by now."""
    if not session:
        return app.stores, "", ""
    try:
        return app.stores, "", parse_session_id(session)
    except Invalid:
        key = app.key(session)
        return app.engine.stores(key.tenant), str(key), ""


def operator() -> str:
    """Who runs this command."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"unknown@{socket.gethostname()}"
