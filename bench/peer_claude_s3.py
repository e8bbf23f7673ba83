"""A session store for the Claude SDK in the layout of its S3 example, as a contestant: one object per append.

The example is no part of the package: this is a store of the same layout with the same client library. Parts are named
by the writer's clock and a random number; a load lists them and gets each of them, 16 at a time.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config

from bench.contest import History
from bench.workload import Message, Turn

PARALLEL = 16
BUCKET = "claude"
SESSION = boto3.Session()
"""A process has one: it keeps what a client is made from."""


class ClaudeS3:
    """One append per turn; the CLI as it is makes two."""

    async def open(self, folder: Path) -> None:
        config = Config(max_pool_connections=PARALLEL)
        self._client: Any = SESSION.client("s3", endpoint_url=os.environ["BENCH_S3"], config=config)
        self._threads = ThreadPoolExecutor(PARALLEL)
        self._prefix = blake2b(str(folder).encode(), digest_size=8).hexdigest() + "/session/"
        self._made = 0

    async def seed(self, turns: list[Turn]) -> None:
        list(self._threads.map(self._append, turns))

    async def append_turn(self, user: Message, assistant: Message) -> None:
        self._append(Turn(user, assistant))

    async def resume(self) -> History:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self._prefix)
        keys = sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))
        parts = self._threads.map(self._read, keys)
        entries = [json.loads(line) for part in parts for line in part.splitlines()]
        return History.of(entry["message"]["content"] for entry in entries)

    async def forget(self) -> None:
        """Each `resume` asks the store for everything."""

    async def close(self) -> None:
        self._threads.shutdown()
        self._client.close()

    def _append(self, turn: Turn) -> None:
        name = f"part-{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(4)}.jsonl"
        body = "".join(json.dumps(_entry(message)) + "\n" for message in turn).encode()
        self._client.put_object(Bucket=BUCKET, Key=self._prefix + name, Body=body, ContentType="application/x-ndjson")

    def _read(self, key: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body


def _entry(message: Message) -> dict[str, Any]:
    said = {"role": message.role, "content": message.text}
    return {"type": message.role, "uuid": message.id, "sessionId": "bench", "message": said}


CONTESTANT = ClaudeS3
