"""The template as CloudFormation gets it: rules for what a local AWS drops, and for what shows only too late."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from outlive.core import costs
from outlive.core.metrics import METRICS
from outlive.entrypoints.aws_lambda import dispatching
from outlive.telemetry.cloudwatch import DIMENSION, NAMESPACE
from tests.aws.template import FOLDER, ROOT, Loader, translated


@pytest.fixture(scope="module")
def source() -> dict[str, Any]:
    """The template as written."""
    return yaml.load((FOLDER / "template.yaml").read_text(), Loader)


@pytest.fixture(scope="module")
def resources(source: dict[str, Any]) -> dict[str, Any]:
    """The resources after SAM's translation."""
    found: dict[str, Any] = translated(source)["Resources"]
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    """Properties of the resources of a type, by name."""
    return {name: each.get("Properties", {}) for name, each in resources.items() if each["Type"] == f"AWS::{kind}"}


def statements(resources: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the roles allow."""
    for role in of_type(resources, "IAM::Role").values():
        assert "ManagedPolicyArns" not in role or role["ManagedPolicyArns"] == []
        for policy in role["Policies"]:
            yield from _all_of(policy["PolicyDocument"]["Statement"])
    for policy in of_type(resources, "IAM::Policy").values():
        yield from _all_of(policy["PolicyDocument"]["Statement"])


def _all_of(statements: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The statements, both branches of those with a condition."""
    for statement in statements:
        branches = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
        yield from (branch for branch in branches if branch != {"Ref": "AWS::NoValue"})


def test_the_table_expires_recovers_and_is_encrypted(resources: dict[str, Any]) -> None:
    """The table has the keys outlive uses, TTL on `ttl`, point-in-time recovery, encryption, and is kept."""
    ((_, table),) = of_type(resources, "DynamoDB::GlobalTable").items()
    assert [(each["AttributeName"], each["KeyType"]) for each in table["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    here, copy = table["Replicas"]
    assert copy["Fn::If"][0] == "HasReplica"
    for replica in (here, copy["Fn::If"][1]):
        assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert "SSESpecification" not in table  # DynamoDB's own key: one of KMS is shut to narrowed credentials
    assert resources["SessionTable"]["DeletionPolicy"] == resources["SessionBucket"]["DeletionPolicy"] == "Retain"


def test_the_bucket_is_private_and_encrypted_and_loses_nothing_by_age(resources: dict[str, Any]) -> None:
    """All public access is blocked, and no rule removes objects that a session in use may need."""
    ((_, bucket),) = of_type(resources, "S3::Bucket").items()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    for rule in bucket["LifecycleConfiguration"]["Rules"]:
        assert "ExpirationInDays" not in rule
        assert rule["Status"] == "Enabled"


@pytest.mark.parametrize("kind", ["S3::BucketPolicy", "S3Express::BucketPolicy", "SQS::QueuePolicy"])
def test_only_tls_is_spoken(resources: dict[str, Any], kind: str) -> None:
    """Buckets and queues refuse what comes without TLS."""
    ((_, policy),) = of_type(resources, kind).items()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_message_dies_after_three_receives_and_is_kept_for_two_weeks(resources: dict[str, Any]) -> None:
    """Both queues are FIFO, encrypted, hold 1 MiB; the visibility timeout is no shorter than the function's."""
    queues = of_type(resources, "SQS::Queue")
    assert queues["TurnQueue"]["RedrivePolicy"]["maxReceiveCount"] == 3
    assert queues["TurnQueue"]["VisibilityTimeout"] == max(
        resources["AgentFunction"]["Properties"]["Timeout"]["Fn::If"][1:]
    )
    for queue in queues.values():
        assert queue["FifoQueue"] is queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 86_400
        assert queue["MaximumMessageSize"] == 2**20


def test_the_agent_takes_one_message_and_reports_the_failed(resources: dict[str, Any]) -> None:
    """The mapping has batch size one and partial failures."""
    ((_, mapping),) = of_type(resources, "Lambda::EventSourceMapping").items()
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_an_express_bucket_takes_the_other_ones_place(resources: dict[str, Any]) -> None:
    """One of the two buckets is made; who may use the one may open sessions of the other, and has no right too many."""
    assert (resources["SessionBucket"]["Condition"], resources["ExpressBucket"]["Condition"]) == (
        "IsStandard",
        "IsExpress",
    )
    express = {
        "Effect": "Allow",
        "Action": "s3express:CreateSession",
        "Resource": {"Fn::GetAtt": ["ExpressBucket", "Arn"]},
    }
    choices = [
        statement["Fn::If"]
        for role in of_type(resources, "IAM::Role").values()
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if "SessionBucket" in json.dumps(statement)
    ]
    assert [(choice[0], choice[1]) for choice in choices] == [
        ("IsExpress", express),
        ("IsExpress", {"Ref": "AWS::NoValue"}),
    ] * 4
    (rule,) = resources["ExpressBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert set(rule) == {"Id", "Status", "AbortIncompleteMultipartUpload"}


def test_dead_letters_ring(resources: dict[str, Any]) -> None:
    """One dead letter is enough for an alarm, which tells the topic that the e-mail address hears; silence is none."""
    alarm = of_type(resources, "CloudWatch::Alarm")["DeadLetterAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
    )
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (300, 1)
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}}]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
    assert of_type(resources, "SNS::Subscription")["AlarmSubscription"]["TopicArn"] == {"Ref": "Alarms"}
    assert not of_type(resources, "SNS::Topic")["Alarms"]  # SNS's own key would shut CloudWatch out


@pytest.mark.defect(21)
def test_no_role_has_a_wildcard_it_could_do_without(resources: dict[str, Any]) -> None:
    """No action has a wildcard, no resource is everything; only Bedrock's models are named by a pattern."""
    for statement in statements(resources):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions)
        targets = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        assert "*" not in targets
        if any("*" in json.dumps(target).replace("/*", "") for target in targets):
            assert all(action.startswith("bedrock:Invoke") for action in actions)


