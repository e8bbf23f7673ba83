"""`python -m bench console`: the admin API with 10,000 sessions and a million messages in the embedded store.

The sessions are written by the engine's own flows (`bench.fleet`). Then the application answers in this process, from
the request's bytes to the answer's: no network, everything else. Milliseconds are medians of wall time, beside the
processor time of the same requests, which a busy machine changes less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from bench.fleet import key_of, seed, seed_session
from outlive.core.keys import session_key
from outlive.entrypoints.http_api.app import create_app
from outlive.settings import load_settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import App, open_app

TENANT, TOKEN = "bench", "token-of-the-benchmark"
LONG = session_key(TENANT, "api", "long")
LONG_TURNS = 2500
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answered:
    """One kind of request."""

    what: str
    path: str
    ms: float
    cpu_ms: float
    first_ms: float
    kilobytes: float


def requests(sessions: int) -> Mapping[str, str]:
    """What is asked -> its path, for a store of so many sessions."""
    middle = key_of(TENANT, sessions // 2)
    one, long = quote(str(middle), safe=""), quote(str(LONG), safe="")
    return {
        "list: 50 sessions": "/v1/sessions",
        "list: 1,000 sessions": "/v1/sessions?limit=1000",
        "filter: of one chat": f"/v1/sessions?channel={middle.channel}&user={middle.chat_id}",
        "filter: text of one": f"/v1/sessions?text={middle.chat_id}",
        "filter: text of none": "/v1/sessions?text=no+such+words",
        "filter: running": "/v1/sessions?running=true",
        "filter: waiting for a person": "/v1/sessions?waiting=true",
        "open: the session": f"/v1/sessions/{one}",
        "open: its conversation": f"/v1/sessions/{one}/transcript",
        "open: its versions": f"/v1/sessions/{one}/versions",
        "open: one of 5,000 messages": f"/v1/sessions/{long}",
        "open: its conversation, 5,000 messages": f"/v1/sessions/{long}/transcript",
        "open: its first page, 5,000 messages": f"/v1/sessions/{long}/messages?before=21",
        "approvals": "/v1/approvals",
        "queue": "/v1/queue",
        "statistics": "/v1/stats",
        "usage by session, the 50 dearest": "/v1/usage?by=session&limit=50",
        "usage of 60 days": "/v1/usage?by=day&days=60",
        "audit": "/v1/audit",
    }


async def measure_console(
    folder: Path, sessions: int, turns: int, rounds: int, say: Say
) -> tuple[float, list[Answered]]:
    """Seconds that the seeding took, and every request."""
    given = load_settings(data=folder / "data", workspaces=folder / "trees", tenant=TENANT)
    async with open_app(given, agent=InstantAgent()) as app:
        began = time.perf_counter()
        await _fill(app, sessions, turns, say)
        took = time.perf_counter() - began
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(create_app(app, token=TOKEN))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://bench", headers=headers, timeout=900
        ) as http:
            asked = requests(sessions).items()
            return took, [await _answered(http, what, path, rounds, say) for what, path in asked]


async def _fill(app: App, sessions: int, turns: int, say: Say) -> None:
    stores = app.engine.stores(LONG.tenant)
    if await stores.table.scan("head/", limit=1):
        say("the sessions are there already")
        return
    say(f"{sessions:,} sessions, {sessions * turns * 2:,} messages")
    await seed_session(app.engine, LONG, sessions, LONG_TURNS)
    await seed(app.engine, TENANT, sessions, turns)


async def _answered(http: httpx.AsyncClient, what: str, path: str, rounds: int, say: Say) -> Answered:
    say(what)
    wall, cpu, size = [], [], 0
    for _ in range(rounds + 1):
        began, used = time.perf_counter(), time.process_time()
        response = await http.get(path)
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - used) * 1000)
        response.raise_for_status()
        size = len(response.content)
    return Answered(what, path, statistics.median(wall[1:]), statistics.median(cpu[1:]), wall[0], size / 1024)


def table(rows: list[Answered]) -> str:
    """One line for each kind of request."""
    head = f"{'request':<42} {'ms':>7} {'cpu ms':>7} {'first ms':>9} {'KB':>7}"
    lines = (f"{r.what:<42} {r.ms:>7.0f} {r.cpu_ms:>7.0f} {r.first_ms:>9.0f} {r.kilobytes:>7.0f}" for r in rows)
    return "\n".join([head, *lines])
