"""`python -m bench agent`: what a turn on the real CLI costs, cold and warm, beside the SDK alone.

The SDK alone keeps its sessions in its own memory store, which has each line it was ever given, as our packs do. The
model is the scripted one on this machine. Its own time, from a request to the end of the answer, is some 20 ms and in
every figure; compared is everything around it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    InMemorySessionStore,
    ResultMessage,
    project_key_for_directory,
    query,
)
from claude_agent_sdk.types import SessionStoreEntry
from pydantic import SecretStr

from outlive.agents.models import STAND_IN_KEY
from outlive.agents.options import TOOLS
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.turn.read_ledger import read_file
from outlive.settings import Settings, load_settings
from outlive.testing.scripted_model import ScriptedModel
from outlive.wiring import App, open_app

MODEL = "claude-sonnet-5-5"
KEY = "console:bench"
QUESTION = "What is my name?"
FILLER_BYTES = 190_000
"""Of one message that makes a transcript long; the transcript holds it about twice."""
NOT_MIRRORED = ("api-request",)
"""Lines the SDK never passes to a store: its own resume is spared them, ours brings them back."""
ROUTES = ("outlive, another host", "outlive, warm", "SDK, another host", "SDK, live client")


@dataclass(slots=True)
class Row:
    """One size of transcript: seconds of each turn, by route."""

    megabytes: float
    """All that was ever said: what the SDK's store holds, and our packs."""
    on_disk: float
    """Of it, what our turn on another host restores: all since the conversation's last compaction."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: {route: [] for route in ROUTES})

    def median(self, route: str) -> float:
        """The median turn."""
        return statistics.median(self.seconds[route])


@dataclass(frozen=True, slots=True)
class Conversation:
    """A transcript of the CLI's, with its session's id."""

    session_id: str
    lines: bytes


async def measure_turns(folder: Path, sizes: list[float], rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Grow one session through the sizes (MB of transcript, ascending); at each, let the routes take turns."""
    rows: list[Row] = []
    async with ScriptedModel() as model:
        settings = _settings(folder, model.url)
        await _tell(settings, "My name is Ada")
        for size in sizes:
            say(f"grow to {size:g} MB")
            await _grow(settings, size)
            row = Row(len(await _whole(settings)) / 1e6, 0.0)
            for number in range(rounds):
                say(f"{size:g} MB, round {number + 1} of {rounds}")
                await _outlive(settings, row)
                await _sdk(Conversation(_transcript(settings).stem, await _whole(settings)), folder, model.url, row)
            row.on_disk = _transcript(settings).stat().st_size / 1e6
            rows.append(row)
    return rows


def _settings(folder: Path, url: str) -> Settings:
    return load_settings(
        data=folder / "data",
        workspaces=folder / "host",
        model=MODEL,
        anthropic_api_key=SecretStr(STAND_IN_KEY),
        anthropic_base_url=url,
    )


def _transcript(settings: Settings) -> Path:
    assert settings.workspaces is not None
    (path,) = settings.workspaces.glob("*/config/projects/session/*.jsonl")
    return path


async def _whole(settings: Settings) -> bytes:
    """The transcript as it is stored; on disk there may be what follows its last compaction."""
    async with open_app(settings) as app:
        stores = app.engine.stores(app.settings.tenant)
        head = await find_head(app.engine, stores, await find_session(app.engine, stores, app.key(KEY)))
        path = f"config/projects/session/{head.agent_session_id}.jsonl"
        return await read_file(app.engine, stores, head, path) or b""


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


# ------------------------------------------------------------------------------------------- outlive


async def _tell(settings: Settings, text: str) -> None:
    async with open_app(settings) as app:
        await app.ask(KEY, text)


