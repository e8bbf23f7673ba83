"""Live text: in this process as it comes, in the table where it is asked for."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from outlive.core.keys import SessionId
from outlive.core.live import LIVE, LiveState, LiveTool, advanced, encode_live, ended, live_key
from outlive.core.stream_positions import Position
from outlive.errors import AgentFailed
from outlive.flows.delivery.follow_session import Committed, follow_session
from outlive.flows.run_turn import run_turn
from outlive.flows.telemetry import Telemetry
from outlive.flows.turn.live_text import read_live
from outlive.protocols import Absent, Free, TextPart, ToolFinished, ToolStarted
from outlive.testing.instant_agent import InstantAgent
from outlive.testing.wrappers import wrap
from tests.engine.conftest import KEY
from tests.engine.queued import Vendor

START = LiveState(SessionId("0" * 32), str(KEY), "m1", 0.0)


async def live(engine, world):
    """What the table says."""
    return await read_live(engine, engine.stores("acme"), (await world.head()).session_id)


async def test_a_watcher_sees_the_turn_to_its_end(world) -> None:
    """Whoever watches a key sees growing revisions of its turn, the last one with the committed reply."""
    engine, seen = world.worker(), []

    async def watch() -> None:
        async with aclosing(engine.live.watch(KEY)) as states:
            async for state in states:
                seen.append(state)
                if state.finished:
                    return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await run_turn(engine, world.message("write a.txt: x"))
    await asyncio.wait_for(watching, 5)
    assert [state.revision for state in seen] == sorted({state.revision for state in seen})
    assert (seen[-1].text, seen[-1].message_id) == ("Message 1: write a.txt: x", "write a.txt: x")


async def test_a_plain_turn_writes_no_live_text(world) -> None:
    """By default a turn costs its three table writes and leaves no record of its live text."""
    engine = world.worker()
    await world.turn(engine, "one")
    before = world.counts.table_writes
    await world.turn(engine, "two")
    assert world.counts.table_writes == before + 3
    assert await live(engine, world) is None


async def test_the_final_state_is_read_after_the_turn(world) -> None:
    """With `live` the table has the finished text after the turn, until its time is over."""
    engine = world.worker(live=True)
    await world.turn(engine, "one")
    state = await live(engine, world)
    assert (state.text, state.finished, state.tool) == ("Message 1: one", True, "")
    world.clock.advance(3601)
    assert await live(engine, world) is None


async def test_a_channel_that_pulls_asks_for_it(world) -> None:
    """A channel that declares `pulls` gets live text in the table without any setting."""
    vendor = Vendor()
    vendor.pulls = True
    engine = replace(world.worker(), channels={"console": vendor})
    await world.turn(engine, "one")
    assert (await live(engine, world)).finished


async def test_the_table_is_written_at_most_once_per_interval(world) -> None:
    """A turn with hundreds of pieces within one interval writes its live text twice at most."""

    class Chatty(InstantAgent):
        async def run(self, turn):
            async for event in super().run(turn):
                for _ in range(200 if isinstance(event, TextPart) else 0):
                    yield event
                    await asyncio.sleep(0)
                yield event

    world.agent = Chatty()
    engine = world.worker(live=True, live_seconds=60.0)
    await world.turn(engine, "one")
    before = world.counts.table_writes
    await world.turn(engine, "two")
    assert world.counts.table_writes - before <= 3 + 2


async def test_a_failed_turn_is_shown_as_failed(world) -> None:
    """A turn that fails leaves a state that says so, and no finished text."""

    class Failing(InstantAgent):
        async def run(self, turn):
            yield TextPart("half")
            raise AgentFailed("no model")

    world.agent = Failing()
    engine = world.worker(live=True)
    with pytest.raises(AgentFailed):
        await run_turn(engine, world.message("one"))
    state = await live(engine, world)
    assert (state.failed, state.finished, state.text) == (True, False, "half")


class LandsLate:
    """The first live record is written behind its cancelled caller, just after the next look at it."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.late = None

    async def __call__(self, name, arguments, call, /):
        is_ours = name in ("table.read", "table.write") and LIVE in str(arguments[0])
        if is_ours and name == "table.write" and not self.began.is_set():
            self.late = call
            self.began.set()
            await asyncio.Event().wait()
        answer = await call()
        if is_ours and name == "table.read" and self.late is not None:
            late, self.late = self.late, None
            await late()
        return answer


async def test_how_a_turn_ended_is_written_over_what_lands_late(world) -> None:
    """A write that was cut off when the turn ended, and arrives then, does not leave the turn as a running one."""
    late = LandsLate()

    class Waiting(InstantAgent):
        async def run(self, turn):
            await late.began.wait()
            yield TextPart("half")
            raise AgentFailed("no model")

    world.agent = Waiting()
    engine = world.worker(live=True)
    engine = replace(engine, table=wrap(engine.table, "table", late))
    with pytest.raises(AgentFailed):
        await run_turn(engine, world.message("one"))
    assert (await live(engine, world)).failed


def test_a_tool_in_progress_is_shown_and_text_after_it_is_a_new_paragraph() -> None:
    """The tool is named while it runs; what is said after it starts a paragraph."""
    state = advanced(advanced(START, TextPart("Let me "), 1.0), TextPart("look."), 1.0)
    state = advanced(state, ToolStarted("t", "Bash", "ls"), 2.0)
    assert state.tool == "Bash: ls"
    state = advanced(advanced(state, ToolFinished("t", is_error=False), 3.0), TextPart("Done."), 4.0)
    assert (state.text, state.tool, state.revision) == ("Let me look.\n\nDone.", "", 5)
    assert ended(state, "Reply", 5.0).finished


def newer(**more):
    """A record as a later version might write it."""
    return json.dumps(json.loads(encode_live(START)) | more).encode()


async def record(world, engine, body):
    """Put this into the table where the session's live text lies."""
    key = live_key((await world.head()).session_id)
    await engine.stores("acme").table.write(key, body, expected=Absent(), lease=Free(), expires_at=None)


async def test_what_a_newer_worker_adds_is_left_out(world) -> None:
    """Fields that this version does not know, of a turn or of its tools, do not keep the rest from being read."""
    engine = world.worker()
    await world.turn(engine, "hello")
    tool = {"number": 1, "id": "a", "name": "Bash", "summary": "ls", "revision": 1, "pictures": []}
    await record(world, engine, newer(text="so far", thoughts=["hm"], tools=[tool]))
    state = await live(engine, world)
    assert (state.text, state.tools) == ("so far", (LiveTool(1, "a", "Bash", "ls", 1),))


@pytest.mark.parametrize("body", [newer(text={"parts": []}), newer(revision="2"), b'{"kind": "thought"}', b"\x00"])
async def test_a_record_of_another_shape_is_passed_over(world, body) -> None:
    """A record that cannot be read breaks no stream: it is told of once, and the commit is shown all the same."""
    told = []
    engine = replace(world.worker(), telemetry=Telemetry(world.clock, [told.append]))
    await world.turn(engine, "hello")
    await record(world, engine, body)
    async with aclosing(follow_session(engine, KEY, Position())) as happenings:
        found = [await anext(happenings) for _ in range(3)]
    assert [type(each[0]) if each else None for each in found] == [Committed, None, None]
    assert [each.event.name for each in told].count("live_record_skipped") == 1
