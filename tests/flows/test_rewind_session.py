"""Rewinds: an earlier version again, as a new one."""

from __future__ import annotations

import pytest

from outlive.core.ledger import PATH
from outlive.errors import Conflict, Corrupt, Invalid, LeaseLost, NotFound, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.diff_versions import diff_versions
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.turn.find_flushes import find_flushes
from outlive.flows.turn.take_session import take_session
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, ErrorBefore, LostReply, Plan, at, first_of, on
from tests.flows.conftest import Meanwhile

TEXTS = ("write a.txt: one", "write b/c.txt: two", "write a.txt: three", "delete b/c.txt", "write d.txt: five", "six")


@pytest.fixture
async def session(world) -> str:
    """A session of six versions."""
    for text in TEXTS:
        turn = await world.say(text)
    return turn.session_id


def without_ledger(tree: dict) -> dict:
    """A tree but for its ledger."""
    return {path: content for path, content in tree.items() if path != PATH}


def work_of(tree: dict) -> dict:
    """The working directory of a tree."""
    return {path: content for path, content in tree.items() if path.startswith("work/")}


@pytest.mark.parametrize("version", range(1, 7))
async def test_a_rewind_restores_every_byte_but_the_ledger(world, session, version) -> None:
    """After a rewind the tree is that of the older version, byte for byte, with the ledger as it was before."""
    rewound = await rewind_session(world.worker(), world.stores, session, version)
    tree = await world.restored(session)
    assert (rewound.to, rewound.before, rewound.after) == (version, 6, 7)
    assert without_ledger(tree) == without_ledger(world.trees[session, version])
    assert tree[PATH] == world.trees[session, 6][PATH]


@pytest.mark.parametrize("version", range(1, 7))
async def test_files_alone_can_be_rewound(world, session, version) -> None:
    """With `files_only` the working directory is the older version's, byte for byte, and all else is as it was."""
    rewound = await rewind_session(world.worker(), world.stores, session, version, files_only=True)
    tree, before, older = await world.restored(session), world.trees[session, 6], world.trees[session, version]
    assert (rewound.files_only, rewound.after) == (True, 7)
    assert work_of(tree) == work_of(older)
    assert {path: tree[path] for path in tree.keys() - work_of(tree).keys()} == {
        path: before[path] for path in before.keys() - work_of(before).keys()
    }


@pytest.mark.parametrize("worker", ["w1", "w2"])
async def test_the_conversation_goes_on_over_older_files(world, session, worker) -> None:
    """After a rewind of the files alone the agent still has every message, on a warm worker as on a cold one."""
    await rewind_session(world.worker("w2"), world.stores, session, 2, files_only=True)
    turn = await world.say("and now", worker=worker)
    assert turn.line.reply == "Message 7: and now"
    assert work_of(await world.restored(session)) == work_of(world.trees[session, 2])


@pytest.mark.parametrize("worker", ["w1", "w2"])
async def test_the_conversation_goes_on_from_the_older_version(world, session, worker) -> None:
    """The next turn, on a warm worker as on a cold one, builds on the transcript of the version rewound to."""
    await rewind_session(world.worker("w2"), world.stores, session, 2)
    turn = await world.say("and now", worker=worker)
    assert (turn.line.reply, turn.line.turn, turn.after) == ("Message 3: and now", 7, 8)
    tree = await world.restored(session)
    assert tree["work/b/c.txt"] == world.trees[session, 2]["work/b/c.txt"]
    assert "work/d.txt" not in tree


@pytest.mark.promise("P2")
async def test_a_rewind_answers_nothing_twice(world, session) -> None:
    """A message of a turn that was rewound away is answered from the ledger when it comes again, and not run."""
    last = await world.say("forgotten")
    await rewind_session(world.worker(), world.stores, session, 2)
    engine = world.worker()
    turn = await run_turn(engine, world.inbound("forgotten", last.line.message_id))
    assert (turn.how, turn.line, engine.agent.runs) == ("repeat", last.line, [])


async def test_a_rewind_can_be_taken_back(world, session) -> None:
    """Rewinding to the version before the rewind brings back what the rewind had taken away."""
    await rewind_session(world.worker(), world.stores, session, 1)
    await rewind_session(world.worker(), world.stores, session, 6)
    assert await world.restored(session) == world.trees[session, 6]


async def test_a_rewind_restores_the_agent_session_of_that_version(world, session) -> None:
    """The agent's own session id is that of the version rewound to."""
    before = (await world.head(session)).agent_session_id
    await rewind_session(world.worker(), world.stores, session, 3)
    assert (await world.head(session)).agent_session_id == before


@pytest.mark.promise("P3")
async def test_a_rewind_keeps_replies_that_were_not_delivered(world, session) -> None:
    """A reply that waits in the outbox is sent after the rewind, once more than never."""
    world.console.down = Unavailable("The console is away.")
    await world.say("undelivered")
    await rewind_session(world.worker(), world.stores, session, 1)
    assert [pending.turn for pending in (await world.head(session)).outbox] == [7]
    world.console.down = None
    world.clock.advance(5)
    await world.say("next")
    assert [reply.text for reply in world.console.replies][-2:] == ["Message 7: undelivered", "Message 2: next"]


