"""OpenAI Agents `RedisSession` as a contestant: the three session calls its Runner makes in each turn."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from agents.extensions.memory import RedisSession

from bench.peer_openai import OpenAISession


class OpenAIRedis(OpenAISession):
    """One list in Redis."""

    async def open(self, folder: Path) -> None:
        name = blake2b(str(folder).encode(), digest_size=8).hexdigest()
        self._server = RedisSession.from_url(name, url=os.environ["BENCH_REDIS"])
        self._session = self._server

    async def close(self) -> None:
        await self._server.close()


CONTESTANT = OpenAIRedis
