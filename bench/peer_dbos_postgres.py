"""DBOS on PostgreSQL as a contestant."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from bench.peer_dbos import Dbos


class DbosPostgres(Dbos):
    """A schema for each session of the contest."""

    def place(self, folder: Path) -> dict[str, str]:
        """Where workflows are kept."""
        name = "d" + blake2b(str(folder).encode(), digest_size=8).hexdigest()
        return {"system_database_url": os.environ["BENCH_POSTGRES"], "dbos_system_schema": name}


CONTESTANT = DbosPostgres
