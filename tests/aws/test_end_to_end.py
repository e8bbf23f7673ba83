"""The whole way on the real template: Telegram, front door, queue, functions under their roles, real CLI, and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError
from rich.console import Console

from outlive.aws.queue import SqsQueue
from outlive.aws.scopes import open_scopes
from outlive.clock import SystemClock
from outlive.testing.scripted_model import STAND_IN_KEY, ScriptedModel, script
from outlive.testing.telegram import FakeTelegram
from scripts.demo_aws import play
from tests.aws.stack import REGION
from tests.aws.wire import Wire
from tests.aws.world import MODEL, SECRET, TOKEN, World, deploy_bot, until
from tests.servers import guarded_aws

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="module")]

SLOW = script({"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 30"}}, {"text": "slept"})
SPY = script({"tool": "Bash", "input": {"command": "env"}}, {"text": "seen"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The stack with a bot, on a local AWS that checks signatures and what roles may do."""
    folder, endpoint = tmp_path_factory.mktemp("stack"), guarded_aws()
    async with FakeTelegram() as telegram, ScriptedModel(models=[MODEL]) as model:
        stack = await asyncio.to_thread(deploy_bot, folder, endpoint, telegram, model)
        yield World(stack, telegram, model, folder)


async def test_the_demo_keeps_what_it_shows(world: World) -> None:
    """`make demo-aws` on this stack, but for its killed turn, loses nothing and answers each message once."""
    checks = await play(world, Console(quiet=True), Wire(), kill=False)
    assert [name for name, kept in checks.items() if not kept] == []


async def test_poison_begins_its_way(world: World) -> None:
    """What is no message of ours is taken by the queue."""
    queue = world.stack.outputs["QueueUrl"]
    sent = world.stack.client("sqs").send_message(
        QueueUrl=queue, MessageBody="poison", MessageGroupId="p", MessageDeduplicationId="p"
    )
    assert sent["MessageId"]


async def test_the_api_is_behind_the_same_door(world: World) -> None:
    """Without a token the API is closed; with it a message goes through queue and agent, and history can be read."""
    about = {"Authorization": f"Bearer {TOKEN}", "Outlive-Tenant": "acme", "Content-Type": "application/json"}
    assert (await asyncio.to_thread(world.stack.post, "/v1/sessions", None, {}))[0] == 401
    asked = json.dumps({"text": "hello from the API"})
    path = "/v1/sessions/api:bob:default/messages?wait=25"
    status, turn = await asyncio.to_thread(world.stack.post, path, asked, about)
    assert (status, turn["session_key"], bool(turn["reply"])) == (200, "acme:api:bob:default", True), turn
    status, listed = await asyncio.to_thread(world.stack.post, "/v1/sessions", None, about)
    assert (status, listed["sessions"][0]["key"]) == (200, "acme:api:bob:default"), listed


async def test_two_tenants_share_nothing(world: World) -> None:
    """Each chat is a tenant with its own partition and prefix, and does not know what another one said."""
    assert "Ada" not in (await world.answers(1, chat=43))[0]
    rows = world.stack.client("dynamodb").scan(TableName=world.stack.outputs["SessionTableName"])["Items"]
    assert {"telegram_42", "telegram_43"} <= {row["pk"]["S"] for row in rows}
    listed = world.stack.client("s3").list_objects_v2(Bucket=world.stack.outputs["SessionBucketName"])["Contents"]
    assert {each["Key"].partition("/")[0] for each in listed} == {"acme", "telegram_42", "telegram_43"}


async def test_a_tenants_credentials_reach_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the agent takes for one tenant, another tenant's objects are refused, and so is the whole table."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    outputs, endpoint = world.stack.outputs, world.stack.endpoint
    role = _trust_everybody(world, world.stack.physical("TurnRole"))
    table = f"dynamodb://{outputs['SessionTableName']}?region={REGION}&endpoint={endpoint}"
    async with AsyncExitStack() as stack:
        scopes = await open_scopes(role, table, f"s3://{outputs['SessionBucketName']}", SystemClock(), stack)
        keys = (await scopes.for_tenant("telegram_42")).keys
    own = {"aws_access_key_id": keys.access_key_id, "aws_secret_access_key": keys.secret_access_key}
    s3 = world.stack.client("s3", **own, aws_session_token=keys.session_token)
    listed = world.stack.client("s3").list_objects_v2(Bucket=outputs["SessionBucketName"])["Contents"]
    for each in listed:
        which = {"Bucket": outputs["SessionBucketName"], "Key": each["Key"]}
        if each["Key"].startswith("telegram_42/"):
            assert s3.get_object(**which)["ContentLength"] == each["Size"]
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.get_object(**which)
    dynamodb = world.stack.client("dynamodb", **own, aws_session_token=keys.session_token)
    with pytest.raises(ClientError, match="AccessDenied"):
        dynamodb.scan(TableName=outputs["SessionTableName"])


def _trust_everybody(world: World, name: str) -> str:
    """The role's ARN, now that the test may take it, too."""
    iam = world.stack.client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    trust = role["AssumeRolePolicyDocument"]
    trust["Statement"].append({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}})
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return str(role["Arn"])


async def test_tools_find_no_credentials_of_the_function(world: World) -> None:
    """A tool's environment holds no key of the function, nor the bot's token or the webhook's secret."""
    before = len(world.model.requests)
    await world.say(SPY, sender=44)
    await world.answers(1, chat=44)
    seen = max((json.dumps(request.body) for request in world.model.requests[before:]), key=len)
    assert "HOME=" in seen
    assert "AWS_SESSION_TOKEN=" not in seen
    assert world.telegram.token not in seen
    assert SECRET not in seen


