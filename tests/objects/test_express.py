"""S3 Express One Zone: the contract on a stand-in that keeps to what AWS documents of directory buckets.

Reached as the real one is, by its zone's own name over TLS, through a proxy that is the stand-in itself.
"""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from outlive.core.buckets import express_zone
from outlive.objects.objects import UrlObjects
from outlive.protocols import Objects
from outlive.testing.clock import ManualClock
from outlive.testing.objects import ObjectsSuite
from tests.objects.conftest import S3, Handler

BUCKET = "outlive--use1-az4--x-s3"
HOST = f"{BUCKET}.s3express-use1-az4.us-east-1.amazonaws.com"
SESSION = (
    "<CreateSessionResult><Credentials><SessionToken>session-token</SessionToken><SecretAccessKey>s</SecretAccessKey>"
    "<AccessKeyId>SESSIONKEY</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
    "</CreateSessionResult>"
)


class DirectoryBucket(S3):
    """Lists in no order, begins nowhere but at the beginning, and knows folders only."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.RequestHandlerClass = Express
        self.context = context
        self.hosts: set[str] = set()
        self.sessions = 0

    @property
    def options(self) -> dict[str, Any]:
        """What `UrlObjects.open` needs beside the bucket's name."""
        proxy = {"proxy_url": f"http://127.0.0.1:{self.server_port}", "allow_invalid_certificates": True}
        keys = {"access_key_id": "OWNKEY", "secret_access_key": "test", "region": "us-east-1"}
        return {**keys, "client_options": proxy, "retry_config": {"max_retries": 0}}


class Express(Handler):
    server: DirectoryBucket

    def do_CONNECT(self) -> None:  # noqa: N802 - the name it has there
        self.server.hosts.add(self.path.partition(":")[0])
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        self.wfile.flush()
        self.request = self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def absent(self) -> bool:
        signed = self.headers["Authorization"]
        if "session" in self.query:
            assert "Credential=OWNKEY/" in signed
            assert "/us-east-1/s3/aws4_request" in signed  # as obstore signs it; AWS itself has not been asked
            self.server.sessions += 1
            self.answer(200, SESSION.encode())
        elif "Credential=SESSIONKEY/" not in signed or self.headers["x-amz-s3session-token"] != "session-token":
            self.error(403, "AccessDenied")
        elif "start-after" in self.query or not self.query.get("prefix", ["/"])[0].endswith("/"):
            self.error(400, "InvalidRequest")
        else:
            return super().absent()
        return True

    def listing(self, keys: list[str]) -> bytes:
        return super().listing(sorted(keys, key=lambda key: key[::-1]))


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """TLS with a certificate of its own."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    pem = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture(scope="module")
def server(context: ssl.SSLContext) -> Iterator[DirectoryBucket]:
    """The bucket, for all tests here."""
    server = DirectoryBucket(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def express(server: DirectoryBucket) -> DirectoryBucket:
    """The bucket, empty."""
    server.objects.clear()
    server.requests.clear()
    server.hosts.clear()
    server.sessions, server.missing = 0, False
    return server


class TestExpressObjects(ObjectsSuite):
    """In a directory bucket, below a prefix."""

    @pytest.fixture(autouse=True)
    def running(self, express: DirectoryBucket) -> None:
        self.express = express

    async def connect(self, place: Path) -> Objects:
        return await UrlObjects.open(f"s3://{BUCKET}/some/prefix", clock=ManualClock(), options=self.express.options)

    async def sever(self, objects: Objects) -> None:
        self.express.missing = True


async def test_a_session_is_opened_once_at_the_zones_own_address(express: DirectoryBucket) -> None:
    """All requests go to the zone's address of the bucket, under one session's credentials, a create in one request."""
    objects = await UrlObjects.open(f"s3://{BUCKET}", clock=ManualClock(), options=express.options)
    for key in ("a/2", "a/1", "b/1"):
        await objects.put(key, b"data")
    assert [info.key for info in await objects.list("a/", after="a/1")] == ["a/2"]
    assert (express.hosts, express.sessions) == ({HOST}, 1)
    assert express.requests.count("PUT /a/1") == 1


@pytest.mark.parametrize(("name", "zone"), [(BUCKET, "use1-az4"), ("outlive", ""), ("a--x-s3", ""), ("a--b", "")])
def test_the_name_tells_the_kind(name: str, zone: str) -> None:
    """Only a directory bucket's full name names a zone."""
    assert express_zone(name) == zone
