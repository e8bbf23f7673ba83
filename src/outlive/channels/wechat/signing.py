"""Who sent a request: WeChat's signature over token, time and nonce, and how old it may be; standard library only."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha1

from outlive.errors import Invalid, Refused

WINDOW_SECONDS = 300.0
"""How far a request's time may be off: an older one is a replay."""
MIN_TOKEN = 3
"""Characters; WeChat takes 3 to 32."""


def signature(*parts: str) -> str:
    """SHA-1 of the parts, sorted and joined.

    https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html
    """
    return sha1("".join(sorted(parts)).encode(errors="replace"), usedforsecurity=False).hexdigest()


def check_signature(query: Mapping[str, str], name: str, token: str, *sealed: str) -> None:
    """`Refused` unless the parameter `name` of the request is the signature over what it carries."""
    if len(token) < MIN_TOKEN:
        raise Invalid("the token is missing.", fix="Set WECHAT_TOKEN, or WECOM_BOT_TOKEN, to the one in the console.")
    made = signature(token, query.get("timestamp", ""), query.get("nonce", ""), *sealed)
    if not hmac.compare_digest(made.encode(), query.get(name, "").encode(errors="replace")):
        raise Refused("the request does not carry the right signature.", fix="Check the token on both sides.")


def check_time(query: Mapping[str, str], now: float) -> None:
    """`Refused` when the request was signed too long ago, or in the future."""
    stamp = query.get("timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Refused("the request does not say when it was signed.")
    if abs(now - int(stamp)) > WINDOW_SECONDS:
        raise Refused("the request was signed too long ago.", fix="Check this machine's clock.")
