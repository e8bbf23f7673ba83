"""Agent and sweeper as Lambda runs them: real CLI, scripted model, and DynamoDB, S3 and SQS of a local AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.aws.client import new_session
from outlive.aws.queue import SqsQueue
from outlive.core.keys import parse_session_key
from outlive.core.messages import Inbound, encode_inbound
from outlive.flows.sessions.inspect_session import inspect_session
from outlive.flows.turn.find_session import find_session
from outlive.protocols import Message, QueueDepth
from outlive.wiring import App, open_at_rest
from tests.aws.conftest import REGION
from tests.aws.runtime_api import Function
from tests.aws.test_producer import SECRET, request
from tests.servers import local_aws, s3_request

KEY = parse_session_key("acme:console:chat:default")


@pytest_asyncio.fixture
async def env(name: str, queue_address: str, stack: AsyncExitStack) -> Mapping[str, str]:
    """A table, a bucket and a queue, named as the template names them to its functions."""
    client = new_session().create_client("dynamodb", region_name=REGION, endpoint_url=local_aws())
    dynamodb = await stack.enter_async_context(client)
    await dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    s3_request("PUT", f"{local_aws()}/{name}")
    return {
        "SESSION_TABLE": name,
        "SESSION_BUCKET": name,
        "QUEUE_URL": queue_address,
        "AWS_ENDPOINT_URL": local_aws(),
        "AWS_ALLOW_HTTP": "true",
        "OUTLIVE_TENANT": "acme",
        "OUTLIVE_MODEL": "scripted",
        "OUTLIVE_ISOLATION": "none",
        "OUTLIVE_HANDOVER_RESERVE_SECONDS": "8",
    }


@pytest.fixture
def agent(env: Mapping[str, str], tmp_path: Path) -> Iterator[Function]:
    """The agent function."""
    function = Function("agent", env, tmp_path)
    yield function
    function.close()


@pytest_asyncio.fixture
async def app(env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    """What is stored, as another machine sees it."""
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    async with open_at_rest() as app:
        yield app


async def event_of(sqs: Any, address: str) -> dict[str, Any]:
    """The next message as SQS puts it into a function's event."""
    found = await sqs.receive_message(QueueUrl=address, MessageSystemAttributeNames=["All"], VisibilityTimeout=60)
    records = [
        {
            "messageId": m["MessageId"],
            "receiptHandle": m["ReceiptHandle"],
            "body": m["Body"],
            "attributes": m["Attributes"],
        }
        for m in found.get("Messages", ())
    ]
    return {"Records": records}


async def say(queue: SqsQueue, message_id: str, text: str, sent_at: float = 1_750_000_000.0) -> None:
    """Queue a message for the session."""
    body = encode_inbound(Inbound(KEY, message_id, text, sent_at))
    await queue.send(Message(str(KEY), message_id, body))


async def turns_of(app: App) -> int:
    """How many turns the session has had."""
    session_id = await find_session(app.engine, app.stores, KEY)
    return (await inspect_session(app.engine, app.stores, session_id)).line.turns


DONE = {"batchItemFailures": []}


async def test_a_message_is_answered_and_gone(
    agent: Function, queue: SqsQueue, sqs: Any, env: Mapping[str, str], app: App
) -> None:
    """A batch of one is a turn in DynamoDB and S3, its message is removed, and a copy of it runs nothing again."""
    await say(queue, "m1", "hello")
    event = await event_of(sqs, env["QUEUE_URL"])
    assert agent.invoke(event).value == DONE, agent.log.read_text()
    assert agent.invoke(event).value == DONE
    assert await turns_of(app) == 1
    assert await queue.depth() == QueueDepth(0, 0, 0)
    assert '"how": "repeat"' in agent.log.read_text()


async def test_a_request_becomes_a_turn(
    agent: Function, sqs: Any, env: Mapping[str, str], app: App, tmp_path: Path
) -> None:
    """A signed webhook, through producer, queue and agent, is a turn in the store, and sent twice it is still one."""
    producer = Function("producer", {**env, "WEBHOOK_SECRET": SECRET}, tmp_path)
    asked = request("m1", session=str(KEY))
    assert [producer.invoke(asked).value["statusCode"] for _ in range(2)] == [200, 200]
    producer.close()
    assert agent.invoke(await event_of(sqs, env["QUEUE_URL"])).value == DONE
    assert (await event_of(sqs, env["QUEUE_URL"]))["Records"] == []
    assert await turns_of(app) == 1


