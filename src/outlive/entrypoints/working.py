"""One worker process: what it reports, and when it has done enough."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from outlive.core.messages import Inbound
from outlive.core.wording import counted
from outlive.entrypoints.measuring import measured
from outlive.entrypoints.terminal.output import print_json, say
from outlive.entrypoints.watching import TurnWatch
from outlive.errors import LeaseLost, OutliveError, Unavailable
from outlive.flows.delivery.tend import tended
from outlive.flows.run_turn import Turn
from outlive.flows.turn.hand_over import HandedOver, handover_at
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.work_queue import Outcome, work_queue
from outlive.protocols import AgentEvent, ToolStarted, Workspace
from outlive.settings import Settings
from outlive.testing.counting import Counts
from outlive.testing.wrappers import wrap
from outlive.wiring import App, open_app, workspaces_folder

T = TypeVar("T")

WAIT = 1.0
"""Seconds that one look for a message may take."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a worker ends by itself."""

    turns: int | None = None
    """After so many turns, failed ones included."""
    idle_seconds: float | None = None
    """After so long without a message."""


def run_worker(settings: Settings, limits: Limits, *, as_json: bool) -> None:
    """Work until told to stop or the limits are reached; a second signal raises `KeyboardInterrupt`.

    Raises the last turn's error when the worker ended because of `limits.turns` and that turn failed.
    """
    try:
        asyncio.run(_work(settings, limits, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _work(settings: Settings, limits: Limits, *, as_json: bool) -> None:
    async with open_app(settings) as app:
        deadline = _deadline(app)
        watch = Watch(app.counts, limits, as_json=as_json)
        watch.shown = TurnWatch(app.engine.channels, watch.fault)
        shown = watch.shown.around(app.engine)
        engine = replace(
            shown,
            queue=wrap(shown.queue, "queue", watch),
            workspaces=wrap(shown.workspaces, "workspaces", watch),
        )
        wait = min(WAIT, WAIT if limits.idle_seconds is None else limits.idle_seconds)
        with stopped_by_signals(watch.stop):
            async with measured(app) as metrics, tended(app.beside, watch.fault):
                settle_in()
                watch.started(app, metrics)
                await work_queue(
                    engine,
                    watch.stop,
                    wait=wait,
                    on_event=watch.on_event,
                    on_outcome=watch.on_outcome,
                    deadline=deadline,
                )
        watch.tell("stopped", f"Stopped after {counted(watch.done, 'turn')}.")
    if watch.failure is not None and limits.turns is not None:
        raise watch.failure


def settle_in() -> None:
    """Take what the start has made, and keeps, out of the garbage collector's rounds: for a process that stays.

    That is some 110,000 objects, none of it garbage; one full round over it takes 15 to 35 ms, within a turn.
    """
    gc.freeze()


def _deadline(app: App) -> float | None:
    """When this invocation has to hand its turn over; None when nobody limits it."""
    seconds, now = app.settings.invocation_seconds, app.engine.clock.now()
    return None if seconds is None else handover_at(app.engine.policy, now + seconds, now)


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """While the block runs, the first SIGTERM or SIGINT sets `stop`, and the next one cancels the block's task."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[int] = []

    def on_signal(number: int) -> None:
        if asked and task is not None:
            task.cancel()
        asked.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@dataclass
class Watch:
    """Follows one worker: stands around its queue and workspaces, and tells what it sees."""

    counts: Counts
    limits: Limits
    as_json: bool
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    shown: TurnWatch | None = None
    """Shows the turns in their chats."""
    done: int = 0
    failure: OutliveError | None = None
    """Of the last turn."""
    _before: Counts = field(default_factory=Counts)
    _root: str | None = None
    _idle_since: float | None = None
    _is_down: bool = False

    def tell(self, event: str, text: str, **fields: Any) -> None:  # noqa: ANN401 - JSON values
        """One line for the reader: JSON on stdout, or text on stderr."""
        if self.as_json:
            print_json({"event": event} | fields)
        elif text:
            say(text)

    def started(self, app: App, metrics: str) -> None:
        """The worker takes messages from now on."""
        workspaces = str(workspaces_folder(app.settings))
        if app.model.provider == "scripted" and not self.as_json:
            say("The scripted model answers: it is not a language model.")
        self.tell(
            "started",
            f"Worker {os.getpid()} takes messages from {app.settings.queue_url}; Ctrl-C stops it."
            + (f"\nIts metrics: {metrics}" if metrics else ""),
            pid=os.getpid(),
            workspaces=workspaces,
            **({"metrics": metrics} if metrics else {}),
        )

    # --------------------------------------------------------------------------- what passes by

    async def __call__(self, name: str, _arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """See `testing.wrappers.Around`."""
        before, began = self.counts.copy(), asyncio.get_running_loop().time()
        try:
            result = await call()
        except Unavailable as error:
            if name == "queue.receive":
                self._queue_failed(error)
            raise
        if name == "queue.receive":
            self._is_down = False
            self._idle(began) if result is None else self._received(before)
        elif name == "workspaces.open":
            self._root = str(cast("Workspace", result).root)
        return result

    def _received(self, before: Counts) -> None:
        self._before, self._root, self._idle_since = before, None, None

    def _idle(self, began: float) -> None:
        if self._idle_since is None:
            self._idle_since = began
        idle = asyncio.get_running_loop().time() - self._idle_since
        if self.limits.idle_seconds is not None and idle >= self.limits.idle_seconds:
            self.stop.set()

    def fault(self, message: str) -> None:
        """Something went wrong beside the turns; it is tried again."""
        self.tell("fault", f"Will be tried again: {message}", error=message)

    def _queue_failed(self, error: Unavailable) -> None:
        """Said once, however long it lasts."""
        if not self._is_down:
            self.tell("waiting", f"The queue does not answer: {error.message} Trying again.", error=error.message)
        self._is_down = True

    # ------------------------------------------------------------------------------------ turns

    async def on_event(self, event: AgentEvent) -> None:
        """A tool that starts is told at once: a long one is why the turn takes so long."""
        if self.shown is not None:
            await self.shown.on_event(event)
        if isinstance(event, ToolStarted):
            self.tell("tool", "", name=event.name, summary=event.summary)

    async def on_outcome(self, inbound: Inbound, outcome: Outcome) -> None:
        """One line per turn; a session that somebody else holds, or a turn handed on to others, counts for nothing."""
        which = {"session_key": str(inbound.key), "message_id": inbound.message_id}
        match outcome:
            case Busy() | LeaseLost():
                why = outcome.reason if isinstance(outcome, Busy) else "another worker took the session over"
                self.tell("busy", f"{inbound.key}  {why}; its message waits", reason=why, **which)
                return
            case HandedOver(session_id, steps):
                told = f"{inbound.key}  handed over after {steps} steps: the time is up"
                self.tell("handed over", told, **which, session_id=session_id, steps=steps)
                return
            case Turn():
                self.failure = None
                self.tell("turn", _line(outcome), **which, **self._turn(outcome))
            case OutliveError():
                self.failure = outcome
                self.tell("failed", f"{inbound.key}  failed: {outcome}", **which, **_failure(outcome))
                if self.shown is not None:
                    await self.shown.say_failed(inbound.key)
        self.done += 1
        if self.limits.turns is not None and self.done >= self.limits.turns:
            self.stop.set()

    def _turn(self, turn: Turn) -> Mapping[str, object]:
        line = turn.line
        return {
            "how": turn.how,
            "session_id": turn.session_id,
            "turn": line.turn,
            "reply": line.reply,
            "is_error": line.is_error,
            "usd": line.usd,
            "before": turn.before,
            "after": turn.after,
            "steps": [
                {"name": step.name, "ms": round(step.seconds * 1000, 1), "found": step.found}
                for step in turn.trace.steps
            ],
            "storage": _storage(self.counts - self._before),
            "pid": os.getpid(),
            "root": self._root,
        }


def _line(turn: Turn) -> str:
    line = turn.line
    seconds = sum(step.seconds for step in turn.trace.steps)
    how = "" if turn.how == "ran" else f" ({turn.how})"
    return f"{line.session_key}  turn {line.turn}{how}  version {turn.before} → {turn.after}  {seconds:.1f} s"


def _failure(error: OutliveError) -> Mapping[str, object]:
    return {"error": error.message, "fix": error.fix, "type": type(error).__name__}


def _storage(counts: Counts) -> Mapping[str, int]:
    """Requests and bytes, by what they cost."""
    return {
        "object_puts": counts.objects_put,
        "object_gets": counts.objects_get,
        "object_lists": counts.calls["objects.list"],
        "table_reads": counts.table_reads,
        "table_writes": counts.table_writes,
        "bytes_put": counts.objects_put_bytes,
        "bytes_got": counts.objects_get_bytes,
    }
