"""outlive with a hot tier as a contestant: table in PostgreSQL, copies of the packs in Redis."""

from __future__ import annotations

import os

from bench.outlive_servers import OutlivePostgres


class OutliveHot(OutlivePostgres):
    """What a turn has put is in Redis for 15 minutes; a resume asks the folder for nothing."""

    def hot(self) -> str:
        """The hot tier's URL."""
        return os.environ["BENCH_REDIS"]


CONTESTANT = OutliveHot
