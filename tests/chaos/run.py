"""One run: messages in, faults at random by a seed, and what is found in the end."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound, encode_inbound
from outlive.errors import NotFound, Unavailable
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.turn.read_ledger import read_file, read_lines
from outlive.protocols import Message
from outlive.settings import load_settings
from outlive.wiring import App, open_at_rest
from tests.chaos.families import Family
from tests.chaos.tally import Tally

LEASE = 1.2
SESSIONS, WORKERS, HOSTS = 10, 3, 2
FULL = 64 * 1024
"""Bytes that a worker's files may grow to on a full disk."""
PATIENCE = 180.0
"""Seconds that what is left may take once the faults are over."""


@dataclass
class Chaos:
    """Workers on a family's stores."""

    family: Family
    base: Path
    moments: random.Random
    longest: float
    """Seconds between two kills at most."""
    tally: Tally = field(default_factory=Tally)
    alive: set[int] = field(default_factory=set)
    ready: set[int] = field(default_factory=set)
    """Workers that had opened their stores: mostly it hits these, the others have nothing to lose yet."""
    asked: int = 0
    """Workers asked of the forge so far, and below, those it made: on a busy machine it is behind."""
    forked: int = 0
    _forge: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None
    _look_again: float = 0.0

    def start(self) -> None:
        """The forge, and a thread that reads what its workers tell."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
        env |= {"OUTLIVE_LEASE_SECONDS": str(LEASE), "OUTLIVE_VISIBILITY_SECONDS": "2", **self.family.settings}
        env |= {"OUTLIVE_FLUSH_SECONDS": "0.1", "OUTLIVE_GRACE_SECONDS": "2", "TMPDIR": str(self.base)}
        words = [sys.executable, "-m", "tests.chaos.forge"]
        with (self.base / "stderr").open("w") as log:
            self._forge = subprocess.Popen(
                words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._forge is not None
        assert self._forge.stdout is not None
        for line in self._forge.stdout:
            event = json.loads(line)
            if event["event"] == "forked":
                self.alive.add(event["child"])
                self.forked += 1
            elif event["event"] == "started":
                self.ready.add(event["pid"])
            self.tally.take(event)

    def close(self) -> None:
        """End what is left."""
        assert self._forge is not None
        for pid in list(self.alive):
            self._signal(pid, signal.SIGKILL)
        assert self._forge.stdin is not None
        assert self._forge.stdout is not None
        assert self._reader is not None
        self._forge.stdin.close()
        self._forge.wait()
        self._reader.join(10)
        self._forge.stdout.close()

    def worker(self, *, full: bool = False) -> None:
        """One more."""
        assert self._forge is not None
        assert self._forge.stdin is not None
        host = self.base / f"host-{self.moments.randrange(HOSTS)}"
        self._forge.stdin.write(json.dumps({"host": str(host), "fsize": FULL if full else 0}) + "\n")
        self._forge.stdin.flush()
        self.asked += 1

    def _missing(self) -> int:
        """How many are to be started; those under way count as there."""
        return WORKERS - len(self.alive) - (self.asked - self.forked)

    def _bury(self) -> None:
        for pid in [pid for pid in list(self.alive) if not Path(f"/proc/{pid}").exists()]:
            self.alive.discard(pid)

    def _victim(self) -> int:
        return self.moments.choice(sorted(self.alive & self.ready or self.alive))

    def _signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    # ------------------------------------------------------------------------------------ faults

    async def kill(self) -> bool:
        """One worker at random, if one is up; another takes its place, now and then on a full disk."""
        self._bury()
        hit = bool(self.alive & self.ready or (self.alive and self.moments.random() < 0.02))
        if hit:
            pid = self._victim()
            self.alive.discard(pid)
            self._signal(pid, signal.SIGKILL)
            self.tally.faults["SIGKILL"] += 1
        for _ in range(self._missing()):
            full = self.family.fills and self.moments.random() < 0.04
            self.tally.faults["full disks"] += full
            self.worker(full=full)
        return hit

    async def pause(self) -> None:
        """A worker sleeps longer than its lease, and wakes up."""
        if not self.alive:
            return
        pid = self._victim()
        self.tally.faults["SIGSTOP"] += 1
        self._signal(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(LEASE * 1.7, self._signal, pid, signal.SIGCONT)

    async def reset(self) -> None:
        """Every connection to a server is reset."""
        self.tally.faults["connection resets"] += 1
        await asyncio.to_thread(self.moments.choice(self.family.proxies).reset)

    async def slow(self) -> None:
        """A server is slow for a while."""
        proxy = self.moments.choice(self.family.proxies)
        self.tally.faults["delays"] += 1
        proxy.delay = self.moments.uniform(0.02, 0.3)
        asyncio.get_running_loop().call_later(0.7, setattr, proxy, "delay", 0.0)

    async def freeze(self) -> None:
        """A server cannot be reached for longer than a lease, and nobody is told."""
        proxy = self.moments.choice(self.family.proxies)
        self.tally.faults["frozen connections"] += 1
        proxy.frozen = True
        asyncio.get_running_loop().call_later(LEASE * 1.2, setattr, proxy, "frozen", False)

    async def restart(self) -> None:
        """A server is killed and started again."""
        name = self.moments.choice(sorted(self.family.restarts))
        self.tally.faults[f"{name} restarts"] += 1
        await asyncio.to_thread(self.family.restarts[name])

    def more(self) -> Callable[[], Awaitable[None]] | None:
        """What goes wrong beside a kill; mostly nothing."""
        chances: list[tuple[float, Callable[[], Awaitable[None]]]] = [(0.08, self.pause)]
        if self.family.proxies:
            chances += [(0.08, self.reset), (0.04, self.slow), (0.02, self.freeze)]
        if self.family.restarts:
            chances += [(0.015, self.restart)]
        drawn = self.moments.random()
        for chance, fault in chances:
            drawn -= chance
            if drawn < 0:
                return fault
        return None

    # ------------------------------------------------------------------------------------- intake

    async def feed(self, app: App) -> None:
        """Each session has a message waiting; one in six is delivered twice, past the queue's own dedupe."""
        unanswered = self._open()
        waiting = {session for message, session in self.tally.sent.items() if message in unanswered}
        for session in {f"s{n}" for n in range(SESSIONS)} - waiting:
            number = f"m-{len(self.tally.sent) + 1}"
            if await self._accepted(app, session, number, number):
                self.tally.sent[number] = session
                if self.moments.random() < 1 / 6 and await self._accepted(app, session, number, f"{number}-again"):
                    self.tally.repeats += 1

    async def _accepted(self, app: App, session: str, message_id: str, dedupe_id: str) -> bool:
        """False when the store did not answer: it is not acknowledged, and may have landed; then it comes again."""
        inbound = Inbound(app.key(session), message_id, f"do {message_id}", app.engine.clock.now())
        for _ in range(200):
            with suppress(Unavailable):
                await app.engine.queue.send(Message(str(inbound.key), dedupe_id, encode_inbound(inbound)))
                return True
            await asyncio.sleep(0.1)
        return False

    async def finish(self, app: App) -> None:
        """Workers that nobody disturbs answer what is left; an operator sends dead letters again."""
        deadline = time.monotonic() + PATIENCE
        while self._open() and time.monotonic() < deadline:
            self._bury()
            for _ in range(self._missing()):
                self.worker()
            await self.redrive(app)
            await asyncio.sleep(0.5)
        if self.tally.sent.keys() - self.tally.done:  # what was not acknowledged comes once more
            await asyncio.sleep(LEASE * 3)

    async def redrive(self, app: App) -> None:
        """An operator sends dead letters again, once in a while."""
        if time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + 1.0
        with suppress(Unavailable):
            for letter in await app.engine.queue.dead_letters():
                with suppress(NotFound):
                    await app.engine.queue.redrive(letter.id)
                self.tally.redriven += 1

    def _open(self) -> set[str]:
        """A worker that dies as soon as it has acknowledged cannot tell of its turn, but has told of its reply."""
        return self.tally.sent.keys() - self.tally.done - self.tally.replies.keys()


