"""`outlive aws`, on a stack of a local AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from outlive.entrypoints.aws_stack.deploying import plan, sam_settings
from outlive.entrypoints.aws_stack.limits import OTHERS, too_few
from outlive.entrypoints.cli import run_with
from tests.aws.stack import NAME, Stack, client, deploy
from tests.aws.template import FOLDER, Loader
from tests.servers import local_aws

SECRET = "0123456789abcdef"
Command = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The template without a bot."""
    return deploy(local_aws(), tmp_path_factory.mktemp("stack"), {"WebhookSecret": SECRET}, {}, {})


@pytest.fixture
def outlive(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command as in a shell with credentials: its exit code, its JSON, and what it said beside."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws())

    def run(*words: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = run_with(["aws", *words, "--json"])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def error(said: str) -> dict[str, str]:
    """The error on stderr."""
    found: dict[str, str] = json.loads(said.splitlines()[-1])["error"]
    return found


def test_outputs_are_the_stacks(outlive: Command, stack: Stack) -> None:
    """The command prints what the stack tells, and names a stack that is not there."""
    assert outlive("outputs") == (0, [stack.outputs], "")
    code, _, said = outlive("outputs", "--stack", "nowhere")
    assert (code, error(said)["type"]) == (1, "NotFound")


def test_a_log_is_printed(outlive: Command, stack: Stack) -> None:
    """After a request the producer's log is there, line by line; a function that the stack lacks is named."""
    stack.post("/webhook", "{}", {})
    code, lines, _ = outlive("logs", "producer")
    assert code == 0
    assert any("START" in line["text"] for line in lines)
    assert "dispatcher" in error(outlive("logs", "dispatcher")[2])["message"]


def test_without_a_bot_there_is_no_webhook(outlive: Command, stack: Stack) -> None:
    """`webhook` says what is missing when the deployment has no bot."""
    assert "TELEGRAM_BOT_TOKEN" in error(outlive("webhook")[2])["fix"]


def test_the_bill_is_that_of_what_was_counted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Turns, seconds, memory and units are CloudWatch's of the stack; without a turn there is nothing to count."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws())
    command = ["cost", "--stack", NAME, "--days", "2", "--json"]
    assert (run_with(command), error(capsys.readouterr().err)["type"]) == (1, "NotFound")
    watch = client(local_aws(), "cloudwatch")
    agent, table = {"FunctionName": stack.physical("AgentFunction")}, {"TableName": stack.outputs["SessionTableName"]}
    told = [("Lambda", "Invocations", agent, 40), ("Lambda", "Duration", agent, 400_000)]
    told += [("DynamoDB", f"Consumed{kind}CapacityUnits", table, 200) for kind in ("Write", "Read")]
    for space, metric, dimensions, value in told:
        which = [{"Name": name, "Value": each} for name, each in dimensions.items()]
        data = [{"MetricName": metric, "Dimensions": which, "Value": value}]
        watch.put_metric_data(Namespace=f"AWS/{space}", MetricData=data)
    assert run_with(command) == 0
    use = json.loads(capsys.readouterr().out)["use"]
    assert [use[name] for name in ("turns_per_day", "seconds", "memory_gb", "write_units")] == [20, 10, 2, 5]
    assert (use["front_door"], use["object_class"], use["read_units"]) == ("http-api", "standard", 5)


def test_a_stack_is_taken_down_only_when_asked_to(
    outlive: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --yes all resources are listed and stay; with it the stack is gone, and table and bucket are not."""
    monkeypatch.setattr("outlive.entrypoints.aws_stack.stack.POLL_SECONDS", 0.1)
    deploy(local_aws(), tmp_path, {"WebhookSecret": SECRET}, {}, {}, name="gone")
    code, (told,), _ = outlive("destroy", "--stack", "gone")
    assert (code, told["done"]) == (0, False)
    assert {part["name"] for part in told["parts"] if part["is_kept"]} == {"SessionTable", "SessionBucket"}
    assert outlive("destroy", "--stack", "gone", "--yes")[0] == 0
    assert error(outlive("outputs", "--stack", "gone")[2])["type"] == "NotFound"
    table = next(part["physical"] for part in told["parts"] if part["name"] == "SessionTable")
    assert client(local_aws(), "dynamodb").describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE"


def test_a_table_is_made_as_outlive_needs_it(outlive: Command, name: str) -> None:
    """Without --yes nothing is made; with it the table has the keys, TTL and recovery."""
    dynamodb = client(local_aws(), "dynamodb")
    assert outlive("tables", "create", name)[1][0]["done"] is False
    assert name not in dynamodb.list_tables()["TableNames"]
    assert outlive("tables", "create", name, "--yes")[0] == 0
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")
    keys = dynamodb.describe_table(TableName=name)["Table"]["KeySchema"]
    assert [(key["AttributeName"], key["KeyType"]) for key in keys] == [("pk", "HASH"), ("sk", "RANGE")]


def test_without_sam_nothing_is_deployed(outlive: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the SAM CLI is told how to get it."""
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, said = outlive("deploy", "--folder", str(FOLDER))
    assert (code, "aws-sam-cli" in error(said)["fix"]) == (2, True)


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine where there is a program of SAM's name; no test runs it."""
    (tmp_path / "sam").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "sam").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("sam")
def test_a_plan_shows_no_secret(outlive: Command) -> None:
    """Without --yes account, region and parameters are told, what the template hides only as set; nothing is done."""
    template = yaml.load((FOLDER / "template.yaml").read_text(), Loader)["Parameters"]
    secrets = [name for name, about in template.items() if about.get("NoEcho")]
    words = [word for name in secrets for word in ("--parameter", f"{name}=7:{SECRET}")]
    code, (told,), said = outlive("deploy", "--folder", str(FOLDER), "--parameter", "Isolation=per-tenant", *words)
    assert (code, told["done"], told["region"]) == (0, False, "us-east-1")
    assert told["parameters"] == dict.fromkeys(secrets, "(set)") | {"Isolation": "per-tenant", "TelegramBotId": "7"}
    assert SECRET not in json.dumps(told) + said
    assert "TelegramBotName" in said


@pytest.mark.parametrize(("limit", "is_told"), [(10, True), (176, True), (177, False), (1000, False)])
def test_an_account_that_may_run_too_little_is_told(limit: int, is_told: bool) -> None:
    """A new account's ceiling for functions is compared with what the template reserves, before SAM fails at it."""
    found = too_few({"Isolation": "per-tenant", "AgentConcurrency": "15"}, limit)
    assert [str(limit) in hint and "service-quotas" in hint for hint in found] == [True] * is_told


def test_what_is_reserved_is_what_the_template_reserves() -> None:
    """The sum for an account's ceiling is that of the template's functions."""
    resources = yaml.load((FOLDER / "template.yaml").read_text(), Loader)["Resources"].values()
    reserved = [each["Properties"].get("ReservedConcurrentExecutions") for each in resources if "Properties" in each]
    assert sum(number for number in reserved if isinstance(number, int)) == OTHERS
    assert reserved.count({"Ref": "AgentConcurrency"}) == 2


@pytest.mark.usefixtures("sam")
@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "WEBHOOK_SECRET"),
        ({"WEBHOOK_SECRET": "short"}, "WEBHOOK_SECRET"),
        ({"WEBHOOK_SECRET": SECRET, "TELEGRAM_BOT_TOKEN": "7:x"}, "TELEGRAM_WEBHOOK_SECRET"),
        (
            {
                "WEBHOOK_SECRET": SECRET,
                "TELEGRAM_BOT_TOKEN": "{{resolve:ssm-secure:bot}}",
                "TELEGRAM_WEBHOOK_SECRET": SECRET,
            },
            "TelegramBotId",
        ),
    ],
)
def test_a_missing_secret_is_named(
    outlive: Command, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], named: str
) -> None:
    """No deployment begins without its secrets; the error names the one that is missing."""
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    code, _, said = outlive("deploy", "--folder", str(FOLDER))
    assert (code, named in error(said)["message"]) == (2, True)


@pytest.mark.usefixtures("sam")
def test_secrets_travel_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SAM is run with names a file; the secrets are in it and on no command line."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws())
    found = plan(NAME, "us-east-1", FOLDER, [f"WebhookSecret={SECRET}", "AlarmEmail=a b@example.org"])
    assert not any(SECRET in word for command in found.commands("settings") for word in command)
    assert SECRET in sam_settings(found)


@pytest.mark.usefixtures("sam")
def test_a_deployment_that_fails_says_so(outlive: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """When SAM fails, the command fails, and says which step it was."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    code, _, said = outlive("deploy", "--folder", str(FOLDER), "--yes")
    assert (code, "sam build" in error(said)["message"]) == (1, True)
