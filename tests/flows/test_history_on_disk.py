"""The flows around a session's history on the embedded stores: SQLite and a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from outlive.core.keys import SessionId
from outlive.core.sessions import Head
from outlive.flows.sessions.erase_many import erase_tenant
from outlive.flows.sessions.export_session import export_tenant
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.import_session import import_archive
from outlive.flows.sessions.list_versions import list_versions
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.turn.read_ledger import read_file
from outlive.settings import Settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import App, open_app


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    """An app whose agent answers at once, and that keeps three versions."""
    settings = Settings(data=tmp_path / "data", workspaces=tmp_path / "trees", keep_versions=3)
    async with open_app(settings, agent=InstantAgent()) as opened:
        yield opened


@pytest.fixture
async def session(app) -> SessionId:
    """A session of eight versions."""
    for number in range(1, 9):
        await app.ask("ada", f"write a.txt: {number}")
    return await find_session(app.engine, app.stores, app.key("ada"))


async def head_of(app: App, session: str) -> Head:
    """Its head."""
    return await find_head(app.engine, app.stores, SessionId(session))


async def content(app: App, session: str) -> bytes | None:
    """The file that its turns write."""
    return await read_file(app.engine, app.stores, await head_of(app, session), "work/a.txt")


async def test_a_session_can_be_rewound_forked_and_swept(app, session) -> None:
    """A rewind, a fork and a sweep on SQLite and a folder leave the versions they should."""
    await rewind_session(app.engine, app.stores, session, 6)
    forked = await fork_session(app.engine, app.stores, session, version=8)
    swept = await sweep_tenant(app.engine, app.stores)
    page = await list_versions(app.engine, app.stores, session)
    assert [(line.version, line.kind) for line in page.versions] == [(9, "rewind"), (8, "commit"), (7, "commit")]
    assert (await content(app, session), await content(app, forked.session_id)) == (b"6", b"8")
    assert (swept.sessions, swept.removed > 0, swept.damaged) == (2, True, [])


async def test_a_tenant_can_be_erased_and_brought_back(app, session, tmp_path) -> None:
    """After an export and an erase nothing is left on the disk, and an import brings the session back."""
    await export_tenant(app.engine, app.stores, tmp_path / "all.tar.zst")
    receipt = await erase_tenant(app.engine, app.stores)
    left = [path for path in (tmp_path / "data/objects").rglob("*") if path.is_file()]
    assert (receipt.complete, left) == (True, [])
    (made,) = await import_archive(app.engine, app.stores, tmp_path / "all.tar.zst")
    assert await content(app, made.session_id) == b"8"
    assert (await app.ask("ada", "and on")).line.turn == 9


async def test_a_policy_decides_how_far_history_reaches(app, session) -> None:
    """The retention is the settings', on every backend."""
    kept = [len((await list_versions(_keeping(app, keep), app.stores, session)).versions) for keep in (1, 3, 50)]
    assert kept == [1, 3, 8]


def _keeping(app: App, versions: int):
    return replace(app.engine, policy=replace(app.engine.policy, keep_versions=versions))
