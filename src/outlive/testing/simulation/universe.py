"""One universe: servers, machines, workers that come and go, channels, and an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from random import Random
from typing import Any

from outlive.core.messages import Inbound
from outlive.core.packs import Dictionary
from outlive.core.turns import CrashPolicy
from outlive.errors import NotFound, OutliveError, RateLimited, Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.retry_outbox import retry_outboxes
from outlive.flows.engine import Engine, Policy
from outlive.flows.fresh_records import FreshRecords
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hot_objects import HotObjects
from outlive.flows.turn.share_dictionary import Dictionaries
from outlive.flows.work_queue import work_queue
from outlive.memory.server import MemoryServer
from outlive.protocols import Clock, Objects, Reply
from outlive.testing.clock import START
from outlive.testing.faults import Crash
from outlive.testing.simulation.clocks import ProcessClock, TrueClock
from outlive.testing.simulation.controlled import make_agent, make_monitor, quotas, settings
from outlive.testing.simulation.controls import ASKER
from outlive.testing.simulation.disks import Disk, SimulatedWorkspaces
from outlive.testing.simulation.monitor import Monitor
from outlive.testing.simulation.network import Network, Weather
from outlive.testing.simulation.processes import CURRENT, Loss, Process
from outlive.testing.simulation.scenarios import LEASE, UNHEARD, Disturbance, Scenario, Sending, WorkerPlan
from outlive.testing.simulation.servers import (
    LyingCache,
    Servers,
    SimulatedObjects,
    SimulatedQueue,
    SimulatedTable,
)
from outlive.testing.wrappers import wrap

DAY = 86400.0
TEND = 5.0


class NoDictionaries(Dictionaries):
    """Packs without a shared dictionary: what they save is bytes, and what they cost is the simulation's time."""

    async def share(self, stores: TenantStores, data: bytes, clock: Clock) -> Dictionary | None:  # noqa: ARG002
        return None


class Vendor:
    """The channel's server: now and then it has no time."""

    def __init__(self, monitor: Monitor, random: Random, weather: Weather) -> None:
        self._monitor, self._random, self._weather = monitor, random, weather
        self.readers: list[Callable[[Reply], None]] = []
        """Who reads what is delivered."""

    async def deliver(self, reply: Reply) -> None:
        await asyncio.sleep(0)
        chance = 1.0 if self._weather.fair else self._random.random()
        if chance < 0.04:
            raise RateLimited("too many messages.", retry_after=3.0)
        if chance < 0.06:
            raise Unavailable("the vendor is down.")
        self._monitor.sent(reply)
        for read in self.readers:
            read(reply)

    async def fetch(self, file: object) -> bytes:
        raise NotFound(f"there is no {file}: no message of the simulation comes with one.")


