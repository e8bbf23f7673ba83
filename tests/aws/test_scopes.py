"""What a tenant's credentials are narrowed to, as IAM reads it: the local AWS does not apply conditions on keys."""

from __future__ import annotations

import json

import pytest

from outlive.aws.scopes import stores_of
from outlive.errors import Invalid

ROLE = "arn:aws:iam::123456789012:role/outlive-TurnRole"
TABLE = "dynamodb://sessions?region=eu-central-1"
RECORDS = {
    "Effect": "Allow",
    "Action": [f"dynamodb:{name}" for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")],
    "Resource": ["arn:aws:dynamodb:eu-central-1:123456789012:table/sessions"],
    "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["acme"]}},
}


def test_a_tenant_gets_its_partition_and_its_prefix() -> None:
    """The session policy allows five actions on the tenant's partition key, its prefix of the bucket, and no Scan."""
    policy = json.loads(stores_of(ROLE, TABLE, "s3://packs").policy("acme"))
    bucket = "arn:aws:s3:::packs"
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    assert policy["Version"] == "2012-10-17"
    assert policy["Statement"] == [
        RECORDS,
        {"Effect": "Allow", "Action": objects, "Resource": [f"{bucket}/acme/*"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket],
            "Condition": {"StringLike": {"s3:prefix": ["acme/*"]}},
        },
    ]


def test_of_a_directory_bucket_sessions_are_allowed_and_nothing_else() -> None:
    """An express bucket gives sessions for the whole of it; the table is narrowed all the same."""
    policy = json.loads(stores_of(ROLE, TABLE, "s3://outlive--euc1-az1--x-s3").policy("acme"))
    bucket = "arn:aws:s3express:eu-central-1:123456789012:bucket/outlive--euc1-az1--x-s3"
    sessions = {"Effect": "Allow", "Action": ["s3express:CreateSession"], "Resource": [bucket]}
    assert policy["Statement"] == [RECORDS, sessions]


@pytest.mark.parametrize("objects", ["file:///tmp/objects", "s3://packs/prefix"])
def test_what_cannot_be_narrowed_is_refused(objects: str) -> None:
    """Objects elsewhere than at the root of a bucket are refused, with what to do."""
    with pytest.raises(Invalid, match="OUTLIVE_TURN_ROLE") as caught:
        stores_of(ROLE, TABLE, objects)
    assert "s3://BUCKET" in str(caught.value.fix)
