"""Checks of what lies on AWS: who asks, whose clock is right, table, bucket, queue and secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from outlive.clock import SystemClock
from outlive.core.buckets import express_zone
from outlive.entrypoints.aws_stack.services import client, explained
from outlive.entrypoints.aws_stack.tables import KEYS
from outlive.entrypoints.doctor.findings import Found, fail, warn
from outlive.errors import NotFound
from outlive.settings import Settings

SKEW_SECONDS = 300
"""AWS refuses what was signed further off than that
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html)."""
STORES = ("SESSION_TABLE", "SESSION_BUCKET", "QUEUE_URL")


def looks(settings: Settings) -> Mapping[str, Callable[[], Found]]:
    """The checks of those stores that are on AWS; none for a deployment without AWS."""
    found: dict[str, Callable[[], Found]] = {}
    if urlsplit(settings.table_url).scheme == "dynamodb":
        found["AWS table"] = partial(table, settings.table_url)
    if urlsplit(settings.objects_url).scheme == "s3":
        found["AWS bucket"] = partial(bucket, settings.objects_url)
    if urlsplit(settings.queue_url).scheme in {"sqs", "https", "http"}:
        found["AWS queue"] = partial(queue, settings.queue_url)
    if not found:
        return {}
    return {"AWS credentials": credentials, "AWS clock": clock, **found, "AWS secrets": partial(secrets, settings)}


def credentials() -> Found:
    """Whether AWS knows who asks."""
    caller = client("sts")
    with explained("AWS"):
        who = caller.get_caller_identity()
    return Found(f"{who['Arn']}, {caller.meta.region_name}")


def clock() -> Found:
    """Whether this machine's clock is close enough to AWS's: signatures carry the time."""
    caller = client("sts")
    heard: list[str] = []
    caller.meta.events.register(
        "before-parse.sts", lambda response_dict, **_: heard.append(response_dict["headers"]["date"])
    )
    with explained("AWS"):
        caller.get_caller_identity()
    return skew(parsedate_to_datetime(heard[-1]).timestamp(), SystemClock().now())


def skew(theirs: float, ours: float) -> Found:
    """What the difference of two clocks means, in epoch seconds."""
    off = ours - theirs
    told = f"this clock is {abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} AWS's"
    if abs(off) >= SKEW_SECONDS:
        return fail(
            f"{told}; requests and webhooks are refused over {SKEW_SECONDS} s", "Set this machine's clock (NTP)."
        )
    return warn(told, "Set this machine's clock (NTP).") if abs(off) > SKEW_SECONDS / 5 else Found(told)


def table(url: str) -> Found:
    """Whether the table has the keys that outlive writes, and removes what is over."""
    name, region, endpoint = _place(url)
    dynamodb = client("dynamodb", region, endpoint)
    with explained(f"table {name}"):
        found = dynamodb.describe_table(TableName=name)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    keys = {key["AttributeName"]: key["KeyType"] for key in found["KeySchema"]}
    if keys != KEYS:
        shown = ", ".join(f"{key} ({kind})" for key, kind in keys.items())
        return fail(f"table {name} has the keys {shown}", "Make one with `outlive aws tables create NAME --yes`.")
    if ttl["TimeToLiveStatus"] not in {"ENABLED", "ENABLING"} or ttl.get("AttributeName") != "ttl":
        command = f"aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification"
        fix = f"`{command} Enabled=true,AttributeName=ttl`"
        return warn(f"table {name} has no TTL on `ttl`: what is over is never removed", fix)
    return Found(f"table {name}: keys and TTL as they should be")


def bucket(url: str) -> Found:
    """Whether the bucket is there, and in the region that is asked."""
    name = urlsplit(url).netloc
    s3 = client("s3")
    try:
        with explained(f"bucket {name}"):
            answer: Mapping[str, Any] = s3.head_bucket(Bucket=name)
    except NotFound as error:
        raise NotFound(f"bucket {name} does not exist.", fix="Create it, or correct SESSION_BUCKET.") from error
    return where(name, _region_of(answer), s3.meta.region_name)


def where(name: str, theirs: str, ours: str) -> Found:
    """What it means where a bucket lies, and where it is asked for."""
    if theirs and theirs != ours:
        return fail(f"bucket {name} is in {theirs}, and {ours} is asked for it", f"Set AWS_REGION={theirs}.")
    zone = express_zone(name)
    return Found(f"bucket {name} is in {f'zone {zone} of {ours}, and in no other zone' if zone else ours}")


def _region_of(answer: Mapping[str, Any]) -> str:
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))


def queue(url: str) -> Found:
    """Whether the queue is there and has dead letters behind it."""
    name, region, endpoint = _place(url)
    sqs = client("sqs", region, endpoint)
    try:
        with explained(f"queue {name}"):
            at = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=at, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
    except NotFound as error:
        fix = "Create it, or deploy again: a deleted queue's name is free after a minute. Its messages are lost."
        raise NotFound(f"queue {name} does not exist.", fix=fix) from error
    policy = json.loads(found.get("RedrivePolicy", "{}"))
    if "deadLetterTargetArn" not in policy:
        return fail(f"queue {name} has no dead-letter queue", "Give it a redrive policy with 3 receives.")
    return Found(f"queue {name}: dead letters after {policy['maxReceiveCount']} receives")


def secrets(settings: Settings) -> Found:
    """Whether what belongs together is set together."""
    missing = [name for name in STORES if not os.environ.get(name)]
    if 0 < len(missing) < len(STORES) and not all((settings.table, settings.objects, settings.queue)):
        return fail(
            f"{', '.join(missing)} not set beside the others", "Set all three; `outlive aws outputs` tells them."
        )
    if settings.telegram_bot_token and not settings.telegram_webhook_secret:
        fix = "Set it to the TelegramWebhookSecret of the deployment."
        return warn("TELEGRAM_BOT_TOKEN is set, TELEGRAM_WEBHOOK_SECRET is not: no webhook can be set", fix)
    return Found("what belongs together is set")


def _place(url: str) -> tuple[str, str | None, str | None]:
    """Name, region and endpoint of a table or queue, as its URL tells them."""
    from outlive.aws.client import parse_place  # noqa: PLC0415 - an extra
    from outlive.aws.queue import parse_queue  # noqa: PLC0415

    place = parse_place(url, "dynamodb") if url.startswith("dynamodb:") else parse_queue(url)
    return place.name, place.region, place.endpoint
