"""Workers that are killed at random moments of tool-using turns, again and again, until every turn is done."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from outlive.agents.program import find_cli
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound
from outlive.core.transcripts import unknown_parents
from outlive.flows.accept_message import accept_message
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.turn.read_ledger import read_file, read_lines
from outlive.settings import Settings
from outlive.testing.scripted_model import script
from outlive.wiring import App, open_at_rest
from tests.agents.places import others_can_run, passable_folder
from tests.agents.watching import until

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found through /proc, which only Linux has"),
]

KILLS = int(os.environ.get("OUTLIVE_TEST_KILLS", "50"))
LONGEST_LIFE = 1.2
"""In turns: a worker is killed at some moment before it has done so much, on this machine, as busy as it is."""
LONGEST_SECONDS = 2.5
NEW_HOST = 0.3
"""How often the next worker finds nothing of what the last one had on its disk."""
SESSIONS = 8


def turn_text(number: int) -> str:
    """A turn with three tools; what two of them leave shows in which order they ran."""
    first, last = ({"tool": "Bash", "input": {"command": f"echo m{number}-{step} >> log.txt"}} for step in "ab")
    task = {"tool": "TaskCreate", "input": {"subject": f"task m{number}", "description": "x"}}
    return f"message m{number} " + script(first, task, last, {"text": f"answer m{number}"})


@dataclass
class Killing:
    """Sessions with messages, the workers that answer them, and who has been acknowledged what."""

    base: Path
    app: App
    forge: subprocess.Popen[str]
    sent: dict[str, str] = field(default_factory=dict)
    """Message id -> session."""
    acknowledged: set[str] = field(default_factory=set)
    how: Counter[str] = field(default_factory=Counter)

    async def feed(self) -> None:
        """Every session has a message waiting or under way."""
        busy = {session for message, session in self.sent.items() if message not in self.acknowledged}
        for session in (f"s{n}" for n in range(SESSIONS)):
            if session not in busy:
                number = len(self.sent) + 1
                inbound = Inbound(self.app.key(session), f"m{number}", turn_text(number), self.app.engine.clock.now())
                await accept_message(self.app.engine.queue, inbound, self.app.engine.clock)
                self.sent[f"m{number}"] = session

    def start_worker(self) -> int:
        """A new worker's process id, once it is up."""
        assert self.forge.stdin is not None
        self.forge.stdin.write("go\n")
        self.forge.stdin.flush()
        while True:
            event = self._event()
            if event["event"] == "started":
                return int(event["pid"])

    def time_one_turn(self) -> float:
        """Seconds from a worker's start to the end of its first turn; then it is killed, too."""
        pid, began = self.start_worker(), time.monotonic()
        while self._event()["event"] != "turn":
            pass
        os.kill(pid, signal.SIGKILL)
        return time.monotonic() - began

    def _event(self) -> dict[str, Any]:
        assert self.forge.stdout is not None
        event: dict[str, Any] = json.loads(self.forge.stdout.readline())
        if event["event"] == "turn":
            assert (event["is_error"], event["reply"]) == (False, f"answer {event['message_id']}")
            self.acknowledged.add(event["message_id"])
            self.how[event["how"]] += 1
        assert event["event"] != "failed", event
        return event

    async def finish(self) -> None:
        """One worker that nobody kills answers what is left; an operator sends dead letters again."""
        pid = self.start_worker()
        deadline = time.monotonic() + 60
        while self.sent.keys() - self.acknowledged and time.monotonic() < deadline:
            for letter in await self.app.engine.queue.dead_letters():
                self.how["redriven"] += 1
                await self.app.engine.queue.redrive(letter.id)
            await asyncio.to_thread(self._event)
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not Path(f"/proc/{pid}").exists())

    def orphans(self) -> list[int]:
        """Living processes that work in one of the trees."""
        mark = f"CLAUDE_CONFIG_DIR={self.base / 'tmp'}".encode()
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if mark in _environ(path) and _lives(path)]

    def litter(self) -> list[str]:
        """What lies in the temporary folder and belongs to no session, and what a turn should have tidied away."""
        temporary = self.base / "tmp"
        trees = [path for path in temporary.glob("outlive-*/*") if path.is_dir()]
        loose = [path for path in temporary.iterdir() if not path.name.startswith("outlive-")]
        left = [path for tree in trees for part in ("tmp", "home") for path in (tree / part).iterdir()]
        fresh = [*temporary.rglob(".outlive-*"), *temporary.rglob("*.fresh")]
        return sorted(str(path.relative_to(self.base)) for path in [*loose, *left, *fresh])

    def lose_host(self) -> None:
        """Every tree on this machine goes; nobody holds one."""
        for folder in (self.base / "tmp").glob("outlive-*"):
            shutil.rmtree(folder)

    async def lines(self, session: str) -> list[LedgerLine]:
        """The session's committed turns."""
        engine, stores = self.app.engine, self.app.stores
        session_id = await find_session(engine, stores, self.app.key(session))
        return await read_lines(engine, stores, await find_head(engine, stores, session_id))

    async def file(self, session: str, path: str) -> str:
        """A file of the session's committed tree."""
        engine, stores = self.app.engine, self.app.stores
        head = await find_head(engine, stores, await find_session(engine, stores, self.app.key(session)))
        found = await read_file(engine, stores, head, path.replace("AGENT", str(head.agent_session_id)))
        assert found is not None, path
        return found.decode()


