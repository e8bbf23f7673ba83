"""OpenAI Agents `SQLAlchemySession` on PostgreSQL as a contestant."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from agents.extensions.memory import SQLAlchemySession

from bench.peer_openai import OpenAISession


class OpenAIPostgres(OpenAISession):
    """Two tables in one database, asyncpg's driver; the engine is part of the handle."""

    async def open(self, folder: Path) -> None:
        name = blake2b(str(folder).encode(), digest_size=8).hexdigest()
        url = os.environ["BENCH_POSTGRES"].replace("postgresql:", "postgresql+asyncpg:", 1)
        self._server = SQLAlchemySession.from_url(name, url=url, create_tables=True)
        self._session = self._server

    async def close(self) -> None:
        await self._server.engine.dispose()


CONTESTANT = OpenAIPostgres
