"""A small S3 on loopback: enough of its protocol for obstore, with faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest

MODIFIED = "Sun, 15 Jun 2025 12:00:00 GMT"


class S3(ThreadingHTTPServer):
    """One bucket in memory, `bucket`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.requests: list[str] = []
        """`METHOD /path` of each, in order."""
        self.faults: list[str] = []
        """What the next puts meet: `409`, `500` or `lost` (stored, and the connection dropped)."""
        self.missing = False
        """Whether the bucket does not exist."""

    @property
    def options(self) -> dict[str, Any]:
        """What `UrlObjects.open` needs to find it."""
        return {
            "endpoint": f"http://127.0.0.1:{self.server_port}",
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
            "client_options": {"allow_http": True},
            "retry_config": {"max_retries": 0},
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: S3

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing is logged."""

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            parts = urlsplit(self.path)
            self.key = unquote(parts.path).removeprefix("/bucket").removeprefix("/")
            self.query = parse_qs(parts.query, keep_blank_values=True)
            self.server.requests.append(f"{self.command} {parts.path}")
        return parsed

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Last-Modified": MODIFIED, "ETag": '"e"', **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def absent(self) -> bool:
        if self.server.missing:
            self.error(404, "NoSuchBucket")
        elif self.command in ("GET", "HEAD") and self.key and self.key not in self.server.objects:
            self.error(404, "NoSuchKey")
        else:
            return False
        return True

    def do_PUT(self) -> None:
        data = self.body()
        with self.server.lock:
            fault = self.server.faults.pop(0) if self.server.faults else ""
            taken = self.headers.get("If-None-Match") == "*" and self.key in self.server.objects
            if fault == "lost" or not (fault or taken or self.server.missing):
                self.server.objects[self.key] = data
        if fault == "lost":
            self.close_connection = True
        elif fault:
            self.error(int(fault), "ConditionalRequestConflict" if fault == "409" else "InternalError")
        elif taken:
            self.error(412, "PreconditionFailed")
        elif not self.absent():
            self.answer(200)

    def do_HEAD(self) -> None:
        if not self.absent():
            self.answer(200, self.server.objects[self.key])

    def do_GET(self) -> None:
        if self.absent():
            return
        if self.key:
            self.answer(200, self.server.objects[self.key])
            return
        prefix, after = self.query.get("prefix", [""])[0], self.query.get("start-after", [""])[0]
        keys = sorted(key for key in self.server.objects if key.startswith(prefix) and key > after)
        self.answer(200, self.listing(keys))

    def listing(self, keys: list[str]) -> bytes:
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[key])}</Size>"
            "<LastModified>2025-06-15T12:00:00.000Z</LastModified><ETag>e</ETag></Contents>"
            for key in keys
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()

    def do_POST(self) -> None:
        names = [e.text or "" for e in ET.fromstring(self.body()).iter() if e.tag.endswith("Key")]
        if self.absent():
            return
        for name in names:
            self.server.objects.pop(name, None)
        deleted = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
        self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())


@pytest.fixture
def s3() -> Iterator[S3]:
    server = S3()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