async def test_a_running_turn_is_stopped(world: World) -> None:
    """/stop goes round the queue and ends the turn that runs; what was asked is not answered."""
    await world.say(SLOW, sender=45)
    await world.telegram.until(
        lambda: any("Bash" in call.get("text", "") for call in world.telegram.called("sendMessageDraft")), 30
    )
    await world.say("/stop", sender=45)
    answers = await world.answers(2, chat=45)
    assert "Stopping." in answers
    assert "slept" not in answers
    await world.idle()


async def test_poison_is_a_dead_letter_after_three_receives(world: World) -> None:
    """The dead letter was received three times, and told of it by the queue's metric, the stack's alarm rings."""
    await until(lambda: world.depths(waiting=0, dead=1))
    await _tell_metric_of_dead_letters(world, 1)
    sqs, outputs = world.stack.client("sqs"), world.stack.outputs
    letter = sqs.receive_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageSystemAttributeNames=["All"])
    (message,) = letter["Messages"]
    assert message["Body"] == "poison"
    assert world.stack.log("AgentFunction").count(message["MessageId"]) == 3
    sqs.delete_message(QueueUrl=outputs["DeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])


async def _tell_metric_of_dead_letters(world: World, count: int) -> None:
    """Say what SQS says of the queue by itself, which the local one does not, and wait for the alarm."""
    watch, name = world.stack.client("cloudwatch"), world.stack.physical("DeadLetterAlarm")
    which = {"Name": "QueueName", "Value": world.stack.outputs["DeadLetterQueueUrl"].rpartition("/")[2]}
    metric = {"MetricName": "ApproximateNumberOfMessagesVisible", "Dimensions": [which], "Value": count}
    watch.put_metric_data(Namespace="AWS/SQS", MetricData=[metric])

    async def rings() -> bool:
        (alarm,) = watch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return bool(alarm["StateValue"] == "ALARM")

    await until(rings, 20)


async def test_a_function_that_hangs_is_killed_and_its_turn_continued(world: World) -> None:
    """A function stopped in mid-turn is killed by its timeout, and the next invocation finishes the turn, once."""
    mark, before = world.folder / "began", len(world.telegram.sent())
    once = f"test -e {mark} || {{ touch {mark}; sleep 30; }}"
    await world.say(script({"tool": "Bash", "input": {"command": once}}, {"text": "survived"}))
    await until(lambda: asyncio.to_thread(mark.exists))
    hung = world.processes("agent")
    assert hung
    for process in hung:
        os.kill(process, signal.SIGSTOP)
    answers = await world.answers(before + 1, seconds=100)
    assert answers[before:] == ["survived"]
    await world.idle()
    assert not {*hung} & {*world.processes("agent")}


async def test_a_turn_longer_than_its_function_is_finished_by_the_next(world: World) -> None:
    """A turn that outlasts an invocation is stored in time, gone on with by the next one, and answered once."""
    step = {"tool": "Bash", "input": {"command": "sleep 4"}}
    before = len(world.telegram.sent())
    await world.say(script(*[step] * 4, {"text": "finished"}))
    answers = await world.answers(before + 1)
    assert answers[before:] == ["finished"], world.stack.log("AgentFunction")[-4000:]
    await world.idle()
    assert '"event": "handed_over"' in world.stack.log("AgentFunction")


async def test_without_keys_of_its_own_bedrock_is_called_by_a_role(world: World) -> None:
    """The CLI calls a Bedrock that checks signatures and rights, with credentials for models alone."""
    role = {"BEDROCK_ACCESS_KEY_ID": "", "BEDROCK_SECRET_ACCESS_KEY": "", "OUTLIVE_MODEL": MODEL.removeprefix("eu.")}
    await world.restart("AgentFunction", **role, ANTHROPIC_BEDROCK_BASE_URL=world.stack.endpoint)
    before = len(world.telegram.sent(44))
    await world.say("hello Bedrock", sender=44)
    answers = await world.answers(before + 1, chat=44)
    assert answers[-1].startswith("[ministack mock anthropic"), world.stack.log("AgentFunction")[-3000:]
    own = {
        "BEDROCK_ACCESS_KEY_ID": STAND_IN_KEY.access_key_id,
        "BEDROCK_SECRET_ACCESS_KEY": STAND_IN_KEY.secret_access_key,
    }
    await world.restart("AgentFunction", **own, OUTLIVE_MODEL=MODEL, ANTHROPIC_BEDROCK_BASE_URL=world.model.url)


async def test_a_removed_permission_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to take the tenant's role nothing is answered; given back, a redrive answers the message."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    iam, role = world.stack.client("iam"), world.stack.physical("AgentRole")
    taken = iam.get_role_policy(RoleName=role, PolicyName="take-turn-role")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="take-turn-role")
    _die_at_once(world)
    await world.restart("AgentFunction")
    before = len(world.telegram.sent(43))
    await world.say("are you there?", sender=43)
    await until(lambda: world.depths(waiting=0, dead=1))
    iam.put_role_policy(RoleName=role, PolicyName="take-turn-role", PolicyDocument=json.dumps(taken))
    url = world.stack.outputs["QueueUrl"].replace("localhost", "127.0.0.1")
    monkeypatch.setenv("AWS_REGION", REGION)
    queue = await SqsQueue.open(url, clock=SystemClock())
    (letter,) = await queue.dead_letters()
    assert "AccessDenied" in letter.reason, world.stack.log("AgentFunction")[-2500:]
    await queue.redrive(letter.id)
    await queue.close()
    assert len(await world.answers(before + 2, chat=43)) == before + 2


def _die_at_once(world: World) -> None:
    sqs, url = world.stack.client("sqs"), world.stack.outputs["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    policy = json.dumps(json.loads(found) | {"maxReceiveCount": 1})
    # Long enough for a function that starts anew on a busy machine to take the message in hand.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "20"})
