"""The stores that chaos is run on: started, described by settings, and broken in the ways each of them can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from tests.chaos.proxy import Proxy
from tests.servers import PostgresServer, RedisServer, free_port, local_aws, s3_request, seaweed_s3

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
KEYS["AWS_DEFAULT_REGION"] = KEYS["AWS_REGION"]


@dataclass
class Family:
    """Stores under chaos."""

    settings: Mapping[str, str]
    """Of the environment."""
    proxies: list[Proxy] = field(default_factory=list)
    restarts: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """By a server's name: kill it and start it again."""
    fills: bool = False
    """Whether its workers write files that a full disk can refuse."""
    closing: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """End what was started."""
        for close in [*(proxy.close for proxy in self.proxies), *self.closing]:
            close()


def sqlite(base: Path) -> Family:
    """Everything in files."""
    return Family({"OUTLIVE_DATA": str(base / "data")}, fills=True)


def servers(base: Path) -> Family:
    """Table and queue in PostgreSQL, a hot tier in Redis, objects in a folder; both servers behind proxies."""
    postgres, redis = PostgresServer(), RedisServer(base / "redis")
    redis.start()
    to_postgres = Proxy(f"{postgres.url.partition('host=')[2]}/.s.PGSQL.5432")
    to_redis = Proxy(redis.url.removeprefix("unix://"))
    url = f"postgresql://postgres:@127.0.0.1:{to_postgres.port}/postgres"
    settings = {"OUTLIVE_DATA": str(base / "data"), "OUTLIVE_TABLE": url, "OUTLIVE_QUEUE": url}
    settings |= {"OUTLIVE_HOT": f"redis://127.0.0.1:{to_redis.port}/0"}

    def again(server: PostgresServer | RedisServer) -> Callable[[], None]:
        def restart() -> None:
            server.kill()
            for proxy in (to_postgres, to_redis):
                proxy.reset()  # as the host going down does: backends of before must not linger
            for tries_left in range(9, -1, -1):
                try:
                    server.start()
                    break
                except AssertionError:
                    if not tries_left:
                        raise

        return restart

    restarts = {"PostgreSQL": again(postgres), "Redis": again(redis)}
    return Family(settings, [to_postgres, to_redis], restarts, closing=[postgres.close, redis.close])


def aws(base: Path) -> Family:
    """Table and queue on a local AWS, objects on an S3 server; both behind proxies."""
    os.environ.update(KEYS)
    name = f"chaos{free_port()}"
    _create(name)
    to_aws, to_s3 = (Proxy(urlsplit(url).netloc) for url in (local_aws(), seaweed_s3()))
    endpoint = f"region=us-east-1&endpoint=http://127.0.0.1:{to_aws.port}"
    settings = KEYS | {"OUTLIVE_DATA": str(base / "data"), "OUTLIVE_TABLE": f"dynamodb://{name}?{endpoint}"}
    settings |= {"OUTLIVE_QUEUE": f"sqs://{name}.fifo?{endpoint}", "OUTLIVE_OBJECTS": f"s3://{name}"}
    settings |= {"AWS_ENDPOINT": f"http://127.0.0.1:{to_s3.port}", "AWS_ALLOW_HTTP": "true"}
    return Family(settings, [to_aws, to_s3])


def _create(name: str) -> None:
    table = boto3.client("dynamodb", endpoint_url=local_aws())
    with suppress(table.exceptions.ResourceInUseException):
        table.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
    queues = boto3.client("sqs", endpoint_url=local_aws())
    fifo = {"FifoQueue": "true"}
    dead = queues.create_queue(QueueName=f"{name}-dead.fifo", Attributes=fifo)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 3}}'
    queues.create_queue(QueueName=f"{name}.fifo", Attributes=fifo | {"RedrivePolicy": policy})
    s3_request("PUT", f"{seaweed_s3()}/{name}")


FAMILIES: Mapping[str, Callable[[Path], Family]] = {"sqlite": sqlite, "servers": servers, "aws": aws}
