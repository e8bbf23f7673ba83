"""Google ADK `DatabaseSessionService` on PostgreSQL as a contestant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from google.adk.sessions import DatabaseSessionService

from bench.peer_adk import GoogleAdk


class GoogleAdkPostgres(GoogleAdk):
    """One database, asyncpg's driver, a session for each of the contest."""

    def service(self, folder: Path) -> Any:  # noqa: ARG002 (the file has it)
        """Where sessions are kept."""
        return DatabaseSessionService(os.environ["BENCH_POSTGRES"].replace("postgresql:", "postgresql+asyncpg:", 1))

    async def close(self) -> None:
        """The pool's connections."""
        await self._service.close()


CONTESTANT = GoogleAdkPostgres