def test_each_function_has_its_own_role_log_and_ceiling(resources: dict[str, Any]) -> None:
    """No two functions share a role or a log group; each is limited in number; each log ends."""
    functions = of_type(resources, "Lambda::Function")
    for field in ("Role", "LoggingConfig"):
        assert len({json.dumps(each[field]) for each in functions.values()}) == len(functions) == 6
    assert all(each["ReservedConcurrentExecutions"] for each in functions.values())
    assert all(log["RetentionInDays"] for log in of_type(resources, "Logs::LogGroup").values())


def test_nothing_idle_costs(resources: dict[str, Any]) -> None:
    """No network, no server, no cache, no provisioned capacity."""
    kinds = {each["Type"] for each in resources.values()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::EC2", "AWS::ECS", "AWS::RDS", "AWS::DAX"))]
    assert all(
        table["BillingMode"] == "PAY_PER_REQUEST" for table in of_type(resources, "DynamoDB::GlobalTable").values()
    )


def test_the_front_door_is_written_out(resources: dict[str, Any]) -> None:
    """All its parts are resources of their own; without an API token only the webhooks' routes exist."""
    routes = of_type(resources, "ApiGatewayV2::Route")
    open_always = {name for name in routes if resources[name]["Condition"] in {"HasHttpApi", "HasBotAndHttpApi"}}
    assert {routes[name]["RouteKey"] for name in open_always} == {"POST /webhook", "POST /telegram"}
    assert {name: routes[name]["RouteKey"] for name in routes.keys() - open_always} == {"RestRoute": "$default"}
    assert resources["RestRoute"]["Condition"] == "HasApiAndHttpApi"
    assert all("Body" not in api for api in of_type(resources, "ApiGatewayV2::Api").values())
    assert (
        len(of_type(resources, "ApiGatewayV2::Integration")) == 2 * len(of_type(resources, "ApiGatewayV2::Stage")) == 2
    )
    assert len(of_type(resources, "Lambda::Permission")) >= 2


@pytest.mark.parametrize("function", ["ProducerFunction", "ApiFunction"])
def test_a_function_url_may_do_both(resources: dict[str, Any], function: str) -> None:
    """Whoever calls a function URL may call the URL and through it the function; Lambda refuses it with one right."""
    (url,) = (each for each in of_type(resources, "Lambda::Url").values() if function in json.dumps(each))
    assert url["AuthType"] == "NONE"
    rights = [
        {name: value for name, value in each.items() if name not in {"FunctionName", "Principal"}}
        for each in of_type(resources, "Lambda::Permission").values()
        if each["FunctionName"] == {"Ref": function} and each["Principal"] == "*"
    ]
    assert rights == [
        {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    ]


def test_who_sends_replies_has_every_channels_token(source: dict[str, Any]) -> None:
    """The agent sends them, and the sweeper those that failed: a channel that one lacks would lose its replies."""
    for name in ("AgentFunction", "SweeperFunction"):
        variables = source["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert {"SLACK_BOT_TOKEN", "TELEGRAM_BOT_TOKEN"} <= variables.keys()


@pytest.mark.defect(18)
@pytest.mark.defect(21)
def test_secrets_have_no_default_and_are_not_shown(source: dict[str, Any]) -> None:
    """The webhook's secret must be given; every secret is hidden; the optional ones default to nothing."""
    words = ("Secret", "Key", "Token")
    secrets = {name: each for name, each in source["Parameters"].items() if any(word in name for word in words)}
    assert len(secrets) == 8
    assert all(each["NoEcho"] is True and not each.get("Default") for each in secrets.values())
    assert "Default" not in secrets["WebhookSecret"]


def test_every_parameter_is_told(source: dict[str, Any]) -> None:
    """The how-to names each parameter of the template."""
    told = (ROOT / "docs" / "how-to" / "aws.md").read_text()
    assert [name for name in source["Parameters"] if f"`{name}`" not in told and name != "ImageUri"] == []


def test_every_handler_exists(source: dict[str, Any]) -> None:
    """What the template points Lambda at is a function of the handler module."""
    from outlive.entrypoints.aws_lambda import handler

    functions = [each["Properties"] for each in source["Resources"].values() if "Serverless" in each["Type"]]
    names = [each.get("Handler") or each["ImageConfig"]["Command"][0] for each in functions]
    assert len(names) == 6
    for name in names:
        module, _, function = name.rpartition(".")
        assert module == handler.__name__
        assert callable(getattr(handler, function))


def test_the_producers_zip_runs_by_itself(tmp_path: Path) -> None:
    """What `sam build` packs for the producer is below 400 KB, unpacked, and loads without any installed package."""
    subprocess.run(["make", "build-ProducerFunction", f"ARTIFACTS_DIR={tmp_path}"], cwd=ROOT, check=True)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.py")) < 400_000
    code = "import sys; sys.path.insert(0, sys.argv[1]); "
    code += "from outlive.entrypoints.aws_lambda import handler, intake, dispatching"
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(tmp_path)], check=True)


def test_the_image_copies_what_exists() -> None:
    """What is copied exists and gets to Docker, what the functions need is installed, and the command is the agent."""
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copied = [part for line in lines if line.startswith("COPY ") for part in line.split()[1:-1]]
    assert copied
    assert all((ROOT / part).exists() for part in copied)
    assert {f"!{part}" for part in copied} <= {*(ROOT / ".dockerignore").read_text().splitlines()}
    (extras,) = (line.split("[")[1].split("]")[0] for line in lines if "pip install" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*extras.split(",")} == project.keys() - {"dax", "postgres", "redis", "wechat"}
    assert 'CMD ["outlive.entrypoints.aws_lambda.handler.agent"]' in lines


def test_the_agent_by_itself_reaches_no_record(resources: dict[str, Any]) -> None:
    """The agent's own role names neither table nor bucket; it may take the turn role, which trusts nobody else."""
    agent = json.dumps(resources["AgentRole"]["Properties"]["Policies"])
    assert not any(word in agent for word in ("dynamodb:", "s3:", "bedrock:"))
    (statement,) = resources["TurnRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": {"Fn::GetAtt": ["AgentRole", "Arn"]}}
    taken = resources["AgentTakesTurnRole"]["Properties"]
    assert (taken["Roles"], len(taken["PolicyDocument"]["Statement"])) == ([{"Ref": "AgentRole"}], 1)


def test_behind_a_dispatcher_the_agent_ends_first(resources: dict[str, Any]) -> None:
    """Per tenant, the queue feeds the dispatcher, the agent has tenant isolation, and it ends before the call does."""
    agent, dispatcher = (resources[f"{name}Function"]["Properties"] for name in ("Agent", "Dispatcher"))
    assert agent["TenancyConfig"]["Fn::If"][:2] == ["IsPerTenant", {"TenantIsolationMode": "PER_TENANT"}]
    assert agent["Timeout"]["Fn::If"][1] < dispatching.SECONDS < dispatcher["Timeout"] == 900
    mapping = resources["Turns"]["Properties"]["FunctionName"]["Fn::If"]
    assert mapping == ["IsPerTenant", {"Ref": "DispatcherFunction"}, {"Ref": "AgentFunction"}]


def test_what_alarms_and_dashboard_count_is_what_the_functions_tell(source: dict[str, Any]) -> None:
    """Every metric of ours that the template names is sent to CloudWatch, under the dimension that the stack sets."""
    sent = {metric.cloudwatch for metric in METRICS if metric.cloudwatch}
    dimension = {"Name": DIMENSION, "Value": {"Ref": "AWS::StackName"}}
    named = [each for each in _parts(source["Resources"]) if each.get("Namespace") == NAMESPACE]
    assert {each["MetricName"] for each in named} <= sent
    assert all(each["Dimensions"] == [dimension] for each in named)
    body = json.loads(source["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    shown = {
        tuple(metric[1:4])
        for widget in body["widgets"]
        for metric in widget["properties"]["metrics"]
        if metric[0] == NAMESPACE
    }
    assert shown == {(name, DIMENSION, "${AWS::StackName}") for name in sent}
    assert source["Globals"]["Function"]["Environment"]["Variables"]["OUTLIVE_EMF"] == {"Ref": "AWS::StackName"}


def test_the_bill_counts_the_alarms(resources: dict[str, Any]) -> None:
    """`outlive cost` reckons with as many alarms as the template has."""
    assert len(of_type(resources, "CloudWatch::Alarm")) == costs.ALARMS


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in it, itself included."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from _parts(each)


def test_the_dashboard_can_be_read(resources: dict[str, Any]) -> None:
    """Its body is JSON with the turns, their seconds, the queue, the tokens, durability and money."""
    ((_, dashboard),) = of_type(resources, "CloudWatch::Dashboard").items()
    widgets = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    titles = {"Turns", "Seconds of a turn", "Queue", "Input tokens", "Durability", "Money on models"}
    assert {each["properties"]["title"] for each in widgets} == titles
    assert all(each["AlarmActions"] for each in of_type(resources, "CloudWatch::Alarm").values())
