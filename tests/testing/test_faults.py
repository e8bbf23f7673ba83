"""What a plan does to the calls it is put around."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from outlive.errors import AlreadyExists, Invalid, NotFound, Unavailable
from outlive.memory.objects import MemoryObjects
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import Absent, Keep, Objects, Table
from outlive.testing.clock import START, ManualClock
from outlive.testing.faults import (
    Crash,
    CrashAfter,
    CrashBefore,
    Delay,
    ErrorBefore,
    LostReply,
    Pass,
    Plan,
    Rule,
    Step,
    at,
    every,
    faulty,
    first_of,
    no_faults,
    on,
)


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


def under(rule: Rule, server: MemoryServer) -> tuple[Objects, Plan]:
    plan = Plan(rule)
    return faulty(MemoryObjects(server, clock=ManualClock()), plan, "objects"), plan


async def test_an_error_before_leaves_nothing(server: MemoryServer) -> None:
    """`ErrorBefore` raises `Unavailable`, with a connection error inside, and nothing has landed."""
    objects, _ = under(on("objects.put", ErrorBefore()), server)
    with pytest.raises(Unavailable) as caught:
        await objects.put("k", b"")
    assert isinstance(caught.value.original, ConnectionResetError)
    assert server.blobs == {}


async def test_a_lost_reply_leaves_everything(server: MemoryServer) -> None:
    """`LostReply` raises `Unavailable` although the call was carried out, once."""
    objects, _ = under(on("objects.put", LostReply()), server)
    with pytest.raises(Unavailable) as caught:
        await objects.put("k", b"data")
    assert isinstance(caught.value.original, ConnectionResetError)
    assert await objects.get("k") == b"data"


async def test_a_lost_reply_hides_a_refusal_too(server: MemoryServer) -> None:
    """When the answer that was lost is an error, the caller sees `Unavailable` all the same."""
    objects, _ = under(on("objects.put", LostReply(), nth=2), server)
    await objects.put("k", b"")
    with pytest.raises(Unavailable):
        await objects.put("k", b"")


@pytest.mark.parametrize(("action", "landed"), [(CrashBefore(), []), (CrashAfter(), ["k"])])
async def test_a_crash_ends_the_process(
    server: MemoryServer, action: CrashBefore | CrashAfter, landed: list[str]
) -> None:
    """A crash raises what `except Exception` does not catch, with the call carried out or not, as planned."""
    objects, plan = under(on("objects.put", action), server)
    with pytest.raises(Crash, match=r"died at objects.put, call 1"):
        await objects.put("k", b"")
    assert list(server.blobs) == landed
    assert plan.dead == Step(1, "objects.put", 1)
    assert not issubclass(Crash, Exception)


async def test_the_dead_do_nothing(server: MemoryServer) -> None:
    """After a crash every call on everything under the plan fails with `Crash`, so that no `finally` can write."""
    objects, plan = under(on("objects.get", CrashBefore()), server)
    table: Table = faulty(MemoryTable(server), plan, "table")
    with pytest.raises(Crash, match="dead since"):
        await read_then_write(objects, table)
    with pytest.raises(Crash):
        await objects.put("k", b"")
    assert (server.rows, server.blobs) == ({}, {})
    assert [step.name for step in plan.steps] == ["objects.get"]


async def read_then_write(objects: Objects, table: Table) -> None:
    try:
        await objects.get("k")
    finally:
        await table.write("k", b"", expected=Absent(), lease=Keep(), expires_at=None)


async def test_a_crash_ends_calls_under_way(server: MemoryServer) -> None:
    """A call that another task's crash overtakes does not return to its caller, whatever its answer would be."""
    objects, _ = under(on("objects.get", CrashBefore()), server)
    tries = (objects.put("k", b""), objects.put("k", b""), objects.get("k"))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results] == [Crash, Crash, Crash]
    assert list(server.blobs) == ["k"]


async def test_other_processes_live_on(server: MemoryServer) -> None:
    """A crash under one plan leaves what is under another plan alone."""
    objects, _ = under(at(1, CrashAfter()), server)
    other, _ = under(no_faults, server)
    with pytest.raises(Crash):
        await objects.put("k", b"data")
    assert await other.get("k") == b"data"


