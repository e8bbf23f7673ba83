"""The whole way on the real template: Telegram, front door, queue, functions under their roles, real CLI, and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError

from outlive.aws.queue import SqsQueue
from outlive.aws.scopes import open_scopes
from outlive.clock import SystemClock
from outlive.testing.scripted_model import STAND_IN_KEY, ScriptedModel, script
from outlive.testing.telegram import FakeTelegram
from tests.aws.stack import REGION, Stack, deploy
from tests.servers import guarded_aws

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="module")]

SECRET = "0123456789abcdef"
TOKEN = "internal token of the api"
TIMEOUT, RESERVE = 18, "6"
"""Of the agent function, in seconds; on AWS it has a quarter of an hour."""
MODEL = "eu.anthropic.claude-sonnet-5-5"
SLOW = script({"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 30"}}, {"text": "slept"})
SPY = script({"tool": "Bash", "input": {"command": "env"}}, {"text": "seen"})


class World:
    """A deployed stack, the people who write to its bot, and the model that answers them."""

    def __init__(self, stack: Stack, telegram: FakeTelegram, model: ScriptedModel, folder: Path) -> None:
        self.stack, self.telegram, self.model, self.folder = stack, telegram, model, folder

    async def push(self, update: Any, *, secret: str = SECRET) -> tuple[int, Any]:
        """Telegram sends an update to the webhook."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        return await asyncio.to_thread(self.stack.post, "/telegram", json.dumps(update), headers)

    async def say(self, text: str, sender: int = 42) -> Any:
        """Somebody writes to the bot; the update, which was taken."""
        update = self.telegram.say(text, sender=sender, name=f"Person {sender}")
        status, said = await self.push(update)
        assert status == 200, said
        return update

    async def answers(self, count: int, chat: int = 42, seconds: float = 60) -> list[str]:
        """The bot's messages in a chat, once there are so many."""
        await self.telegram.until(lambda: len(self.telegram.sent(chat)) >= count, seconds)
        return self.telegram.texts(chat)

    async def idle(self) -> None:
        """Wait until the queue is empty."""
        await until(lambda: self.depths(waiting=0))

    async def depths(self, *, waiting: int = 0, dead: int | None = None) -> bool:
        """Whether so many messages wait, and are dead letters."""
        now = await asyncio.to_thread(self.stack.depths)
        return now[0] == waiting and dead in (None, now[1])

    async def restart(self, function: str, **changed: str) -> None:
        """The function's next invocation is in a new process, with these variables changed."""
        functions, name = self.stack.client("lambda"), self.stack.physical(function)
        env = functions.get_function_configuration(FunctionName=name)["Environment"]
        env["Variables"] |= {"RESTARTED": env["Variables"].get("RESTARTED", "") + "x"} | changed
        await asyncio.to_thread(functions.update_function_configuration, FunctionName=name, Environment=env)

    def processes(self, function: str) -> list[int]:
        """Those that serve the function here, by its handler's name and the home that nobody else has."""
        found = [path for path in Path("/proc").glob("[0-9]*") if _reads(path / "cmdline", f"handler.{function}")]
        return [int(path.name) for path in found if _reads(path / "environ", f"HOME={self.folder}")]


def _reads(path: Path, text: str) -> bool:
    with suppress(OSError):  # it has ended meanwhile
        return any(part.endswith(text.encode()) for part in path.read_bytes().split(b"\0"))
    return False


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Look again and again until it is so."""
    for _ in range(int(seconds / 0.2)):
        if await is_so():
            return
        await asyncio.sleep(0.2)
    raise AssertionError("it never was")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The stack with a bot, on a local AWS that checks signatures and what roles may do."""
    folder, endpoint = tmp_path_factory.mktemp("stack"), guarded_aws()
    async with FakeTelegram() as telegram, ScriptedModel(models=[MODEL]) as model:
        stack = await asyncio.to_thread(_deploy, folder, endpoint, telegram, model)
        yield World(stack, telegram, model, folder)


def _deploy(folder: Path, endpoint: str, telegram: FakeTelegram, model: ScriptedModel) -> Stack:
    parameters = {
        "WebhookSecret": SECRET,
        "ApiToken": TOKEN,
        "TelegramBotToken": telegram.token,
        "TelegramWebhookSecret": SECRET,
        "TelegramBotId": telegram.token.partition(":")[0],
        "TelegramAllow": "42 43 44 45",
        "Model": MODEL,
        "BedrockAccessKeyId": STAND_IN_KEY.access_key_id,
        "BedrockSecretAccessKey": STAND_IN_KEY.secret_access_key,
    }
    env = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "ANTHROPIC_BEDROCK_BASE_URL": model.url,
        "OUTLIVE_TELEGRAM_URL": telegram.url,
        "OUTLIVE_ISOLATION": "none",
        "OUTLIVE_HANDOVER_RESERVE_SECONDS": RESERVE,
        "OUTLIVE_LEASE_SECONDS": "3",
        "OUTLIVE_VISIBILITY_SECONDS": "3",
        "HOME": str(folder),
        "OUTLIVE_DATA": str(folder / "data"),
        "OUTLIVE_WORKSPACES": str(folder / "trees"),
    }
    # Shorter than on AWS, so that nobody waits for a quarter of an hour.
    changes = {"AgentFunction": {"Timeout": TIMEOUT}, "TurnQueue": {"VisibilityTimeout": 3}}
    return deploy(endpoint, folder, parameters, env, changes)


async def test_poison_begins_its_way(world: World) -> None:
    """What is no message of ours is taken by the queue."""
    queue = world.stack.outputs["QueueUrl"]
    sent = world.stack.client("sqs").send_message(
        QueueUrl=queue, MessageBody="poison", MessageGroupId="p", MessageDeduplicationId="p"
    )
    assert sent["MessageId"]


async def test_an_update_is_answered_once(world: World) -> None:
    """A forged update is refused; a real one, sent three times, has one reply by the real CLI."""
    update = world.telegram.say("my name is Ada", name="Ada")
    assert (await world.push(update, secret="another secret here"))[0] == 401
    assert [(await world.push(update))[0] for _ in range(3)] == [200, 200, 200]
    await world.answers(1)
    await world.say("how many turns have we had?")
    answers = await world.answers(2)
    assert "This is turn 2" in answers[1]
    assert len(answers) == 2


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
    await world.say("what is my name?", sender=43)
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
    await world.say(SPY, sender=44)
    await world.answers(1, chat=44)
    seen = max((json.dumps(request.body) for request in world.model.requests), key=len)
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
