"""Appended messages taken along when their session is forked, exported or imported; ids and times stay as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import replace

from outlive.core.keys import SessionId
from outlive.core.message_log import (
    LoggedMessage,
    encode_message,
    message_key,
    new_message,
    text_bytes,
    text_key,
)
from outlive.errors import AlreadyExists, Corrupt, Invalid
from outlive.flows.engine import Engine
from outlive.flows.knowledge.message_log import stored_messages, whole_message
from outlive.flows.retry import put_once, retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, Keep


async def copy_messages(engine: Engine, stores: TenantStores, source: SessionId, target: SessionId) -> None:
    """Give a session in the making the messages of another one; both have the same ids from then on."""
    async for message in _messages(engine, stores, source):
        await _put(engine, stores, target, message)


async def archived_messages(engine: Engine, stores: TenantStores, session_id: SessionId) -> AsyncIterator[bytes]:
    """One JSON line per message with its whole text; `Corrupt` names one that is damaged."""
    async for m in _messages(engine, stores, session_id):
        yield json.dumps({"id": m.id, "at": m.at, "role": m.role, "text": m.text}).encode() + b"\n"


def parse_archived(raw: bytes, name: str) -> tuple[LoggedMessage, ...]:
    """The messages of an archive; `Corrupt` for what no export wrote."""
    try:
        lines = [json.loads(line) for line in raw.splitlines()]
        found = tuple(
            replace(new_message(each["role"], each["text"], at=float(each["at"]), nonce=""), id=int(each["id"]))
            for each in lines
        )
    except (ValueError, TypeError, KeyError, AttributeError, Invalid) as error:
        raise Corrupt(f"{name} has a line that is no message ({error}).", fix="Export it again.") from error
    if [message.id for message in found] != list(range(1, len(found) + 1)):
        raise Corrupt(f"{name} has a hole, or messages out of order.", fix="Export it again.")
    return tuple(replace(each, text=line["text"]) for each, line in zip(found, lines, strict=True))


async def put_messages(
    engine: Engine, stores: TenantStores, session_id: SessionId, messages: Iterable[LoggedMessage]
) -> None:
    """Store the messages of an archive in a session in the making."""
    for message in messages:
        await _put(engine, stores, session_id, message)


async def _messages(engine: Engine, stores: TenantStores, session_id: SessionId) -> AsyncIterator[LoggedMessage]:
    """With their whole texts, one in memory at a time."""
    for row in (await stored_messages(engine, stores, session_id)).rows:
        yield await whole_message(engine, stores, session_id, row)


async def _put(engine: Engine, stores: TenantStores, session_id: SessionId, whole: LoggedMessage) -> None:
    """Nobody else writes there yet: what is there already is our own, of a write whose reply was lost."""
    message = replace(new_message(whole.role, whole.text, at=whole.at, nonce=engine.new_id()), id=whole.id)
    if not message.is_whole:
        await put_once(stores.objects, text_key(session_id, message), text_bytes(whole.text), engine.clock)
    key, body = message_key(session_id, message.id), encode_message(message)
    with suppress(AlreadyExists):
        await retrying(
            lambda: stores.table.write(key, body, expected=Absent(), lease=Keep(), expires_at=None), engine.clock
        )