async def test_errors_of_the_backend_pass_through(server: MemoryServer) -> None:
    """Without a fault the caller sees the backend's own answers and errors."""
    objects, _ = under(no_faults, server)
    await objects.put("k", b"")
    with pytest.raises(AlreadyExists):
        await objects.put("k", b"")
    with pytest.raises(NotFound):
        await objects.get("other")


async def test_calls_are_numbered(server: MemoryServer) -> None:
    """Calls are numbered over everything under the plan, and apart for each name."""
    objects, plan = under(no_faults, server)
    table: Table = faulty(MemoryTable(server), plan, "table")
    await objects.put("k", b"")
    await table.read("k")
    await objects.get("k")
    await table.read("k")
    assert plan.steps == [
        Step(1, "objects.put", 1),
        Step(2, "table.read", 1),
        Step(3, "objects.get", 1),
        Step(4, "table.read", 2),
    ]


async def test_a_delay_takes_time(server: MemoryServer) -> None:
    """`Delay` sleeps on the plan's clock, then carries the call out; without a clock it is `Invalid`."""
    clock = ManualClock()
    slow = faulty(MemoryTable(server), Plan(on("table.read", Delay(7)), clock=clock), "table")
    assert await slow.read("k") is None
    assert clock.now() == START + 7
    with pytest.raises(Invalid, match="clock"):
        await faulty(MemoryTable(server), Plan(at(1, Delay(7))), "table").read("k")


def test_rules_choose_their_calls() -> None:
    """`at` goes by the number of all calls, `on` by the number of one name, `every` by name or object."""
    step, fault = Step(number=5, name="table.write", nth=2), ErrorBefore()
    assert at(5, fault)(step) == on("table.write", fault, nth=2)(step) == fault
    assert every("table.write", fault)(step) == every("table", fault)(step) == fault
    for rule in (
        at(2, fault),
        on("table.write", fault),
        on("table.read", fault, nth=2),
        every("tab", fault),
        no_faults,
    ):
        assert rule(step) == Pass()


def test_the_first_rule_with_a_fault_decides() -> None:
    """`first_of` asks its rules in order, and lets the call pass when all do."""
    rule = first_of(at(1, LostReply()), at(2, ErrorBefore()), every("table", CrashAfter()))
    assert rule(Step(1, "table.read", 1)) == LostReply()
    assert rule(Step(2, "table.read", 2)) == ErrorBefore()
    assert rule(Step(3, "table.read", 3)) == CrashAfter()
    assert rule(Step(4, "objects.put", 1)) == Pass()


class Agent:
    """Something with an async iterator, a plain method, an attribute and a method that opens another object."""

    root = "/srv"
    closed = False

    def name(self) -> str:
        return "agent"

    async def run(self, count: int) -> AsyncIterator[int]:
        try:
            for n in range(count):
                yield n
        finally:
            self.closed = True

    async def open(self) -> MemoryTable:
        return MemoryTable()


async def test_each_step_of_an_iterator_is_a_call() -> None:
    """Iterating counts each item and the end as a call, and a crash stops it there and closes the iterator."""
    agent, plan = Agent(), Plan()
    assert [n async for n in faulty(agent, plan, "agent").run(3)] == [0, 1, 2]
    assert [step.nth for step in plan.steps] == [1, 2, 3, 4]
    agent.closed = False
    items = faulty(agent, Plan(on("agent.run", CrashBefore(), nth=3)), "agent").run(9)
    assert [await anext(items), await anext(items)] == [0, 1]
    with pytest.raises(Crash):
        await anext(items)
    assert agent.closed


async def test_what_is_not_awaited_passes_through() -> None:
    """Attributes and plain methods are the target's own and are no calls of the plan."""
    plan = Plan(every("agent", CrashBefore()))
    agent = faulty(Agent(), plan, "agent")
    assert (agent.root, agent.name()) == ("/srv", "agent")
    assert plan.steps == []


async def test_what_a_method_opens_can_be_under_the_plan_too() -> None:
    """Results of the methods named in `inner` go by the same plan, under the name given."""
    plan = Plan()
    table = await faulty(Agent(), plan, "agent", inner={"open": "table"}).open()
    assert await table.read("k") is None
    assert [step.name for step in plan.steps] == ["agent.open", "table.read"]
