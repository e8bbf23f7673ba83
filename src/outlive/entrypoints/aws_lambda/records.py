"""One record of the session table read without a client library. Standard library only."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from outlive.core.record_bodies import unpack
from outlive.entrypoints.aws_lambda.calling import Caller, needed
from outlive.errors import Unavailable

HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}


class Records:
    """Reads records of one table whose bodies are JSON."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """From `SESSION_TABLE` and the function's environment; `Invalid` names what is missing."""
        self._table = needed(env, "SESSION_TABLE")
        self._caller = Caller(env, "dynamodb")

    def read(self, tenant: str, key: str) -> Mapping[str, Any] | None:
        """The record below the tenant, strongly consistent; None when there is none. Layout: `outlive.aws.items`."""
        asked = {
            "TableName": self._table,
            "Key": {"pk": {"S": tenant}, "sk": {"S": f"/{key}"}},
            "ConsistentRead": True,
            "ProjectionExpression": "body",
        }
        answer = self._caller.post(HEADERS, json.dumps(asked).encode())
        if answer.status != 200:
            said = answer.body[:300].decode(errors="replace")
            raise Unavailable(f"The table refused the read ({answer.status}): {said}")
        item = json.loads(answer.body).get("Item")
        if item is None:
            return None
        found: Mapping[str, Any] = json.loads(unpack(b64decode(item["body"]["B"]), f"{tenant}/{key}"))
        return found
