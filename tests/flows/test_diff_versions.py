"""What changed between two versions."""

from __future__ import annotations

import pytest

from outlive.core.ledger import PATH
from outlive.errors import Invalid
from outlive.flows.sessions.diff_versions import MAX_TEXT_BYTES, diff_versions
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.sessions.sweep_session import sweep_session


async def diff(world, session: str, older: int, newer: int, *, text: bool = False) -> dict:
    """Path -> change, without transcript and ledger."""
    found = await diff_versions(world.worker(), world.stores, session, older, newer, text=text)
    return {change.path: change for change in found.changes if change.path.startswith("work/")}


async def life(world, *texts: str) -> str:
    """A session with these turns."""
    for text in texts:
        turn = await world.say(text)
    return turn.session_id


async def test_added_changed_and_removed_files_are_told_apart(world) -> None:
    """Each path that differs says how, with its size before and after."""
    session = await life(
        world, "write a.txt: one", "write b.txt: two", "write a.txt: three", "delete b.txt", "write c: x"
    )
    found = await diff(world, session, 2, 5)
    assert {path: (each.change, each.before, each.after) for path, each in found.items()} == {
        "work/a.txt": ("changed", 3, 5),
        "work/b.txt": ("removed", 3, None),
        "work/c": ("added", None, 1),
    }


async def test_swapped_versions_give_the_opposite(world) -> None:
    """What was added one way was removed the other way."""
    session = await life(world, "one", "write a.txt: two")
    assert (await diff(world, session, 2, 1))["work/a.txt"].change == "removed"


async def test_a_version_does_not_differ_from_itself(world) -> None:
    """The diff of a version with itself is empty, ledger and transcript included."""
    session = await life(world, "write a.txt: one")
    assert (await diff_versions(world.worker(), world.stores, session, 1, 1)).changes == ()


async def test_text_shows_the_lines(world) -> None:
    """A changed text file is shown as a unified diff, the missing newline at its end included."""
    session = await life(world, "write a.txt: same\nold\n", "write a.txt: same\nnew")
    lines = (await diff(world, session, 1, 2, text=True))["work/a.txt"].text.splitlines()
    assert lines[:2] == ["--- a/work/a.txt", "+++ b/work/a.txt"]
    assert lines[2:] == ["@@ -1,2 +1,2 @@", " same", "-old", "+new", "\\ No newline at end of file"]


@pytest.mark.parametrize("content", ["a\0b", "x" * (MAX_TEXT_BYTES + 1)], ids=["binary", "large"])
async def test_binary_and_large_files_are_named_without_lines(world, content) -> None:
    """A file that is no small text is reported as changed, with its size only."""
    session = await life(world, "write a.txt: text", f"write a.txt: {content}")
    change = (await diff(world, session, 1, 2, text=True))["work/a.txt"]
    assert (change.change, change.after, change.text) == ("changed", len(content), None)


async def test_lines_are_shown_of_the_working_directory_only(world) -> None:
    """Transcript and ledger are named as changed, without their lines."""
    session = await life(world, "one", "two")
    found = await diff_versions(world.worker(), world.stores, session, 1, 2, text=True)
    assert [(change.path.split("/")[0], change.text) for change in found.changes] == [("config", None), (PATH, None)]


async def test_no_text_is_read_unless_asked_for(world) -> None:
    """Without text a diff reads the manifests only, not the packs that hold the contents."""
    session = await life(world, "write a.txt: one", "write a.txt: two", "write a.txt: three")
    world.flip(session, world.packs(session)[0])
    assert (await diff(world, session, 2, 3))["work/a.txt"].text is None


async def test_a_file_that_only_moved_between_packs_does_not_differ(world) -> None:
    """A compaction moves bytes into other packs and changes nothing."""
    session = await life(world, "write a.txt: one", "write log.jsonl: {}", *(f"turn {n}" for n in range(8)))
    assert await diff(world, session, 2, 10) == {}


async def test_a_transcript_of_the_same_length_is_compared_by_its_bytes(world) -> None:
    """Two transcripts of one length that say different things are reported as changed."""
    session = await life(world, "one", "two")
    await rewind_session(world.worker(), world.stores, session, 1)
    await world.say("six")
    found = await diff_versions(world.worker(), world.stores, session, 2, 4)
    transcript, ledger = found.changes
    assert (transcript.path.startswith("config/projects/"), ledger.path) == (True, PATH)
    assert transcript.before == transcript.after


async def test_versions_out_of_reach_are_refused(world) -> None:
    """A version that is not kept is refused with the range that is."""
    session = await life(world, "one", "two", "three")
    world.keep = 2
    await sweep_session(world.worker(), world.stores, session)
    with pytest.raises(Invalid, match="Choose one from 2 to 3"):
        await diff(world, session, 1, 3)