async def test_a_rewind_makes_older_trees_on_any_machine_no_base(world, session) -> None:
    """The head says that no tree from before the rewind is an ancestor of its version."""
    await rewind_session(world.worker(), world.stores, session, 2)
    head = await world.head(session)
    assert (head.lineage, head.version) == (7, 7)


async def test_a_rewind_shares_what_is_live_and_stays_within_the_packs(world, session) -> None:
    """A rewind copies only bytes that no live pack holds, and leaves no more live packs than a commit does."""
    big = "x".join(map(str, range(30_000)))
    await world.say(f"write big.txt: {big}")
    await world.say("small")
    rewound = await rewind_session(world.worker(), world.stores, session, 7)
    head = await world.head(session)
    assert rewound.bytes_written < 5_000 < max(ref.size for ref in head.packs)
    assert len(head.packs) <= world.worker().policy.max_packs


async def test_a_rewind_drops_an_interrupted_turn(world, session) -> None:
    """What a dead worker had flushed is not continued after a rewind: its message is run from the older version."""
    inbound = await world.die(on("table.write", CrashBefore()), "write e.txt: never")
    await rewind_session(world.worker(), world.stores, session, 1)
    assert await find_flushes(world.worker(), world.stores, await world.head(session)) == []
    turn = await run_turn(world.worker(), inbound)
    assert (turn.how, turn.line.reply) == ("ran", "Message 2: write e.txt: never")


async def test_a_running_turn_is_not_rewound_away(world, session) -> None:
    """While a turn runs a rewind is refused with who holds the session until when, and the turn commits."""
    async with world.running() as turn:
        with pytest.raises(Conflict, match=rf"held by {world.row(session).owner} until 2025-.* UTC"):
            await rewind_session(world.worker(), world.stores, session, 1)
    assert (await turn).after == 7


async def test_a_version_beyond_the_beginning_or_the_end_is_refused(world, session) -> None:
    """A version that does not exist is refused with the range that does, and the lease is given back."""
    before = await world.head(session)
    for version in (0, -3, 7):
        with pytest.raises(Invalid, match="Choose one from 1 to 6"):
            await rewind_session(world.worker(), world.stores, session, version)
    assert ((await world.head(session)).version, world.row(session).owner) == (before.version, None)


async def test_a_version_beyond_the_retention_is_refused(world, session) -> None:
    """A version older than the kept ones is refused with those that are kept, swept or not."""
    world.keep = 3
    with pytest.raises(Invalid, match="Choose one from 4 to 6"):
        await rewind_session(world.worker(), world.stores, session, 3)


async def test_a_session_without_a_turn_cannot_be_rewound(world) -> None:
    """A session that has no version yet is refused with what to do."""
    session_id = await world.start_anew()
    with pytest.raises(Invalid, match="Send it a message first"):
        await rewind_session(world.worker(), world.stores, session_id, 1)


async def test_an_unknown_or_expired_session_cannot_be_rewound(world, session) -> None:
    """Neither an id nobody has nor a session whose time is over is found."""
    with pytest.raises(NotFound):
        await rewind_session(world.worker(), world.stores, "f" * 32, 1)
    world.clock.advance(26 * 86400)
    with pytest.raises(NotFound):
        await rewind_session(world.worker(), world.stores, session, 1)


@pytest.mark.promise("P8")
async def test_a_damaged_pack_fails_the_rewind_by_name(world, session) -> None:
    """A rewind that would copy damaged bytes names the pack, and the session stays as it was and free."""
    old = world.packs(session)[1]
    world.flip(session, old)
    with pytest.raises(Corrupt, match=old):
        await rewind_session(world.worker(), world.stores, session, 2)
    assert ((await world.head(session)).version, world.row(session).owner) == (6, None)


@pytest.mark.promise("P4")
async def test_a_rewind_whose_lease_passed_changes_nothing(world, session) -> None:
    """A rewind that lost its lease while it copied fails, and the turn of the other worker stands."""

    async def overtake() -> None:
        lease = await take_session(world.worker("w3"), world.stores, session, force=True)
        await lease.release()
        await world.say("mine", worker="w3")

    engine = world.worker("w2", Meanwhile("objects.put", overtake))
    with pytest.raises(LeaseLost):
        await rewind_session(engine, engine.stores("acme"), session, 1)
    assert await world.restored(session) == world.trees[session, 7]


