"""LangGraph's DynamoDB saver as a contestant: the graph of `peer_langgraph`, what is large in S3."""

from __future__ import annotations

import os
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

import boto3  # type: ignore[import-untyped, unused-ignore]
from langgraph_checkpoint_aws import DynamoDBSaver

from bench.peer_langgraph import LangGraph

SESSION = boto3.Session()
"""A process has one: it keeps what a client is made from."""


class LangGraphDynamoDB(LangGraph):
    """A thread for each session of the contest, default durability; above 350 KB it offloads to S3."""

    async def open(self, folder: Path) -> None:
        self._stack = ExitStack()
        saver = DynamoDBSaver(
            "langgraph",
            session=SESSION,
            endpoint_url=os.environ["BENCH_DYNAMODB"],
            s3_offload_config={"bucket_name": "langgraph", "endpoint_url": os.environ["BENCH_S3"]},
        )
        self._thread = blake2b(str(folder).encode(), digest_size=8).hexdigest()
        self._graph = self._compiled(saver)


CONTESTANT = LangGraphDynamoDB
