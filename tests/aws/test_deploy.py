"""The template, deployed to a local AWS: what is behind the front door there."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.aws.test_producer import SECRET, request
from tests.aws.test_template import FOLDER, ROOT, Loader, translated
from tests.servers import local_aws


def client(service: str) -> Any:
    """A client of the local AWS."""
    return boto3.client(service, endpoint_url=local_aws(), region_name="us-east-1")


@pytest.fixture
def outputs(tmp_path: Path, name: str) -> dict[str, str]:
    """What the stack tells after it was created from the template and the producer's zip."""
    build = ["make", "build-ProducerFunction", f"ARTIFACTS_DIR={tmp_path / 'build'}"]
    subprocess.run(build, cwd=ROOT, check=True)
    client("s3").create_bucket(Bucket="code")
    client("s3").upload_file(
        shutil.make_archive(str(tmp_path / "producer"), "zip", tmp_path / "build"), "code", "producer.zip"
    )
    template = translated(yaml.load((FOLDER / "template.yaml").read_text(), Loader))
    stacks = client("cloudformation")
    stacks.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "WebhookSecret", "ParameterValue": SECRET}],
        Capabilities=["CAPABILITY_IAM"],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def post(outputs: dict[str, str], event: Any) -> int:
    """The status of a request at the stack's front door."""
    port = local_aws().rpartition(":")[2]
    api = outputs["WebhookUrl"].removeprefix("https://").partition(".")[0]
    headers = {**event["headers"], "Host": f"{api}.execute-api.localhost:{port}"}
    asked = urllib.request.Request(f"{local_aws()}/webhook", data=event["body"].encode(), headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_request_at_the_front_door_is_in_the_queue(outputs: dict[str, str]) -> None:
    """Through the deployed API and the producer's zip a signed request reaches the queue, and a forged one does not."""
    assert post(outputs, request("m0", secret="another secret here")) == 401
    assert [post(outputs, request("m1")) for _ in range(2)] == [200, 200]
    found = client("sqs").get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert sum(int(found[name]) for name in counts) == 1
