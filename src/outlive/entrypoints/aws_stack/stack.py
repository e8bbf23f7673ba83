"""A deployed stack: its outputs, its logs, its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from outlive.entrypoints.aws_stack.services import client, explained
from outlive.errors import NotFound, Unavailable

POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """A resource of a stack."""

    name: str
    kind: str
    physical: str
    is_kept: bool
    """Whether it stays when the stack is deleted."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a function."""

    at: float
    """Epoch seconds."""
    text: str


KEPT = {"AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket"}


def outputs(stack: str, region: str | None = None) -> Mapping[str, str]:
    """What the stack tells; `NotFound` without one."""
    with explained(f"stack {stack}"):
        (found,) = client("cloudformation", region).describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def parts(stack: str, region: str | None = None) -> list[Part]:
    """The stack's resources, in order of their names."""
    with explained(f"stack {stack}"):
        pages = client("cloudformation", region).get_paginator("list_stack_resources").paginate(StackName=stack)
        found = [each for page in pages for each in page["StackResourceSummaries"]]
    return sorted(
        (
            Part(
                each["LogicalResourceId"],
                each["ResourceType"],
                each.get("PhysicalResourceId", ""),
                each["ResourceType"] in KEPT,
            )
            for each in found
        ),
        key=lambda part: part.name,
    )


def destroy(stack: str, region: str | None, progress: Callable[[int, int], None]) -> list[Part]:
    """Delete the stack and wait until it is gone; what is kept. `Unavailable` when AWS cannot delete it."""
    found = parts(stack, region)
    going = [part for part in found if not part.is_kept]
    stacks = client("cloudformation", region)
    with explained(f"stack {stack}"):
        identity = stacks.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        stacks.delete_stack(StackName=stack)
        while (status := stacks.describe_stacks(StackName=identity)["Stacks"][0]["StackStatus"]) != "DELETE_COMPLETE":
            if status.endswith("FAILED"):
                raise Unavailable(f"stack {stack} could not be deleted.", fix="Its events in CloudFormation say why.")
            left = sum(each.name in _names_left(stacks, identity) for each in going)
            progress(len(going) - left, len(going))
            time.sleep(POLL_SECONDS)
    return [part for part in found if part.is_kept]


def _names_left(stacks: object, identity: str) -> set[str]:
    pages = stacks.get_paginator("list_stack_resources").paginate(StackName=identity)  # type: ignore[attr-defined]
    found = (each for page in pages for each in page["StackResourceSummaries"])
    return {each["LogicalResourceId"] for each in found if each["ResourceStatus"] != "DELETE_COMPLETE"}


def logs(stack: str, function: str, *, region: str | None, since: float) -> Iterator[LogLine]:
    """What a function has printed in the last `since` seconds; `NotFound` when the stack has no such function."""
    name = f"{function.capitalize()}Logs"
    group = next((part.physical for part in parts(stack, region) if part.name == name), None)
    if group is None:
        fix = "The bot, the API and isolation per tenant add some."
        raise NotFound(f"stack {stack} has no function {function}.", fix=fix)
    begin = int((time.time() - since) * 1000)
    with explained(f"log {group}"):
        pages = client("logs", region).get_paginator("filter_log_events").paginate(logGroupName=group, startTime=begin)
        for page in pages:
            for event in page["events"]:
                yield LogLine(event["timestamp"] / 1000, event["message"].rstrip("\n"))


def telegram_url(stack: str, region: str | None = None) -> str:
    """Where the deployment takes Telegram's updates; `NotFound` when it has no bot."""
    told = outputs(stack, region)
    if "TelegramUrl" in told:
        return told["TelegramUrl"]
    if "FunctionUrl" in told:
        return told["FunctionUrl"].rstrip("/") + "/telegram"
    raise NotFound(f"stack {stack} has no bot.", fix="Set TELEGRAM_BOT_TOKEN and TELEGRAM_WEBHOOK_SECRET, and deploy.")
