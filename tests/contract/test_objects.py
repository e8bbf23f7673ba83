"""Every object store keeps the contract, and so do the wrappers around one."""

from __future__ import annotations

import sys
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from outlive.clock import SystemClock
from outlive.encryption.objects import EncryptedObjects
from outlive.memory.objects import MemoryObjects
from outlive.memory.server import MemoryServer
from outlive.objects.objects import UrlObjects
from outlive.postgres.objects import PostgresObjects
from outlive.protocols import Objects
from outlive.testing.clock import ManualClock
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.objects import ObjectsSuite
from tests.encryption.places import Vault
from tests.servers import PostgresPlace, local_aws, s3_request, seaweed_s3

FOLDER_LACKS = {
    "keys below keys": "a name in a folder is either a file or a folder",
    "long segments": "a file's name holds 255 bytes",
}
SEAWEED_LACKS = {
    "long segments": "a name in its folders holds 255 bytes",
    "order of whole keys": "it lists folder by folder, so 'a/b' comes before 'a-b'",
}
if sys.platform != "linux":
    FOLDER_LACKS["case"] = "file systems of this platform usually ignore case"


class TestMemoryObjects(ObjectsSuite):
    """In memory."""

    @cached_property
    def server(self) -> MemoryServer:
        """What all handles of one test share."""
        return MemoryServer()

    async def connect(self, place: Path) -> Objects:
        return MemoryObjects(self.server, clock=ManualClock())

    async def sever(self, objects: Objects) -> None:
        self.server.failure = ConnectionResetError("down")


class TestFaultyObjects(TestMemoryObjects):
    """Under a plan without faults."""

    async def connect(self, place: Path) -> Objects:
        return faulty(MemoryObjects(self.server, clock=ManualClock()), Plan(), "objects")


class TestCountingObjects(TestMemoryObjects):
    """Counted."""

    async def connect(self, place: Path) -> Objects:
        return counting(MemoryObjects(self.server, clock=ManualClock()), Counts(), "objects")


class TestEncryptedObjects(TestMemoryObjects):
    """Sealed; each handle has the keys by itself, as another worker would."""

    async def connect(self, place: Path) -> Objects:
        return EncryptedObjects(MemoryObjects(self.server, clock=ManualClock()), self.vault(place).ring())

    def vault(self, place: Path) -> Vault:
        """The keys of that place."""
        if not hasattr(self, "kept"):
            self.kept = Vault(place.parent / "keys")
        return self.kept


class TestFolderObjects(ObjectsSuite):
    """In a local folder."""

    lacks = FOLDER_LACKS

    async def connect(self, place: Path) -> Objects:
        self.folder = place
        return await UrlObjects.open(place.as_uri(), clock=ManualClock())

    async def sever(self, objects: Objects) -> None:
        self.folder.rename(self.folder.with_suffix(".elsewhere"))
        self.folder.mkdir()


class TestPostgresObjects(ObjectsSuite):
    """In a PostgreSQL database; the second handle has connections of its own, as another host would."""

    async def connect(self, place: Path) -> Objects:
        self.place = PostgresPlace(place)
        return PostgresObjects(self.place.url, SystemClock(), wait_seconds=2)

    async def sever(self, objects: Objects) -> None:
        self.place.lock_out()


class TestMinistackObjects(ObjectsSuite):
    """In a bucket of a local AWS; the second handle is another client."""

    async def connect(self, place: Path) -> Objects:
        return await self.bucket(local_aws(), place)

    async def sever(self, objects: Objects) -> None:
        for key in [info.key for info in await objects.list("")]:
            await objects.delete([key])
        s3_request("DELETE", self.address)

    async def bucket(self, endpoint: str, place: Path) -> Objects:
        """The bucket of that place, made if it is not there; a key may lie below a prefix of the bucket's."""
        name = "b" + blake2b(str(place).encode(), digest_size=8).hexdigest()
        self.address = f"{endpoint}/{name}"
        s3_request("PUT", self.address)
        options = {
            "endpoint": endpoint,
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
            "client_options": {"allow_http": True},
            "retry_config": {"max_retries": 1},
        }
        return await UrlObjects.open(f"s3://{name}/{self.prefix}", clock=SystemClock(), options=options)

    prefix = ""


class TestSeaweedObjects(TestMinistackObjects):
    """In a bucket of SeaweedFS, an S3 server that people run themselves, under a prefix."""

    prefix = "outlive/v1"
    lacks = SEAWEED_LACKS

    async def connect(self, place: Path) -> Objects:
        return await self.bucket(seaweed_s3(), place)
