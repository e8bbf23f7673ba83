"""The servers of a run on this machine, from packages, named in the environment for as long as the run lasts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
AWS |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true", "AWS_EC2_METADATA_DISABLED": "true"}
TABLES = {"outlive": ("pk", "sk"), "langgraph": ("PK", "SK")}
BUCKETS = ("outlive", "strands", "claude", "langgraph")


@contextmanager
def servers(scenarios: Sequence[str]) -> Iterator[None]:
    """Start what these scenarios need, and stop it."""
    started = {"redis": (_redis, _postgres), "postgres": (_postgres,), "aws": (_aws,)}
    wanted = {start for scenario in scenarios for start in started.get(scenario, ())}
    with ExitStack() as stack:
        for start in wanted:
            start(stack)
        yield


def _packages() -> Any:
    return import_module("tests.servers")  # not type-checked with us: the packages it starts have no types


def _redis(stack: ExitStack) -> None:
    server = _packages().RedisServer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
    server.start()
    stack.callback(server.close)
    os.environ["BENCH_REDIS"] = server.url


def _postgres(stack: ExitStack) -> None:
    server = _packages().PostgresServer()
    stack.callback(server.close)
    os.environ["BENCH_POSTGRES"] = server.url


def _aws(stack: ExitStack) -> None:  # noqa: ARG001 - both end with this process
    s3, dynamodb = _packages().seaweed_s3(), _packages().local_aws()
    os.environ |= AWS | {"BENCH_S3": s3, "BENCH_DYNAMODB": dynamodb}
    for bucket in BUCKETS:
        _packages().s3_request("PUT", f"{s3}/{bucket}")
    boto3 = import_module("boto3")
    client = boto3.client("dynamodb", endpoint_url=dynamodb)
    for name, keys in TABLES.items():
        _make_table(client.create_table, name, keys)


def _make_table(create: Callable[..., object], name: str, keys: Sequence[str]) -> None:
    create(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
