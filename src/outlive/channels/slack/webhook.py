"""A request to the app's address: who sent it, whether it is fresh, what becomes of it. Standard library only."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from outlive.channels.slack.decisions import Decision, Drop
from outlive.channels.slack.interactive import parse_interaction, parse_slash
from outlive.channels.slack.parse import parse_callback
from outlive.channels.slack.rules import Rules
from outlive.errors import Invalid, Refused, TooLarge

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"
RETRY_HEADER = "x-slack-retry-num"
SKEW_SECONDS = 300
"""https://docs.slack.dev/authentication/verifying-requests-from-slack: older requests may be replayed ones."""
MAX_BODY = 1024 * 1024
"""Bytes of a request; Slack's own are some kilobytes long."""

_SECRET = re.compile(r"[!-~]{16,256}\Z")


def check_secret(secret: str) -> str:
    """The signing secret; `Invalid` when it cannot be one."""
    if not _SECRET.match(secret):
        raise Invalid(
            "the signing secret is missing, or is none.",
            fix="Set SLACK_SIGNING_SECRET; the app's page shows it under Basic Information.",
        )
    return secret


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a request, version 0."""
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def read_webhook(headers: Mapping[str, str], body: bytes, *, secret: str, rules: Rules, now: float) -> Decision:
    """What becomes of a request: `Refused` (401) when it is forged or stale, `TooLarge` (413), otherwise 200 in 3 s.

    Only a hand-over that fails later may be answered with another status: Slack then sends the event again.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    verify(lower, body, secret=check_secret(secret), now=now)
    if len(body) > MAX_BODY:
        raise TooLarge(f"the request is {len(body):,} bytes long.", fix=f"Send {MAX_BODY:,} bytes at most.")
    try:
        if lower.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _form(body, rules)
        return parse_callback(json.loads(body), rules)
    except (ValueError, RecursionError) as error:
        return Drop(f"the body cannot be read: {type(error).__name__}")


def verify(lower: Mapping[str, str], body: bytes, *, secret: str, now: float) -> None:
    """`Refused` unless the secret's owner signed this body within five minutes; header names in lower case."""
    stamp, given = lower.get(TIMESTAMP_HEADER, ""), lower.get(SIGNATURE_HEADER, "")
    expected = sign(secret, stamp, body) if stamp.isascii() else ""
    if not expected or not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise Refused("the request is not signed with the app's secret.", fix="Compare SLACK_SIGNING_SECRET.")
    if not stamp.isdigit() or abs(now - int(stamp)) > SKEW_SECONDS:
        raise Refused("the request was signed more than five minutes ago, or by a clock that is wrong.")


def _form(body: bytes, rules: Rules) -> Decision:
    """Buttons come as JSON in a field, slash commands as fields."""
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    if "payload" in fields:
        return parse_interaction(json.loads(fields["payload"]), rules)
    return parse_slash(fields, rules)
