"""A table for sessions without the template: what outlive needs of it, made by the service itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outlive.entrypoints.aws_stack.services import client, explained

KEYS = {"pk": "HASH", "sk": "RANGE"}


def table_definition(name: str) -> Mapping[str, Any]:
    """As DynamoDB takes it: keys `pk` and `sk`, both strings, paid by request. It encrypts every table by itself."""
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in KEYS.items()],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in KEYS],
        "BillingMode": "PAY_PER_REQUEST",
    }


def create_table(name: str, region: str | None) -> str:
    """The new table's ARN, once it can be used: TTL on `ttl`, recovery to any second of the last 35 days."""
    dynamodb = client("dynamodb", region)
    with explained(f"table {name}"):
        arn = dynamodb.create_table(**table_definition(name))["TableDescription"]["TableArn"]
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2})
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    return str(arn)
