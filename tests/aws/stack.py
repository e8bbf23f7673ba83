"""The real template on a local AWS: its functions run as there, but for the image, whose entry is started by itself."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml

from tests.aws.template import FOLDER, ROOT, Loader, translated

NAME = "outlive"
REGION = "us-east-1"


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    endpoint: str
    outputs: Mapping[str, str]
    name: str = NAME

    def client(self, service: str, **keys: str) -> Any:
        """A client, of somebody who may do everything unless other keys are given."""
        return client(self.endpoint, service, **keys)

    def post(self, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Status and JSON of a request at the front door; a GET without a body."""
        port = self.endpoint.rpartition(":")[2]
        api = self.outputs["WebhookUrl"].removeprefix("https://").partition(".")[0]
        host = {"Host": f"{api}.execute-api.localhost:{port}"}
        asked = urllib.request.Request(
            f"{self.endpoint}{path}", data=body and body.encode(), headers={**headers, **host}
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return int(answer.status), json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def log(self, function: str) -> str:
        """What a function has printed so far."""
        logs = self.client("logs")
        group = self.client("lambda").get_function_configuration(FunctionName=self.physical(function))["LoggingConfig"]
        events = logs.filter_log_events(logGroupName=group["LogGroup"])["events"]
        return "\n".join(event["message"] for event in events)

    def physical(self, name: str) -> str:
        """What a resource of the template is called."""
        found = self.client("cloudformation").describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def size(self) -> int:
        """How many resources it has."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return sum(len(page["StackResourceSummaries"]) for page in pages)

    def end_functions(self) -> None:
        """Delete the functions, which ends their processes."""
        functions = self.client("lambda")
        for each in functions.list_functions()["Functions"]:
            functions.delete_function(FunctionName=each["FunctionName"])

    def depths(self) -> tuple[int, int]:
        """Messages in the queue, and in its dead-letter queue."""
        return self._depth("QueueUrl"), self._depth("DeadLetterQueueUrl")

    def _depth(self, output: str) -> int:
        asked = self.client("sqs").get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=["All"])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(asked["Attributes"][name]) for name in names)


def client(endpoint: str, service: str, **keys: str) -> Any:
    """A client of a local AWS."""
    given = keys or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **given)


def deploy(
    endpoint: str,
    folder: Path,
    parameters: Mapping[str, str],
    env: Mapping[str, str],
    changes: Mapping[str, Mapping[str, Any]],
    name: str = NAME,
) -> Stack:
    """Create the stack; `env` is added to every function's environment, `changes` to resources' properties."""
    _upload(endpoint, folder)
    template = _local(translated(yaml.load((FOLDER / "template.yaml").read_text(), Loader)), env)
    for resource, properties in changes.items():
        template["Resources"][resource]["Properties"].update(properties)
    stacks = client(endpoint, "cloudformation")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    stacks.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Parameters=given, Capabilities=["CAPABILITY_IAM"]
    )
    while (stack := stacks.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"] == "CREATE_IN_PROGRESS":
        time.sleep(0.1)
    assert stack["StackStatus"] == "CREATE_COMPLETE", _failures(stacks, name)
    return Stack(endpoint, {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}, name)


def _failures(stacks: Any, name: str) -> list[str]:
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{each['LogicalResourceId']}: {each['ResourceStatusReason']}"
        for each in events
        if "FAILED" in each["ResourceStatus"]
    ]


def _upload(endpoint: str, folder: Path) -> None:
    """The code of the functions: the producer's zip as it is deployed, and one that starts the image's entry."""
    command = ["make", "--no-print-directory", "build-ProducerFunction", f"ARTIFACTS_DIR={folder / 'build'}"]
    subprocess.run(command, cwd=ROOT, check=True)
    producer = shutil.make_archive(str(folder / "producer"), "zip", folder / "build")
    started = io.BytesIO()
    with zipfile.ZipFile(started, "w") as archive:
        archive.writestr("bootstrap", BOOTSTRAP)
    s3 = client(endpoint, "s3")
    s3.create_bucket(Bucket="code")
    s3.upload_file(producer, "code", "producer.zip")
    s3.put_object(Bucket="code", Key="image.zip", Body=started.getvalue())


BOOTSTRAP = f"""#!/bin/sh
echo "$$ $_HANDLER" >>"$HOME/processes"
exec {sys.executable} -m awslambdaric "$_HANDLER"
"""
"""Starts the image's entry without the image, and keeps a list of its processes."""

LEFT_OUT = ("PromptCacheAlarm", "SessionBucketPolicy", "QueuePolicy")
"""What cannot be here, and is looked at by the rules test: an alarm on metric math, and TLS, which loopback lacks."""


def _local(template: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    for name in LEFT_OUT:
        del template["Resources"][name]
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        properties = resource["Properties"]
        properties["Environment"]["Variables"].update(env)
        if properties.pop("PackageType", "Zip") == "Image":
            handler = properties.pop("ImageConfig")["Command"][0]
            code = {"S3Bucket": "code", "S3Key": "image.zip"}
            properties |= {"Runtime": "provided.al2023", "Handler": handler, "Code": code}
    return template
