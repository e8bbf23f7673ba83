"""Many sessions with many messages, written through the engine's own flows, for measurements of what reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from outlive.core.keys import SessionId, SessionKey, message_digest, session_key
from outlive.core.ledger import LedgerLine, encode_line
from outlive.core.manifests import APPEND
from outlive.core.sessions import ANSWERED_WINDOW, Answered, Head, Summary
from outlive.flows.engine import Engine
from outlive.flows.sessions.create_session import create_from_files
from outlive.flows.sessions.import_claude import PROJECT
from outlive.flows.sessions.write_tree import NewFile

CHANNELS = ("telegram", "slack", "api", "wechat")
PAUSE = 60.0
"""Seconds between turns."""
AT_ONCE = 16
WORDS = "the invoice of last month was paid twice and the customer asks for one of the two amounts back"


def key_of(tenant: str, number: int) -> SessionKey:
    """Of the session of this number."""
    return session_key(tenant, CHANNELS[number % len(CHANNELS)], f"chat{number:06}")


async def seed(engine: Engine, tenant: str, sessions: int, turns: int) -> list[SessionId]:
    """So many sessions of so many turns each, two messages a turn; their ids by their numbers."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> SessionId:
        async with limit:
            return await seed_session(engine, key_of(tenant, number), number, turns)

    return list(await asyncio.gather(*map(one, range(sessions))))


async def seed_session(engine: Engine, key: SessionKey, number: int, turns: int) -> SessionId:
    """One session: its ledger and its transcript as if each turn had been run, in one pack."""
    agent_session = f"{number:08x}-0000-4000-8000-000000000000"
    began = engine.clock.now() - turns * PAUSE - number
    lines = [_line(key, agent_session, turn, began + turn * PAUSE) for turn in range(1, turns + 1)]
    rows = [encode_line(line) for line in lines]
    transcript = b"".join(entry for line in lines for entry in _entries(line))
    head = _head(engine, key, agent_session, lines, rows)
    files = {
        "ledger.jsonl": NewFile(APPEND, 0o600, b"".join(rows)),
        f"{PROJECT}/{agent_session}.jsonl": NewFile(APPEND, 0o600, transcript),
    }
    stores = engine.stores(key.tenant)
    return (await create_from_files(engine, stores, [key], head, files, source=agent_session)).session_id


def _line(key: SessionKey, agent_session: str, turn: int, at: float) -> LedgerLine:
    text = f"Question {turn} of {key.chat_id}: {WORDS}?"
    reply = f"Answer {turn}: {WORDS}, {turn * 7919 % 9973}, and that is **booked**. " * 4
    return LedgerLine(
        turn, turn, at, f"{key.chat_id}-{turn}", str(key), key.chat_id, text, reply, agent_session, "end_turn",
        is_error=False, usd=0.004, input_tokens=900, output_tokens=240, cache_read_tokens=21_000,
        cache_write_tokens=300, fence=turn, worker="seed", agent_turns=1, seconds=3.5,
    )  # fmt: skip


def _entries(line: LedgerLine) -> Iterator[bytes]:
    stamp = datetime.fromtimestamp(line.at - 1, UTC).isoformat()
    for role, text in (("user", line.text), ("assistant", line.reply)):
        uuid = f"{line.agent_session_id}-{line.turn}-{role}"
        parent = None if line.turn == 1 and role == "user" else uuid
        content = text if role == "user" else [{"type": "text", "text": text}]
        fields = {"type": role, "uuid": uuid, "parentUuid": parent, "sessionId": line.agent_session_id,
                  "timestamp": stamp, "message": {"role": role, "content": content}}  # fmt: skip
        yield json.dumps(fields).encode() + b"\n"


def _head(engine: Engine, key: SessionKey, agent_session: str, lines: list[LedgerLine], rows: list[bytes]) -> Head:
    summary = Summary(lines[0].text[:80], len(lines), 0.004 * len(lines), 900 * len(lines), 240 * len(lines),
                      21_000 * len(lines), 300 * len(lines), len(lines), 3.5 * len(lines))  # fmt: skip
    offsets = [sum(map(len, rows[:n])) for n in range(max(len(rows) - ANSWERED_WINDOW, 0), len(rows))]
    window = tuple(
        Answered(message_digest(line.message_id), line.turn, offset, int(line.at))
        for line, offset in zip(lines[-ANSWERED_WINDOW:], offsets, strict=True)
    )
    head = Head(SessionId(engine.new_id()), str(key), lines[0].at, lines[-1].at, agent_session_id=agent_session)
    size = sum(map(len, rows))
    return replace(head, ledger_size=size, answered=window, summary=summary, region=engine.policy.region)
