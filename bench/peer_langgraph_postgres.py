"""LangGraph's PostgreSQL saver as a contestant: the graph of `peer_langgraph`, on a server."""

from __future__ import annotations

import os
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

from langgraph.checkpoint.postgres import PostgresSaver

from bench.peer_langgraph import LangGraph


class LangGraphPostgres(LangGraph):
    """A thread for each session of the contest, default durability."""

    async def open(self, folder: Path) -> None:
        self._stack = ExitStack()
        saver = self._stack.enter_context(PostgresSaver.from_conn_string(os.environ["BENCH_POSTGRES"]))
        saver.setup()
        self._thread = blake2b(str(folder).encode(), digest_size=8).hexdigest()
        self._graph = self._compiled(saver)


CONTESTANT = LangGraphPostgres