class Universe:
    """Made from a scenario, on a loop that runs."""

    def __init__(self, scenario: Scenario, weather: Weather, random: Random) -> None:
        self.scenario, self.weather, self.random = scenario, weather, random
        memory = MemoryServer()
        self.monitor = make_monitor(scenario, memory.blobs)
        window = 0.0 if scenario.loose_queue else DAY
        self.servers = Servers(memory, self.monitor, TrueClock(), random, scenario.loose_queue, window)
        self.vendor = Vendor(self.monitor, random, weather)
        self.workers: dict[str, Process] = {}
        self.stops: dict[str, asyncio.Event] = {}
        self.plans = {plan.name: plan for plan in scenario.workers}
        self.disks = {name: Disk(name) for name in (*self.plans, "operator", "observer", "intake")}
        self.people: list[asyncio.Task[None]] = []
        """Answers on their way to questions of the agent."""
        self._births = 0

    # ---------------------------------------------------------------------------------- processes

    def process(self, name: str, ahead: float = 0.0) -> Process:
        """A new process on the machine of this name."""
        self._births += 1
        return Process(f"{name}.{self._births}", self.disks[name.partition(".")[0]], ahead)

    def start(self, process: Process, main: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run it in the process; what it raises when the process dies is nobody's."""

        async def run() -> None:
            try:
                await main()
            except (Crash, asyncio.CancelledError):
                pass
            except Exception as error:  # noqa: BLE001 - no flow may end its process
                self.monitor.fail("a process ended by itself", f"{process.name}: {error!r}")

        context = copy_context()
        context.run(CURRENT.set, process)
        coroutine = context.run(run)
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine, context=context)
        return task

    async def run(self, process: Process, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run it in the process, to its end or the process's."""
        task = self.start(process, main)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    def engine(self, process: Process, *, calm: bool = False) -> Engine:
        """What the process works with; `calm` ones meet no faults."""
        scenario, servers = self.scenario, self.servers
        weather = Weather(replace(scenario, rates={}), trace=self.weather.trace) if calm else self.weather
        network, clock = Network(process, weather), ProcessClock(process)
        objects: Objects = wrap(SimulatedObjects(servers, process), "objects", network)
        if scenario.hot_tier:
            objects = HotObjects(objects, wrap(LyingCache(servers), "cache", network), clock)
        agent = make_agent(scenario, process, self.monitor, clock, self.random)
        return Engine(
            table=FreshRecords(wrap(SimulatedTable(servers, process), "table", network), self.random.getrandbits),
            objects=objects,
            queue=wrap(SimulatedQueue(servers, process), "queue", network),
            workspaces=wrap(
                SimulatedWorkspaces(process.disk, process), "workspaces", network, inner={"open": "workspace"}
            ),
            agent=wrap(agent, "agent", network),
            clock=clock,
            new_id=lambda: f"{self.random.getrandbits(128):032x}",
            worker=process.name,
            policy=self._policy(),
            channels={"chat": wrap(self.vendor, "channel", network)},
            dictionaries=NoDictionaries(),
        )

    def _policy(self) -> Policy:
        scenario = self.scenario
        return Policy(
            lease_seconds=LEASE,
            flush_seconds=scenario.flush_seconds,
            on_crash=CrashPolicy.RERUN if scenario.rerun else CrashPolicy.CONTINUE,
            max_packs=scenario.max_packs,
            visibility_seconds=LEASE,
            grace_seconds=5.0,
            handover_reserve_seconds=5.0,
            stop_poll_seconds=7.0,
            quotas=quotas(scenario),
            **settings(scenario),
        )

    # ------------------------------------------------------------------------------------ workers

    def start_worker(self, plan: WorkerPlan) -> None:
        """Start the worker, or start it anew."""
        process = self.workers[plan.name] = self.process(plan.name, plan.ahead)
        stop = self.stops[plan.name] = asyncio.Event()
        engine = self.engine(process)
        for _ in range(plan.slots):
            self.start(process, lambda: self._work(engine, stop, plan))
        self.start(process, lambda: self._tend(engine, stop))

    async def _work(self, engine: Engine, stop: asyncio.Event, plan: WorkerPlan) -> None:
        while not stop.is_set():
            deadline = None if plan.invocation is None else engine.clock.now() + plan.invocation
            await work_queue(engine, stop, wait=20.0, deadline=deadline)

    async def _tend(self, engine: Engine, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), TEND)
            with suppress(OutliveError):
                await retry_outboxes(engine)

    async def disturb(self, disturbance: Disturbance) -> None:
        """Have it befall its worker, and be over in the end."""
        await asyncio.sleep(disturbance.at)
        process, now = self.workers[disturbance.worker], asyncio.get_running_loop().time()
        if disturbance.what == UNHEARD:
            process.unheard = disturbance.seconds
            return
        self.weather.kinds[disturbance.what] += 1
        self.weather.note(f"{process.name} meets {disturbance.what} for {disturbance.seconds}")
        match disturbance.what:
            case "pause":
                process.paused_until = now + disturbance.seconds
            case "partition":
                process.cut_off_until = now + disturbance.seconds
                process.is_deaf = int(disturbance.at * 1000) % 2 == 1
            case "full disk":
                process.disk.full = True
                await asyncio.sleep(disturbance.seconds)
                process.disk.full = False
            case "terminate":
                self.stops[disturbance.worker].set()
            case _:
                self._kill(process, Loss(_LOSSES[disturbance.what]))

    def _kill(self, process: Process, loss: Loss) -> None:
        process.die()
        if loss is Loss.UNSYNCED:
            process.disk.go_down(self.random)
        elif loss is Loss.DISK:
            process.disk.lose()

    async def keep_running(self) -> None:
        """Start dead and stopped workers anew, some time later."""
        while True:
            await asyncio.sleep(4.0 + self.random.random() * 8)
            for name, plan in self.plans.items():
                process = self.workers[name]
                if not process.alive or self.stops[name].is_set():
                    process.die()
                    self.start_worker(plan)

    # ------------------------------------------------------------------------------------- intake

    async def hand_in(self, sending: Sending, at: float) -> None:
        """A channel hands the message over, and again until it is taken."""
        await asyncio.sleep(at)
        text = f"{sending.key} {sending.message_id} {'x' * 40}"
        sender = ASKER if self.scenario.controls else ""
        await self.take_in(Inbound(sending.key, sending.message_id, text, START + sending.at, sender))

    async def take_in(self, given: Inbound) -> None:
        """Put the message into the queue, and again until somebody knows that it is there."""
        while True:
            process = self.process("intake")
            engine = self.engine(process)
            done: list[bool] = []

            async def accept(engine: Engine = engine, done: list[bool] = done) -> None:
                with suppress(OutliveError):
                    await accept_message(engine.queue, given, engine.clock)
                    done.append(True)

            await self.run(process, accept)
            if done:
                self.monitor.accepted.add((str(given.key), given.message_id))
                return
            await asyncio.sleep(2.0)


_LOSSES = {"crash": "process", "reboot": "reboot", "disk lost": "disk"}