async def test_a_session_goes_on_in_another_process(
    agent: Function, queue: SqsQueue, sqs: Any, env: Mapping[str, str], app: App, tmp_path: Path
) -> None:
    """The next message finds the session on a function that has never seen it."""
    await say(queue, "m1", "hello")
    assert agent.invoke(await event_of(sqs, env["QUEUE_URL"])).value == DONE
    (tmp_path / "other").mkdir()
    other = Function("agent", env, tmp_path / "other")
    await say(queue, "m2", "hello again")
    assert other.invoke(await event_of(sqs, env["QUEUE_URL"])).value == DONE
    other.close()
    assert await turns_of(app) == 2


async def test_what_cannot_be_read_dies_after_three_receives(
    agent: Function, queue: SqsQueue, sqs: Any, env: Mapping[str, str]
) -> None:
    """A poisoned message is reported as failed three times, then it is a dead letter that says why."""
    await queue.send(Message("g", "1", b"poison"))
    for _ in range(3):
        event = await event_of(sqs, env["QUEUE_URL"])
        (record,) = event["Records"]
        failed = agent.invoke(event).value["batchItemFailures"]
        assert failed == [{"itemIdentifier": record["messageId"]}]
        await sqs.change_message_visibility(
            QueueUrl=env["QUEUE_URL"], ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
        ) if await queue.depth() != QueueDepth(0, 0, 1) else None
    (letter,) = await queue.dead_letters()
    assert (letter.message.body, letter.receives) == (b"poison", 3)
    assert "cannot be read" in letter.reason


async def test_after_a_failed_message_the_rest_of_a_batch_waits(
    agent: Function, queue: SqsQueue, sqs: Any, env: Mapping[str, str], app: App
) -> None:
    """Were a batch larger than one, all from the first failure on would be reported, so that no order is broken."""
    await say(queue, "m1", "hello")
    (good,) = (await event_of(sqs, env["QUEUE_URL"]))["Records"]
    bad = good | {"messageId": "bad", "body": "no envelope"}
    failed = agent.invoke({"Records": [bad, good]}).value["batchItemFailures"]
    assert [each["itemIdentifier"] for each in failed] == ["bad", good["messageId"]]
    assert await queue.depth() == QueueDepth(0, 1, 0)


async def test_a_function_with_no_time_left_runs_nothing(
    agent: Function, queue: SqsQueue, sqs: Any, env: Mapping[str, str]
) -> None:
    """With less time than the hand-over takes the message is left where it is, and the log says why."""
    await say(queue, "m1", "hello")
    event = await event_of(sqs, env["QUEUE_URL"])
    assert len(agent.invoke(event, timeout=5).value["batchItemFailures"]) == 1
    assert "kept for the hand-over" in agent.log.read_text()


async def test_a_table_that_is_gone_loses_nothing(
    queue: SqsQueue, sqs: Any, env: Mapping[str, str], tmp_path: Path
) -> None:
    """Without its table the function answers nobody: the message is reported as failed and stays in the queue."""
    broken = Function("agent", {**env, "SESSION_TABLE": "nowhere"}, tmp_path)
    await say(queue, "m1", "hello")
    assert len(broken.invoke(await event_of(sqs, env["QUEUE_URL"])).value["batchItemFailures"]) == 1
    broken.close()
    assert await queue.depth() == QueueDepth(0, 1, 0)


async def test_the_sweeper_sweeps_every_session(
    agent: Function, queue: SqsQueue, sqs: Any, env: Mapping[str, str], tmp_path: Path
) -> None:
    """On a tick the sweeper visits the sessions that the agent made, without a model."""
    await say(queue, "m1", "hello")
    assert agent.invoke(await event_of(sqs, env["QUEUE_URL"])).value == DONE
    sweeper = Function("sweeper", {k: v for k, v in env.items() if k != "OUTLIVE_MODEL"}, tmp_path)
    tended = sweeper.invoke({"do": "tend"}).value
    swept = sweeper.invoke({"do": "sweep"}).value
    sweeper.close()
    assert (tended["fired"], tended["told"]) == (0, 0)
    assert swept["tenants"] == 1
    assert (swept["sessions"], swept["damaged"]) == (1, [])
