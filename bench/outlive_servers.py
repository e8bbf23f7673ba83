"""outlive on servers as a contestant: its table in PostgreSQL, its packs in a local folder, with and without Redis."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from bench.outlive_session import OutliveEmbedded
from outlive.settings import Settings, load_settings


def own_name(folder: Path) -> str:
    """A name for this folder's session on a server that others use, too."""
    return "b" + blake2b(str(folder).encode(), digest_size=8).hexdigest()


class OutlivePostgres(OutliveEmbedded):
    """Table in PostgreSQL, a schema for each session of the contest; a hot tier where the class says so."""

    def hot(self) -> str:
        """The hot tier's URL; empty: none."""
        return ""

    def settings(self, folder: Path) -> Settings:
        """Where everything lies."""
        url = f"{os.environ['BENCH_POSTGRES']}&schema={own_name(folder)}"
        return load_settings(data=folder, workspaces=self._machine, table=url, queue=url, hot=self.hot())


CONTESTANT = OutlivePostgres