async def run_chaos(
    family: Family, base: Path, seed: int, kills: int, *, longest: float = 0.3, seconds: float = math.inf
) -> Tally:
    """The whole run, `seconds` of kills at most; the tally says what was found."""
    chaos = Chaos(family, base, random.Random(seed), longest)
    os.environ.update(family.settings)
    chaos.start()
    try:
        async with open_at_rest(load_settings()) as app:
            until = time.monotonic() + seconds
            while chaos.tally.faults["SIGKILL"] < kills and time.monotonic() < until:
                await chaos.feed(app)
                await chaos.redrive(app)  # or in the end all messages are dead letters, and idle workers are killed
                hit = await chaos.kill()
                await asyncio.sleep(chaos.moments.uniform(0.01, longest))
                # In step with the kills: while servers and workers start, nothing is there to be disturbed.
                if hit and (fault := chaos.more()):
                    await fault()
                if hit and not chaos.tally.faults["SIGKILL"] % 50:
                    print(chaos.tally.progress(), file=sys.stderr, flush=True)
            await asyncio.sleep(LEASE * 2)
            await chaos.finish(app)
            chaos.tally.check(*await _stored(app, set(chaos.tally.sent.values())))
    finally:
        await asyncio.to_thread(chaos.close)
    return chaos.tally


async def _stored(app: App, sessions: set[str]) -> tuple[dict[str, list[LedgerLine]], dict[str, bytes]]:
    engine, stores = app.engine, app.stores
    lines: dict[str, list[LedgerLine]] = {}
    transcripts: dict[str, Any] = {}
    for session in sorted(sessions):
        with suppress(NotFound):
            head = await find_head(engine, stores, await find_session(engine, stores, app.key(session)))
            lines[session] = list(await read_lines(engine, stores, head))
            path = f"config/projects/session/{head.agent_session_id}.jsonl"
            transcripts[session] = await read_file(engine, stores, head, path) or b""
    return lines, transcripts
