"""The producer: a webhook's request is verified, decided on, handed over and answered. Standard library only.

Answered with an error only when the hand-over failed, so that the sender tries again, or when the request can never
be taken. A door's own modules are loaded by the first request that comes through it: a process starts for one.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from outlive.core.keys import Tenant, parse_tenant
from outlive.core.messages import Inbound, encode_inbound
from outlive.core.queued import Message
from outlive.entrypoints.aws_lambda.sending import Sender
from outlive.entrypoints.aws_lambda.webhook import check_secret, read_webhook
from outlive.errors import Invalid, OutliveError, Refused, TooLarge, Unavailable

# ruff: noqa: PLC0415 - what one door needs is not loaded for the others

Take = Callable[[Sender, Mapping[str, str], bytes, Tenant, str], Mapping[str, Any]]
TELEGRAM_PATH = "/telegram"
SLACK_HEADER = "x-slack-signature"
STATUS: Mapping[type[OutliveError], int] = {TooLarge: 413, Invalid: 400, Refused: 401, Unavailable: 503}


def answer(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What API Gateway (payload format 2.0) or a function URL gets for its event.

    Which door a request comes through tells who sends it: `/telegram` is Telegram's. A missing secret or queue raises
    `Invalid`: the function does not start.
    """
    sender, secret = _sender(), check_secret(os.environ.get("WEBHOOK_SECRET", ""))
    tenant = parse_tenant(os.environ.get("OUTLIVE_TENANT", "local"))
    is_telegram = str(event.get("rawPath", "")).endswith(TELEGRAM_PATH)
    take: Take = _from_telegram() if is_telegram else _from_anybody
    try:
        return take(sender, event.get("headers") or {}, _body(event), tenant, secret)
    except OutliveError as error:
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        return _response(status, {"error": error.message, "fix": error.fix})


def _from_telegram() -> Take:
    """Telegram's door; `Invalid` names what it misses."""
    from outlive.entrypoints.aws_lambda.telegram import check_bot, take_update

    check_bot(os.environ)
    return lambda sender, headers, body, tenant, _: _response(200, take_update(sender, headers, body, tenant=tenant))


def _from_anybody(
    sender: Sender, headers: Mapping[str, str], body: bytes, tenant: Tenant, secret: str
) -> Mapping[str, Any]:
    if any(name.lower() == SLACK_HEADER for name in headers):
        return _from_slack(sender, headers, body, tenant)
    return _queued(sender, read_webhook(headers, body, secret=secret, tenant=tenant, now=time.time()))


def _from_slack(sender: Sender, headers: Mapping[str, str], body: bytes, tenant: Tenant) -> Mapping[str, Any]:
    """Slack wants text, and why it got it goes into the log."""
    from outlive.entrypoints.aws_lambda.slack import Answered, read_slack

    found = read_slack(headers, body, env=os.environ, tenant=tenant, now=time.time())
    if not isinstance(found, Answered):
        return _queued(sender, found)
    print(json.dumps({"event": "answered", "why": found.why}))  # noqa: T201 - what a function prints is its log
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": found.text}


def _queued(sender: Sender, inbound: Inbound) -> Mapping[str, Any]:
    sender.send(Message(str(inbound.key), inbound.message_id, encode_inbound(inbound)))
    return _response(200, {"queued": inbound.message_id})


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
