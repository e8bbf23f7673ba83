"""The producer: a webhook's request is verified, decided on, handed over and answered. Standard library only.

Answered with an error only when the hand-over failed, so that the sender tries again, or when the request can never
be taken.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from typing import Any

from outlive.core.keys import parse_tenant
from outlive.core.messages import Inbound, encode_inbound
from outlive.core.records import Message
from outlive.entrypoints.aws_lambda.sending import Sender
from outlive.entrypoints.aws_lambda.slack import Answered, is_slacks, read_slack
from outlive.entrypoints.aws_lambda.telegram import check_bot, take_update
from outlive.entrypoints.aws_lambda.webhook import check_secret, read_webhook
from outlive.errors import Invalid, OutliveError, Refused, TooLarge, Unavailable

TELEGRAM_PATH = "/telegram"
STATUS: Mapping[type[OutliveError], int] = {TooLarge: 413, Invalid: 400, Refused: 401, Unavailable: 503}


def answer(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What API Gateway (payload format 2.0) or a function URL gets for its event.

    Which door a request comes through tells who sends it: `/telegram` is Telegram's. A missing secret or queue raises
    `Invalid`: the function does not start.
    """
    inbound: Inbound | Answered
    sender, secret = _sender(), check_secret(os.environ.get("WEBHOOK_SECRET", ""))
    tenant = parse_tenant(os.environ.get("OUTLIVE_TENANT", "local"))
    is_telegram = str(event.get("rawPath", "")).endswith(TELEGRAM_PATH)
    if is_telegram:
        check_bot(os.environ)
    try:
        headers, body, now = event.get("headers") or {}, _body(event), time.time()
        if is_telegram:
            return _response(200, take_update(sender, headers, body, tenant=tenant))
        if is_slacks(headers):
            inbound = read_slack(headers, body, env=os.environ, tenant=tenant, now=now)
        else:
            inbound = read_webhook(headers, body, secret=secret, tenant=tenant, now=now)
        if isinstance(inbound, Answered):
            return _said(inbound)
        sender.send(Message(str(inbound.key), inbound.message_id, encode_inbound(inbound)))
    except OutliveError as error:
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        return _response(status, {"error": error.message, "fix": error.fix})
    return _response(200, {"queued": inbound.message_id})


def _said(answered: Answered) -> Mapping[str, Any]:
    """To Slack, which wants text; why goes into the log."""
    print(json.dumps({"event": "answered", "why": answered.why}))  # noqa: T201 - what a function prints is its log
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": answered.text}


@cache
def _sender() -> Sender:
    return Sender(os.environ)


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    try:
        return b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except ValueError as error:
        raise Invalid("the body cannot be decoded.", fix="Send JSON.") from error


def _response(status: int, said: object) -> Mapping[str, Any]:
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(said)}
