"""The one module that Lambda is pointed at; each function loads only what it needs.

`producer` and `dispatcher` run from a zip with the standard library alone; `agent`, `control`, `sweeper` and `api` from
the container image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# ruff: noqa: PLC0415 - the producer must not load what the agent needs


def producer(event: Mapping[str, Any], context: object) -> Mapping[str, Any]:  # noqa: ARG001 - Lambda's signature
    """A webhook's request from API Gateway or a function URL; its answer."""
    from outlive.entrypoints.aws_lambda.intake import answer

    return answer(event)


def agent(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a class of Lambda's own
    """A batch from the queue; the messages that are not done."""
    from outlive.entrypoints.aws_lambda.turns import run_batch

    return run_batch(event, remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000)


def dispatcher(event: Mapping[str, Any], context: object) -> Mapping[str, Any]:  # noqa: ARG001 - Lambda's signature
    """A batch from the queue, each message for an agent of its tenant's own; the messages that are not done."""
    from outlive.entrypoints.aws_lambda.dispatching import dispatch

    return dispatch(event)


def control(event: Mapping[str, Any], context: object) -> Mapping[str, Any]:  # noqa: ARG001 - Lambda's signature
    """A command, a button or a stranger of Telegram; what was told."""
    from outlive.entrypoints.aws_lambda.controlling import run_control

    return run_control(event)


def sweeper(event: object, context: object) -> Mapping[str, Any]:  # noqa: ARG001 - Lambda's signature
    """A tick of a schedule; what was done."""
    from outlive.entrypoints.aws_lambda.sweeping import run_sweep

    return run_sweep(event)


def api(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a class of Lambda's own
    """A request of the HTTP API from API Gateway or a function URL; its answer."""
    from outlive.entrypoints.aws_lambda.serving_api import run_api

    return run_api(event, remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000)
