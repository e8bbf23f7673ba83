"""Another function called without a client library. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outlive.entrypoints.aws_lambda.calling import Answer, Caller
from outlive.errors import Unavailable

PATH = "/2015-03-31/functions/{}/invocations"


def start(caller: Caller, function: str, event: object) -> None:
    """Hand an event to a function and do not wait for it; `Unavailable` when Lambda did not take it."""
    answer = caller.post({"x-amz-invocation-type": "Event"}, json.dumps(event).encode(), path=PATH.format(function))
    if answer.status != 202:
        raise _refused(function, answer)


def call(caller: Caller, function: str, event: object, *, tenant: str) -> Mapping[str, Any]:
    """What a function returns that runs in an environment of the tenant's own; `Unavailable` when it failed.

    Lambda never shares an environment of a function with tenant isolation between two tenant ids.
    """
    headers = {"x-amz-invocation-type": "RequestResponse", "x-amz-tenant-id": tenant}
    answer = caller.post(headers, json.dumps(event).encode(), path=PATH.format(function))
    if answer.status != 200 or "x-amz-function-error" in answer.headers:
        raise _refused(function, answer)
    returned: Mapping[str, Any] = json.loads(answer.body)
    return returned


def _refused(function: str, answer: Answer) -> Unavailable:
    said = answer.body[:300].decode(errors="replace")
    return Unavailable(f"Function {function} failed ({answer.status}): {said}")
