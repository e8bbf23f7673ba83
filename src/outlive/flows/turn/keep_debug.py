"""The CLI's debug log, kept beside the session: stored after each turn, shown on demand, never restored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from outlive.core.keys import SessionId
from outlive.errors import Corrupt, Invalid, NotFound, OutliveError
from outlive.flows.engine import Engine
from outlive.flows.list_all import list_all
from outlive.flows.retry import put_once, retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.trace import Trace
from outlive.flows.turn.hold_lease import Lease
from outlive.protocols import ObjectInfo

FILE = "config/debug.log"
"""Below the session's root while the turn runs: a place the agent may write to, and no kept part of the tree."""
MOST_BYTES = 32 << 20
"""Of a log, its end is kept."""


@dataclass(frozen=True, slots=True)
class DebugLog:
    """The log of one attempt at a turn."""

    turn: int
    attempt: int
    """The fencing token of its lease: of several attempts at a turn the highest is the last one."""
    size: int
    """As stored, compressed."""
    key: str


def debug_prefix(session_id: SessionId) -> str:
    """Where a session's debug logs lie, below the tenant's own prefix."""
    return f"sessions/{session_id}/debug/"


@asynccontextmanager
async def debug_kept(
    engine: Engine, stores: TenantStores, lease: Lease, root: Path, trace: Trace
) -> AsyncIterator[Path | None]:
    """The file the agent shall log into while the block runs, stored at its end, failed turns included.

    None, and no request, without the setting. A log that cannot be stored fails no turn: the trace says so.
    """
    if not engine.policy.debug:
        yield None
        return
    path = root / FILE
    await asyncio.to_thread(path.unlink, missing_ok=True)
    try:
        yield path
    finally:
        with trace.step("debug") as step:
            step.found = await asyncio.shield(_store(engine, stores, lease, path))


async def _store(engine: Engine, stores: TenantStores, lease: Lease, path: Path) -> str:
    try:
        log = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        return "nothing was logged"
    packed = await asyncio.to_thread(zstandard.ZstdCompressor().compress, log[-MOST_BYTES:])
    key = f"{debug_prefix(lease.head.session_id)}{lease.head.summary.turns + 1:08d}-{lease.fence:08d}.log.zst"
    try:
        await put_once(stores.objects, key, packed, engine.clock)
    except OutliveError as error:
        return f"not stored: {error.message}"
    await asyncio.to_thread(path.unlink)
    return f"{len(log):,} bytes"


async def list_debug(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[DebugLog]:
    """The session's debug logs, in order of turns and attempts."""
    return [_log(info) for info in await debug_objects(engine, stores, session_id)]


async def debug_objects(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[ObjectInfo]:
    """The objects they lie in."""
    return await list_all(stores.objects, debug_prefix(session_id), engine.clock)


async def read_debug(
    engine: Engine, stores: TenantStores, session_id: SessionId, turn: int | None = None
) -> tuple[DebugLog, bytes]:
    """The last attempt's log of a turn, by default of the newest one that has a log; `NotFound` without one."""
    logs = [log for log in await list_debug(engine, stores, session_id) if turn in (None, log.turn)]
    if not logs:
        raise NotFound(
            f"session {session_id} has no debug log{'' if turn is None else f' of turn {turn}'}.",
            fix="Set OUTLIVE_DEBUG=true where the worker runs, then send a message.",
        )
    content = await retrying(lambda: stores.objects.get(logs[-1].key), engine.clock)
    try:
        return logs[-1], await asyncio.to_thread(zstandard.ZstdDecompressor().decompress, content)
    except zstandard.ZstdError as error:
        raise Corrupt(f"debug log {logs[-1].key} cannot be read.", fix="Take the log of another turn.") from error


def _log(info: ObjectInfo) -> DebugLog:
    try:
        turn, attempt = info.key.rsplit("/", 1)[-1].split(".")[0].split("-")
        return DebugLog(int(turn), int(attempt), info.size, info.key)
    except ValueError as error:
        raise Invalid(f"{info.key} is no debug log.", fix="Remove the object; outlive did not write it.") from error
