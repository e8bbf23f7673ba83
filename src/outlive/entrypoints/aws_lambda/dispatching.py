"""The dispatcher: each message of the queue handed to the agent in an environment of its tenant's own.

A function with tenant isolation cannot be fed by a queue, only called directly, with the tenant's id. The call waits
longer than the agent may take and is never repeated by itself: a repeat would run the turn twice.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from outlive.aws.envelope import unpack
from outlive.core.keys import Tenant
from outlive.core.messages import decode_inbound
from outlive.entrypoints.aws_lambda.calling import Caller, needed
from outlive.entrypoints.aws_lambda.invoking import call
from outlive.errors import OutliveError

SECONDS = 890.0
"""Longer than the agent's own timeout in the template, and shorter than the dispatcher's."""
UNREADABLE = Tenant("unreadable")
"""Where a message is reported that names no tenant: the agent says why, and it dies in the queue."""


def dispatch(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The messages of the event that are not done; after one that failed the rest is left alone."""
    records: Sequence[Mapping[str, Any]] = event["Records"]
    for done, record in enumerate(records):
        if not _is_done(record):
            return {"batchItemFailures": [{"itemIdentifier": left["messageId"]} for left in records[done:]]}
    return {"batchItemFailures": []}


def _is_done(record: Mapping[str, Any]) -> bool:
    tenant = tenant_of(record["body"])
    try:
        returned = call(_caller(), needed(os.environ, "AGENT_FUNCTION"), {"Records": [record]}, tenant=tenant)
    except OutliveError as error:
        _tell("failed", tenant, record, error=error.message)
        return False
    _tell("dispatched", tenant, record)
    return not returned["batchItemFailures"]


def tenant_of(body: str) -> Tenant:
    """Whose message it is."""
    try:
        return decode_inbound(unpack(body).message.body).key.tenant
    except OutliveError:
        return UNREADABLE


def _tell(event: str, tenant: str, record: Mapping[str, Any], **fields: str) -> None:
    line = {"event": event, "tenant": tenant, "message": record["messageId"]} | fields
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@cache
def _caller() -> Caller:
    return Caller(os.environ, "lambda", seconds=SECONDS, attempts=1)