def _environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def _lives(process: Path) -> bool:
    try:
        return (process / "stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _forge(env: dict[str, str]) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.e2e.forge"]
    return subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
async def killing() -> AsyncIterator[Killing]:
    """Empty stores, an empty temporary folder, and a forge of workers."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
    env |= {"OUTLIVE_LEASE_SECONDS": "2", "OUTLIVE_VISIBILITY_SECONDS": "2", "OUTLIVE_FLUSH_SECONDS": "0.1"}
    env |= {"OUTLIVE_MODEL": "scripted", "OUTLIVE_ISOLATION": "auto" if others_can_run(find_cli(None)) else "none"}
    with passable_folder() as base:
        (base / "tmp").mkdir(mode=0o711)
        forge = _forge(env | {"OUTLIVE_DATA": str(base / "data"), "TMPDIR": str(base / "tmp")})
        try:
            async with open_at_rest(Settings(data=base / "data")) as app:
                yield Killing(base, app, forge)
        finally:
            forge.communicate()


@pytest.mark.timeout(300)
@pytest.mark.promise("P1")
@pytest.mark.promise("P12")
async def test_killed_at_random_moments(killing: Killing) -> None:
    """After many kills each acknowledged turn is kept, each turn is done once, and neither process nor file is left."""
    seed = int(os.environ.get("OUTLIVE_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"OUTLIVE_TEST_SEED={seed}")
    moments = random.Random(seed)
    await killing.feed()
    longest = min(LONGEST_LIFE * killing.time_one_turn(), LONGEST_SECONDS)
    print(f"A worker lives for {longest:.2f} s at most.")
    for _ in range(KILLS):
        await killing.feed()
        pid = killing.start_worker()
        await asyncio.sleep(moments.uniform(0.01, longest))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: killing.orphans() == [], seconds=5)
        if moments.random() < NEW_HOST:
            killing.lose_host()
    await killing.finish()
    print(dict(killing.how))
    assert killing.how["continued"]
    assert killing.litter() == []
    await _every_turn_is_done_once(killing)


async def _every_turn_is_done_once(killing: Killing) -> None:
    for session in set(killing.sent.values()):
        asked = sorted(message for message, where in killing.sent.items() if where == session)
        lines = await killing.lines(session)
        assert sorted(line.message_id for line in lines) == asked
        assert [line.turn for line in lines] == [line.version for line in lines] == list(range(1, len(lines) + 1))
        assert [line.reply for line in lines] == [f"answer {line.message_id}" for line in lines]
        await _what_they_did_is_there(killing, session, [line.message_id for line in lines])


async def _what_they_did_is_there(killing: Killing, session: str, messages: list[str]) -> None:
    """Each tool's effect at least once and in order, each message and each answer once in a transcript without hole."""
    log = (await killing.file(session, "work/log.txt")).split()
    assert list(dict.fromkeys(log)) == [f"{message}-{step}" for message in messages for step in "ab"]
    transcript = await killing.file(session, "config/projects/session/AGENT.jsonl")
    assert unknown_parents(transcript.encode()) == []
    entries = [json.loads(line) for line in transcript.splitlines()]
    said = [entry["message"]["content"] for entry in entries if entry["type"] == "user"]
    heard = [text for text in said if isinstance(text, str) and text.startswith("message m")]
    assert [text.split()[1] for text in heard] == messages
