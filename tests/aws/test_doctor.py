"""What `outlive doctor` says of a deployment on AWS."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest
from botocore.stub import Stubber

from outlive.entrypoints.aws_stack.services import explained
from outlive.entrypoints.aws_stack.tables import create_table
from outlive.entrypoints.doctor import aws_checks
from outlive.errors import NotFound, Refused
from outlive.settings import load_settings
from tests.aws.stack import client
from tests.servers import local_aws


@pytest.fixture(autouse=True)
def _endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws())


def make_table(name: str, *keys: str) -> str:
    """A table with these keys and no TTL; its URL."""
    client(local_aws(), "dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return f"dynamodb://{name}"


def test_a_table_with_other_keys_is_named(name: str) -> None:
    """The keys it has are told, and how to make one that fits."""
    found = aws_checks.table(make_table(name, "id"))
    assert (found.status, "id (HASH)" in found.found, "tables create" in str(found.fix)) == ("fail", True, True)


def test_a_table_without_ttl_is_named(name: str) -> None:
    """The command that switches it on is the fix; a table made by outlive has it."""
    found = aws_checks.table(make_table(name, "pk", "sk"))
    assert (found.status, "update-time-to-live" in str(found.fix)) == ("warn", True)
    create_table(f"{name}-b", "us-east-1")
    assert aws_checks.table(f"dynamodb://{name}-b").status == "ok"


def test_a_deleted_queue_is_named(name: str) -> None:
    """A queue that is gone, and one without dead letters, are told with what to do."""
    with pytest.raises(NotFound, match="does not exist") as caught:
        aws_checks.queue(f"sqs://{name}.fifo")
    assert caught.value.fix
    client(local_aws(), "sqs").create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
    assert "dead-letter" in aws_checks.queue(f"sqs://{name}.fifo").found


def test_a_bucket_elsewhere_is_named(name: str) -> None:
    """A missing bucket is told, one here is fine, one zone is told as such, and of another region both are told."""
    with pytest.raises(NotFound, match=name):
        aws_checks.bucket(f"s3://{name}")
    client(local_aws(), "s3").create_bucket(Bucket=name)
    assert aws_checks.bucket(f"s3://{name}").status == "ok"
    assert "zone use1-az4" in aws_checks.where("outlive--use1-az4--x-s3", "", "us-east-1").found
    found = aws_checks.where(name, "eu-west-1", "us-east-1")
    assert (found.status, found.fix) == ("fail", "Set AWS_REGION=eu-west-1.")


@pytest.mark.parametrize(("off", "status"), [(0, "ok"), (-90, "warn"), (300, "fail"), (-4000, "fail")])
def test_a_wrong_clock_is_named(off: float, status: str) -> None:
    """Five minutes off is a failure, one minute a warning."""
    assert aws_checks.skew(1_000_000.0, 1_000_000.0 + off).status == status


def test_the_clock_of_aws_is_read() -> None:
    """The date of an answer is compared with this machine's clock."""
    assert aws_checks.clock().status == "ok"
    assert "us-east-1" in aws_checks.credentials().found


@pytest.mark.parametrize(("code", "said"), [("ExpiredToken", "expired"), ("InvalidClientTokenId", "does not know")])
def test_bad_credentials_are_named(code: str, said: str) -> None:
    """Expired credentials and unknown ones are told apart, with how to renew them."""
    sts = botocore.session.get_session().create_client("sts", region_name="us-east-1")
    stubber = Stubber(sts)
    stubber.add_client_error("get_caller_identity", code)
    with stubber, pytest.raises(Refused, match=said) as caught, explained("AWS"):
        sts.get_caller_identity()
    assert "aws sso login" in str(caught.value.fix)


def test_half_a_deployment_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A table on AWS with the bucket left out is told; so is a bot without its webhook's secret."""
    monkeypatch.setenv("SESSION_TABLE", "t")
    found = aws_checks.secrets(load_settings(data=tmp_path))
    assert (found.status, "SESSION_BUCKET, QUEUE_URL" in found.found) == ("fail", True)
    monkeypatch.setenv("SESSION_BUCKET", "b")
    monkeypatch.setenv("QUEUE_URL", "sqs://q.fifo")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "7:x")
    assert "TELEGRAM_WEBHOOK_SECRET" in aws_checks.secrets(load_settings(data=tmp_path)).found


def test_without_aws_nothing_is_asked(tmp_path: Path) -> None:
    """Embedded stores have none of these checks."""
    assert aws_checks.looks(load_settings(data=tmp_path)) == {}
