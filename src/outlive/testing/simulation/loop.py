"""An event loop without threads, sockets or real time: a seed says what runs next, timers move the clock."""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import events
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar, cast

from outlive.testing.simulation.processes import CURRENT

T = TypeVar("T")

MOST_LAST_STEPS = 20_000
STEPS_AT_ONCE = 16
"""In the end: to look who is left takes longer than a step."""


class Stuck(Exception):
    """Nothing is ready and no timer is set, or there is no end to what is done."""


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "call", "cancelled_", "context", "when_")

    def __init__(self, call: Callable[..., object], args: tuple[object, ...], context: Context | None) -> None:
        self.call, self.args, self.context = call, args, context or copy_context()
        self.cancelled_ = False
        self.when_ = 0.0

    def cancel(self) -> None:
        self.cancelled_ = True

    def cancelled(self) -> bool:
        return self.cancelled_

    def when(self) -> float:
        return self.when_


class SimulatedLoop:
    """What asyncio's tasks and primitives need of a loop, and nothing else of `asyncio.AbstractEventLoop`."""

    def __init__(self, random: Random, *, most_steps: int) -> None:
        """Callbacks run in an order that `random` makes up; `Stuck` after `most_steps` of them."""
        self.steps = 0
        self.failures: list[BaseException] = []
        """Of callbacks and tasks that nobody looked at."""
        self._random, self._most_steps = random.random, most_steps
        self._ready: list[Handle] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._now = 0.0
        self._number = 0
        self._as_loop = cast("asyncio.AbstractEventLoop", self)

    # ------------------------------------------------------------------------------------ running

    def run_until_complete(self, main: Coroutine[Any, Any, T]) -> T:
        """Run until `main` has ended, and return what it returns."""
        with self._running():
            task = self.create_task(main)
            try:
                while not task.done():
                    self._step()
            finally:
                self._end()
        return task.result()

    def _end(self) -> None:
        """Let everybody who is left end; nothing that is waited for comes any more."""
        self._most_steps = self.steps + MOST_LAST_STEPS
        for task in asyncio.all_tasks(self._as_loop):
            task.cancel()
        with suppress(Stuck):
            while asyncio.all_tasks(self._as_loop):
                for _ in range(STEPS_AT_ONCE):
                    self._step()

    @contextmanager
    def _running(self) -> Iterator[None]:
        # When garbage is collected must not depend on what ran in this process before.
        collecting, hooks = gc.isenabled(), sys.get_asyncgen_hooks()
        gc.disable()
        events._set_running_loop(self._as_loop)
        sys.set_asyncgen_hooks(finalizer=self._close_generator)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*hooks)
            events._set_running_loop(None)
            if collecting:
                gc.enable()

    def _step(self) -> None:
        ready = self._ready
        if not ready:
            self._move_on()
            return
        place = int(self._random() * len(ready))
        handle, ready[place] = ready[place], ready[-1]
        ready.pop()
        if handle.cancelled_:
            return
        process = handle.context.get(CURRENT)
        if process is not None and process.paused_until > self._now and process.alive:
            self._at(process.paused_until, handle)
            return
        self.steps += 1
        if self.steps > self._most_steps:
            raise Stuck(f"no end after {self.steps} steps")
        try:
            handle.context.run(handle.call, *handle.args)
        except Exception as error:  # noqa: BLE001 - as every loop does: the callback fails, not the loop
            self.failures.append(error)

    def _move_on(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled_:
            heappop(timers)
        if not timers:
            raise Stuck("everybody waits for somebody else")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            self._ready.append(heappop(timers)[2])

    def _at(self, when: float, handle: Handle) -> None:
        self._number += 1
        handle.when_ = when
        heappush(self._timers, (when, self._number, handle))

    def _close_generator(self, generator: AsyncGenerator[object, None]) -> None:
        self.create_task(generator.aclose())

    # ------------------------------------------------------------------------- what asyncio asks for

    def time(self) -> float:
        """Seconds since the universe began."""
        return self._now

    def call_soon(self, call: Callable[..., object], *args: object, context: Context | None = None) -> Handle:
        handle = Handle(call, args, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, call: Callable[..., object], *args: object, context: Context | None = None
    ) -> Handle:
        return self.call_at(self._now + delay, call, *args, context=context)

    def call_at(
        self, when: float, call: Callable[..., object], *args: object, context: Context | None = None
    ) -> Handle:
        handle = Handle(call, args, context)
        self._at(max(when, self._now), handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_loop)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self._as_loop, name=name or "task", context=context)
        process = context.get(CURRENT) if context is not None else CURRENT.get()
        if process is not None:
            process.adopt(task)
        return task

    def run_in_executor(self, _executor: object, call: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """There are no threads: it is done here and now."""
        future = self.create_future()
        try:
            future.set_result(call(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if (error := context.get("exception")) is not None:
            self.failures.append(error)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False
