"""`outlive slack pair` and `unpair`: who may talk to the app beside the allow-list."""

from __future__ import annotations

import re

from outlive.channels.slack.rules import CHANNEL
from outlive.errors import Invalid
from outlive.flows.delivery.pair_sender import Pairing, approve_pairing, end_pairing
from outlive.wiring import App

_USER = re.compile(r"[UW][A-Z0-9]+\Z")


async def pair(app: App, code: str, *, owner: bool) -> Pairing:
    """Let in whoever has the code."""
    return await approve_pairing(app.engine, app.stores, CHANNEL, code, is_owner=owner)


async def unpair(app: App, sender: str) -> str:
    """Let the sender in no more; their id."""
    if not _USER.match(sender):
        raise Invalid(f"sender {sender!r} is no id of a person.", fix="`!whoami` shows it: U… or W….")
    await end_pairing(app.engine, app.stores, CHANNEL, sender)
    return sender