@pytest.mark.promise("P1")
@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_rewind_may_die_at_any_step(world, session, action) -> None:
    """Whatever step a rewind dies at, the session is at the old version or rewound, and the next turn works."""
    for number in range(1, 100):
        before = (await world.head(session)).version
        engine = world.worker("dying", Plan(at(number, action), clock=world.clock))
        try:
            await rewind_session(engine, engine.stores("acme"), session, before)
        except Crash:
            world.clock.advance(31)
        else:
            break
        assert (await world.head(session)).version in (before, before + 1)
        await world.say(f"after {number}")
    assert number > 5


async def test_an_unanswered_commit_of_a_rewind_is_found_out(world, session) -> None:
    """A rewind whose commit landed without an answer reads it back and succeeds once."""
    engine = world.worker("w2", Plan(on("table.write", LostReply()), clock=world.clock))
    rewound = await rewind_session(engine, engine.stores("acme"), session, 2)
    assert (rewound.after, (await world.head(session)).version) == (7, 7)


async def test_a_rewind_that_cannot_be_stored_changes_nothing(world, session) -> None:
    """When the pack cannot be written the rewind fails and the session goes on from its version."""
    rule = first_of(*(on("objects.put", ErrorBefore(), nth=nth) for nth in range(1, 5)))
    engine = world.worker("w2", Plan(rule, clock=world.clock))
    with pytest.raises(Unavailable):
        await rewind_session(engine, engine.stores("acme"), session, 2)
    assert (await world.say("next")).before == 6


async def test_every_version_survives_a_rewind(world, session) -> None:
    """The versions before a rewind, and the rewound one, can still be forked byte for byte."""
    await rewind_session(world.worker(), world.stores, session, 2)
    await world.remember(session)
    await world.say("write a.txt: again")
    for version in range(1, 9):
        forked = await fork_session(world.worker(), world.stores, session, version=version)
        assert await world.restored(forked.session_id) == world.trees[session, version]


async def test_a_rewind_shows_as_no_difference_but_the_ledger(world, session) -> None:
    """The diff of the old version and the rewound one is the ledger alone."""
    await rewind_session(world.worker(), world.stores, session, 2)
    diff = await diff_versions(world.worker(), world.stores, session, 2, 7)
    assert [change.path for change in diff.changes] == [PATH]


# ----------------------------------------------------------------------------------------------- salvage


async def test_a_rewind_that_would_not_restore_is_none(world, session) -> None:
    """A damaged pack that the older version shares with the newest fails the rewind, and nothing has changed."""
    await world.say(f"write big.txt: {'x'.join(map(str, range(30_000)))}")
    for number in range(2):
        await world.say(f"write e.txt: {number}")
    shared = max((await world.head(session)).packs, key=lambda ref: ref.size).name
    world.flip(session, shared)
    with pytest.raises(Corrupt, match=shared):
        await rewind_session(world.worker(), world.stores, session, 8)
    assert (await world.head(session)).version == 9


@pytest.mark.parametrize("harm", ["flip", "lose"])
@pytest.mark.parametrize("damaged", [3, 4, 5, 6])
async def test_a_salvage_gets_the_session_back(world, session, damaged, harm) -> None:
    """Whichever pack is damaged or lost, a salvage rewinds to the version before it, and the session goes on."""
    name = next(name for name in world.packs(session) if name.startswith(f"0000000{damaged}-"))
    getattr(world, harm)(session, name)
    await rewind_session(world.worker(), world.stores, session, damaged - 1, salvage=True)
    tree = await world.restored(session)
    assert without_ledger(tree) == without_ledger(world.trees[session, damaged - 1])
    turn = await world.say("on we go", worker="w2")
    assert turn.line.reply == f"Message {damaged}: on we go"


async def test_a_salvage_keeps_every_line_that_can_be_read(world, session) -> None:
    """Of the ledger only the damaged pack's lines are lost, and the others keep their places."""
    name = world.packs(session)[-1]
    world.flip(session, name)
    await rewind_session(world.worker(), world.stores, session, 4, salvage=True)
    was, now = world.trees[session, 6][PATH][1], (await world.restored(session))[PATH][1]
    assert now.rstrip(b"\n") == b"\n".join(was.splitlines()[:5])
    assert len(now) == len(was)


@pytest.mark.promise("P2")
async def test_a_salvage_runs_no_message_again(world, session) -> None:
    """A message whose ledger line is lost is still known to be answered: it is reported, and not run again."""
    last = await world.say("seven")
    world.flip(session, world.packs(session)[-1])
    await rewind_session(world.worker(), world.stores, session, 6, salvage=True)
    engine = world.worker()
    with pytest.raises(Corrupt, match="ledger"):
        await run_turn(engine, world.inbound("seven", last.line.message_id))
    assert engine.agent.runs == []


async def test_a_salvage_refuses_a_version_that_is_damaged_itself(world, session) -> None:
    """A salvage to a version that cannot be read names those that can, and changes nothing."""
    world.flip(session, world.packs(session)[-1])
    with pytest.raises(Invalid, match="has no version 6"):
        await rewind_session(world.worker(), world.stores, session, 6, salvage=True)
    assert (await world.head(session)).version == 6
