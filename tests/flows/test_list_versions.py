"""The history of a session."""

from __future__ import annotations

import pytest

from outlive.errors import Invalid, NotFound
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.list_versions import list_versions
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.sessions.sweep_session import sweep_session
from tests.flows.conftest import Meanwhile

TEXTS = ("write a.txt: one", "write b.txt: two", "write a.txt: 3\n and more", "delete b.txt")


@pytest.fixture
async def session(world) -> str:
    """A session of four versions."""
    for text in TEXTS:
        turn = await world.say(text)
    return turn.session_id


async def versions(world, session: str, **page):
    """A page of the history."""
    return await list_versions(world.worker(), world.stores, session, **page)


async def test_a_history_is_newest_first_with_what_was_said(world, session) -> None:
    """Each turn's version shows its number, the start of the message in one line, and when it was committed."""
    page = await versions(world, session)
    assert [line.version for line in page.versions] == [4, 3, 2, 1]
    assert [line.message for line in page.versions][:2] == ["delete b.txt", "write a.txt: 3 and more"]
    assert {line.kind for line in page.versions} == {"commit"}
    assert page.versions[0].at == (await world.head(session)).updated_at
    assert (page.before, page.end) == (None, "first")


async def test_changed_files_are_counted(world, session) -> None:
    """A version counts transcript, ledger and the files that were written or removed."""
    page = await versions(world, session)
    assert [line.files_changed for line in page.versions] == [3, 3, 3, 3]
    assert [line.files for line in page.versions] == [3, 4, 4, 3]


async def test_stored_bytes_add_up(world, session) -> None:
    """The bytes of all versions together are those of all packs."""
    page = await versions(world, session)
    packs = sum(len(data) for key, (data, _) in world.server.blobs.items() if "/packs/" in key)
    assert sum(line.bytes_stored for line in page.versions) == packs


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_together_are_the_history(world, session, limit) -> None:
    """Following the cursor lists every version once, and the last page says why it is the last."""
    before, found, end = None, [], ""
    while not end:
        page = await versions(world, session, before=before, limit=limit)
        found += [(line.version, line.files_changed) for line in page.versions]
        before, end = page.before, page.end
    assert (found, end) == ([(4, 3), (3, 3), (2, 3), (1, 3)], "first")


async def test_a_rewind_is_a_version_that_says_so(world, session) -> None:
    """A rewind shows as what it is, and so does every version before it."""
    await rewind_session(world.worker(), world.stores, session, 2)
    await world.say("on we go")
    page = await versions(world, session)
    assert [(line.version, line.kind, line.message) for line in page.versions][:3] == [
        (6, "commit", "on we go"), (5, "rewind", "rewound to version 2"), (4, "commit", "delete b.txt"),
    ]  # fmt: skip


async def test_a_forks_history_begins_with_the_fork(world, session) -> None:
    """A fork's first version names its source, and its own turns are not mixed up with the source's."""
    forked = await fork_session(world.worker(), world.stores, session, version=2)
    (line,) = (await versions(world, forked.session_id)).versions
    assert (line.version, line.kind) == (1, "fork")
    assert line.message == f"forked from version 2 of session {session}"


async def test_a_history_ends_where_retention_cut_it(world, session) -> None:
    """With older versions out of the retention, the last page says so, and does not guess at what changed."""
    world.keep = 2
    page = await versions(world, session)
    assert [line.version for line in page.versions] == [4, 3]
    assert (page.end, page.versions[-1].files_changed, page.versions[-1].bytes_stored) == ("retention", None, None)


async def test_a_swept_history_ends_as_well(world, session) -> None:
    """Versions that a sweep has cut are not listed, even when more were to be kept now."""
    for number in range(8):
        await world.say(f"write c.txt: {number}")
    world.keep = 2
    await sweep_session(world.worker(), world.stores, session)
    world.keep = 50
    page = await versions(world, session)
    assert (page.end, page.damaged) == ("retention", ())
    assert page.versions[-1].version > 1


@pytest.mark.promise("P8")
@pytest.mark.parametrize("damaged", [4, 3, 2, 1])
async def test_a_damaged_version_is_named_and_hides_no_other(world, session, damaged) -> None:
    """A version whose pack cannot be read is named by its pack, and the ones before and after it are listed."""
    name = world.packs(session)[damaged - 1]
    world.flip(session, name)
    page = await versions(world, session)
    assert [line.version for line in page.versions] == [number for number in (4, 3, 2, 1) if number != damaged]
    assert name in page.damaged[0]


async def test_a_history_that_a_sweep_undercuts_is_read_again(world, session) -> None:
    """What a sweep takes away while the history is read is not called damaged: the history is read anew."""
    world.keep = 2

    async def undercut() -> None:
        for number in range(8):
            await world.say(f"write c.txt: {number}")
        await sweep_session(world.worker(), world.stores, session)

    engine = world.worker("w2", Meanwhile("objects.get", undercut))
    page = await list_versions(engine, engine.stores("acme"), session)
    assert ([line.version for line in page.versions], page.damaged) == ([12, 11], ())


async def test_a_session_without_a_turn_has_no_versions(world) -> None:
    """A fresh session has an empty history."""
    page = await versions(world, await world.start_anew())
    assert (page.versions, page.end) == ((), "first")


async def test_an_unknown_session_has_no_history(world) -> None:
    """A session id nobody has is not found."""
    with pytest.raises(NotFound):
        await versions(world, "f" * 32)


async def test_a_history_page_out_of_range_is_refused(world, session) -> None:
    """A page holds 1 to 1,000 versions."""
    with pytest.raises(Invalid, match="limit"):
        await versions(world, session, limit=0)
