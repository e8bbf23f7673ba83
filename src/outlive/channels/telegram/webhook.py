"""A webhook's request: who sent it, whether it can be read, what becomes of it. Standard library only."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping

from outlive.channels.telegram.decisions import Decision, Drop
from outlive.channels.telegram.parse import parse_update
from outlive.channels.telegram.rules import Rules
from outlive.errors import Invalid, Refused, TooLarge

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - the header's name
MAX_BODY = 1024 * 1024
"""Bytes of a request; Telegram's own updates are some kilobytes long."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}\Z")


def check_secret(secret: str) -> str:
    """The secret, if Telegram takes it and nobody guesses it; `Invalid` otherwise."""
    if not _SECRET.match(secret):
        raise Invalid(
            "the webhook secret is missing or too weak.",
            fix="Set TELEGRAM_WEBHOOK_SECRET to 16 to 256 of A-Z a-z 0-9 _ -, `openssl rand -hex 32` say.",
        )
    return secret


def read_webhook(headers: Mapping[str, str], body: bytes, *, secret: str, rules: Rules) -> Decision:
    """What becomes of a request: `Refused` (401) for a wrong secret, `TooLarge` (413), otherwise to be answered 200.

    Only a hand-over that fails later may be answered with another status: Telegram then sends the update again.
    """
    given = next((value for name, value in headers.items() if name.lower() == SECRET_HEADER), "")
    if not hmac.compare_digest(given.encode(errors="replace"), check_secret(secret).encode()):
        raise Refused("the request does not carry the webhook's secret.", fix="Run `outlive telegram webhook set`.")
    if len(body) > MAX_BODY:
        raise TooLarge(f"the request is {len(body):,} bytes long.", fix=f"Send {MAX_BODY:,} bytes at most.")
    try:
        update = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Drop(f"the body is not JSON: {type(error).__name__}")
    return parse_update(update, rules)
