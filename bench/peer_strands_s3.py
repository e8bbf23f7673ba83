"""Strands `S3SessionManager` as a contestant: the Agent of `peer_strands`, one object per message."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]
from strands.session.s3_session_manager import S3SessionManager

from bench.peer_strands import StrandsFiles

SESSION = boto3.Session()
"""A process has one: it keeps what a client is made from."""


class StrandsS3(StrandsFiles):
    """One JSON object per message, and the agent's object written over at each sync."""

    def manager(self, folder: Path) -> Any:
        """The library's store for this folder's session."""
        name = blake2b(str(folder).encode(), digest_size=8).hexdigest()
        return S3SessionManager(name, "strands", boto_session=SESSION, endpoint_url=os.environ["BENCH_S3"])


CONTESTANT = StrandsS3