async def _grow(settings: Settings, megabytes: float) -> None:
    """Long messages until all that was said is as large; a warm process makes this quick."""
    left = len(await _whole(settings)) - _transcript(settings).stat().st_size
    async with open_app(settings) as app:
        number = 0
        while (missing := megabytes * 1e6 - left - _transcript(settings).stat().st_size) > 20_000:
            number += 1
            length = int(min(FILLER_BYTES, missing / 2))
            await app.ask(KEY, f"Note {number}: " + f"{number} of many words, ".ljust(24) * (length // 24))


async def _outlive(settings: Settings, row: Row) -> None:
    """On a host that has nothing, in an app that is open; then the next turn there."""
    assert settings.workspaces is not None
    shutil.rmtree(settings.workspaces)
    async with open_app(settings) as app:
        for route in ROUTES[:2]:
            row.seconds[route].append(await _timed(lambda: _ask(app)))


async def _ask(app: App) -> None:
    turn = await app.ask(KEY, QUESTION)
    assert "Ada" in turn.line.reply, turn.line.reply


# ----------------------------------------------------------------------------------------- the SDK alone


async def _sdk(said: Conversation, folder: Path, url: str, row: Row) -> None:
    """The same conversation from the SDK's memory store; then the next turn of a client that stays connected."""
    async with _place(folder) as place:
        options = await _options(said, place, url)
        row.seconds["SDK, another host"].append(await _timed(lambda: _query(options)))
    async with _place(folder) as place, ClaudeSDKClient(await _options(said, place, url)) as client:
        await _answer(client)
        row.seconds["SDK, live client"].append(await _timed(lambda: _answer(client)))


@asynccontextmanager
async def _place(folder: Path) -> AsyncIterator[Path]:
    place = Path(tempfile.mkdtemp(dir=folder, prefix="sdk-"))
    for name in ("work", "config", "home", "tmp"):
        (place / name).mkdir()
    try:
        yield place
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


async def _options(said: Conversation, place: Path, url: str) -> ClaudeAgentOptions:
    store = InMemorySessionStore()
    key = project_key_for_directory(place / "work")
    await store.append({"project_key": key, "session_id": said.session_id}, _entries(said.lines))
    return ClaudeAgentOptions(
        resume=said.session_id,
        session_store=store,
        cwd=place / "work",
        model=MODEL,
        tools=list(TOOLS),
        system_prompt="You are an assistant.",
        setting_sources=[],
        skills=[],
        max_buffer_size=256 << 20,
        env={
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": STAND_IN_KEY,
            "CLAUDE_CONFIG_DIR": str(place / "config"),
            "CLAUDE_CODE_TMPDIR": str(place / "tmp"),
            "HOME": str(place / "home"),
            "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        },
    )


def _entries(lines: bytes) -> list[SessionStoreEntry]:
    entries = [json.loads(line) for line in lines.splitlines()]
    return [cast("SessionStoreEntry", entry) for entry in entries if not entry["type"].startswith(NOT_MIRRORED)]


async def _query(options: ClaudeAgentOptions) -> None:
    _check([message async for message in query(prompt=QUESTION, options=options)])


async def _answer(client: ClaudeSDKClient) -> None:
    await client.query(QUESTION)
    _check([message async for message in client.receive_response()])


def _check(messages: list[Any]) -> None:
    answer = next(message.result for message in messages if isinstance(message, ResultMessage))
    assert "Ada" in (answer or ""), answer


# ----------------------------------------------------------------------------------------------- report


def table(rows: list[Row]) -> str:
    """Medians in seconds, and our turns as a share of the SDK's turn on another host."""
    names = "  ".join(f"{route:>22}" for route in ROUTES)
    head = f"{'MB':>6}  {'restored':>8}  {names}  {'cold share':>10}  {'warm share':>10}"
    return "\n".join([head, *map(_line, rows)])


def _line(row: Row) -> str:
    cold, warm, peer, _ = (row.median(route) for route in ROUTES)
    times = "  ".join(f"{row.median(route):>22.3f}" for route in ROUTES)
    return f"{row.megabytes:>6.1f}  {row.on_disk:>8.1f}  {times}  {cold / peer:>10.2f}  {warm / peer:>10.2f}"
