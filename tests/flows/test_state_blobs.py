"""Large values of the state: links in the document, blobs in the tree, read on demand."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outlive.core.keys import SessionId
from outlive.core.state import StateSchema
from outlive.core.state_blobs import LINK, blob_path
from outlive.errors import Corrupt, Invalid, NotFound, TooLarge
from outlive.flows.knowledge import change_state
from outlive.flows.knowledge.change_state import patch_state, read_state
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.export_session import export_session
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.import_session import import_archive
from outlive.flows.sessions.sweep_session import sweep_session
from outlive.flows.turn.commit_files import CommittedTree

from .conftest import World

LOG = "".join(f"line {number} of the log\n" for number in range(250_000))
"""More than 5 MB."""


async def begun(world: World, **facts: Any) -> SessionId:
    """A session whose state has these facts."""
    session = SessionId((await world.say("hello")).session_id)
    await patch(world, session, **facts)
    return session


async def patch(world: World, session: SessionId, **facts: Any) -> None:
    """Put facts into the state."""
    change = {"extracted_context": facts}
    await patch_state(world.worker(), world.stores, session, change, by="test", wait_seconds=1e6)


async def facts(world: World, session: SessionId, **how: Any) -> dict[str, Any]:
    """What the state has."""
    state = await read_state(world.worker(), world.stores, session, **how)
    found: dict[str, Any] = state.document["extracted_context"]
    return found


async def test_a_5_mb_value_is_a_link_and_is_followed_on_demand(world: World) -> None:
    """The document holds summary, size and link; with `follow` the value itself stands there."""
    session = await begun(world, log=LOG, small="x" * 16_000)
    found = await facts(world, session)
    assert found["log"]["summary"].splitlines()[0] == "line 0 of the log"
    assert (found["log"]["type"], found["small"]) == ("text of 250,000 lines", "x" * 16_000)
    assert (await facts(world, session, follow=True))["log"] == LOG


async def test_lists_are_values_and_objects_are_looked_into(world: World) -> None:
    """A large list is one blob; of a large object only the large field is."""
    session = await begun(world, rows=list(range(9000)), deep={"a": "y" * 20_000, "b": 1})
    found = await facts(world, session)
    assert found["rows"]["type"] == "list of 9,000"
    assert (LINK in found["deep"]["a"], found["deep"]["b"]) == (True, 1)


async def test_a_turn_restores_and_keeps_them(world: World) -> None:
    """A turn on another worker after the patch commits a tree in which the value still is."""
    session = await begun(world, log=LOG[:50_000])
    await world.say("and now?")
    assert (await facts(world, session, follow=True))["log"] == LOG[:50_000]


async def test_old_versions_have_their_values_until_they_are_swept(world: World) -> None:
    """A value that was replaced is read from a kept version, and gone by name when none is left that has it."""
    session = await begun(world, log=LOG[:50_000])
    await patch(world, session, log=None)
    assert (await facts(world, session, version=1, follow=True))["log"] == LOG[:50_000]
    engine = replace(world.worker(), policy=replace(world.worker().policy, keep_versions=1))
    await patch(world, session, other=1)
    await sweep_session(engine, world.stores, session)
    with pytest.raises(NotFound, match="is in no kept version"):
        await read_state(engine, world.stores, session, version=1, follow=True)


async def test_a_wrong_blob_is_corrupt_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not those of the digest are refused with the file's name, and the state without them is read."""
    session = await begun(world, log=LOG[:50_000])
    path = blob_path((await facts(world, session))["log"][LINK])
    read = CommittedTree.read

    async def wrong(self: CommittedTree, asked: str) -> bytes | None:
        return b'"forged"' if asked == path else await read(self, asked)

    monkeypatch.setattr(change_state.CommittedTree, "read", wrong)
    with pytest.raises(Corrupt, match=path):
        await facts(world, session, follow=True)
    assert LINK in (await facts(world, session))["log"]


@pytest.mark.parametrize(
    "forged", [{LINK: "0" * 32}, {LINK: "0" * 32, "type": "text", "size": 1, "summary": ""}, [[{LINK: 1}]]]
)
async def test_a_forged_link_is_refused(world: World, forged: Any) -> None:
    """What is no whole link, or links to nothing, is named by its field, and nothing is written."""
    session = await begun(world, a=1)
    with pytest.raises(Invalid, match="/extracted_context/forged"):
        await patch(world, session, forged=forged)
    assert await facts(world, session) == {"a": 1}


async def test_a_link_may_be_moved_and_copied(world: World) -> None:
    """A patch that moves a field with a large value moves its link, and the value is still read."""
    session = await begun(world, log=LOG[:50_000])
    move = [{"op": "move", "from": "/extracted_context/log", "path": "/extracted_context/old"}]
    await patch_state(world.worker(), world.stores, session, move, by="test", wait_seconds=1e6)
    assert (await facts(world, session, follow=True)) == {"old": LOG[:50_000]}


async def test_the_application_validates_the_value_itself(world: World) -> None:
    """A schema is shown the text, not the link, of new values and of those that were there."""
    seen: list[Any] = []
    schema = StateSchema(validate=lambda document: seen.append(document["extracted_context"]["log"]))
    engine = replace(world.worker(), state_schema=schema)
    session = await begun(world, log=LOG[:50_000])
    change = {"extracted_context": {"b": 1}}
    await patch_state(engine, world.stores, session, change, by="test", wait_seconds=1e6)
    assert seen == [LOG[:50_000]]


async def test_a_value_over_the_limit_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TooLarge` names the field, and nothing is written."""
    monkeypatch.setattr("outlive.core.state_blobs.MAX_BYTES", 100_000)
    session = await begun(world, a=1)
    with pytest.raises(TooLarge, match="/extracted_context/log"):
        await patch(world, session, log="x" * 100_001)
    assert await facts(world, session) == {"a": 1}


async def test_a_fork_an_export_and_an_import_have_them_too(world: World, tmp_path: Path) -> None:
    """Each has the value after the first session was erased, and the erased one leaves no object behind."""
    session, engine = await begun(world, log=LOG[:50_000]), world.worker()
    forked = await fork_session(engine, world.stores, session)
    await export_session(engine, world.stores, session, tmp_path / "a.tar")
    assert (await erase_session(engine, world.stores, session, force=True)).complete
    assert not [key for key in world.server.blobs if session in key]
    assert (await facts(world, forked.session_id, follow=True))["log"] == LOG[:50_000]
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert any("/tree/state/" in name for name in archive.getnames())
    (imported,) = await import_archive(engine, world.stores, tmp_path / "a.tar")
    assert (await facts(world, imported.session_id, follow=True))["log"] == LOG[:50_000]


@pytest.mark.parametrize("name", ["a/b~c#d", "nul\0", "😀", "k" * 10_000, "$", "blob"])
async def test_odd_names_are_no_hindrance(world: World, name: str) -> None:
    """A large value under a name with separators, NUL, emoji or 10 KB is linked, followed and removed."""
    session = await begun(world, **{name: LOG[:20_000]})
    assert (await facts(world, session, follow=True)) == {name: LOG[:20_000]}
    await patch(world, session, **{name: None})
    assert await facts(world, session) == {}
