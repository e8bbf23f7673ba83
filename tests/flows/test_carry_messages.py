"""Appended messages taken along: forked, exported, imported, and erased with their session."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.core.keys import SessionId
from outlive.core.message_log import INLINE_BYTES
from outlive.errors import Corrupt
from outlive.flows.knowledge.carry_messages import parse_archived
from outlive.flows.knowledge.message_log import append_message, read_message, read_messages
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.export_session import export_session, export_tenant
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.import_session import import_archive
from outlive.testing.faults import LostReply, Plan, on

from .conftest import World

LONG = "long \ud800 " * INLINE_BYTES


async def talk(world: World, session: SessionId) -> SessionId:
    """Two messages, the second one long."""
    for text in ("short", LONG):
        await append_message(world.worker(), world.stores, session, "tool", text)
    return session


async def said(world: World, session: SessionId) -> list[tuple[int, str, float]]:
    """Every message whole."""
    page = await read_messages(world.worker(), world.stores, session, after=0)
    whole = [await read_message(world.worker(), world.stores, session, each.id) for each in page.messages]
    return [(each.id, each.text, each.at) for each in whole]


async def test_a_fork_has_the_messages(world: World) -> None:
    """They have the same ids, texts and times; what is appended to one is not in the other, whatever is erased."""
    session = await talk(world, SessionId((await world.say("hello")).session_id))
    before = await said(world, session)
    fork = (await fork_session(world.worker(), world.stores, session)).session_id
    await append_message(world.worker(), world.stores, fork, "user", "more")
    assert await said(world, session) == before
    await erase_session(world.worker(), world.stores, session, force=True)
    assert (await said(world, fork))[:2] == before
    assert not [name for name in (*world.server.rows, *world.server.blobs) if session in name]


@pytest.mark.parametrize("nth", [2, 3, 4])
async def test_a_fork_whose_write_has_no_reply_has_each_message_once(world: World, nth: int) -> None:
    """A message that landed without an answer is taken for what it is."""
    session = await talk(world, SessionId((await world.say("hello")).session_id))
    plan = Plan(on("table.write", LostReply(), nth=nth), clock=world.clock)
    fork = await fork_session(world.worker("w2", plan), world.stores, session)
    assert await said(world, fork.session_id) == await said(world, session)


async def test_an_import_has_the_messages(world: World, tmp_path: Path) -> None:
    """An export carries one line each, lone surrogates included, and the import gives the same ids."""
    session = await talk(world, SessionId((await world.say("hello")).session_id))
    before = await said(world, session)
    await export_session(world.worker(), world.stores, session, tmp_path / "a.tar")
    await erase_session(world.worker(), world.stores, session, force=True)
    (imported,) = await import_archive(world.worker(), world.stores, tmp_path / "a.tar")
    assert await said(world, imported.session_id) == before


async def test_a_session_of_messages_alone_is_exported_with_its_tenant(world: World, tmp_path: Path) -> None:
    """A session that no turn ever ran in is in the archive, and comes back."""
    session = await talk(world, await world.start_anew())
    await export_tenant(world.worker(), world.stores, tmp_path / "a.tar.zst")
    before = await said(world, session)
    await erase_session(world.worker(), world.stores, session, force=True)
    (imported,) = await import_archive(world.worker(), world.stores, tmp_path / "a.tar.zst")
    assert await said(world, imported.session_id) == before


@pytest.mark.parametrize(
    "raw", [b"{", b"7\n", b'{"id": 2, "at": 0, "role": "user", "text": "a"}\n', b'{"id": 1, "at": 0, "role": "user"}\n']
)
def test_an_archive_with_odd_messages_is_corrupt_by_name(raw: bytes) -> None:
    """A line that is no message, a hole and a missing field are named."""
    with pytest.raises(Corrupt, match=r"abc/messages\.jsonl has"):
        parse_archived(raw, "abc/messages.jsonl")
