"""What the error codes of the official-account API mean: each named by what the caller can do about it.

https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
"""

from __future__ import annotations

from outlive.errors import Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable, Undelivered

TOKEN_OVER = frozenset({40001, 40014, 42001})
"""The access token is wrong or has run out: get another."""
SETUP_SECONDS = 300.0
QUOTA_SECONDS = 600.0
_SETUP = {
    40013: "Check WECHAT_APP_ID.",
    40125: "Check WECHAT_APP_SECRET.",
    40164: "Put this machine's address into the account's IP list.",
}
_LIMITS = {45009: 3600.0, 45011: 60.0, 45047: QUOTA_SECONDS}
"""Seconds to wait: calls a day; calls a minute; messages until the person writes again."""
_FINAL: dict[int, tuple[type[OutliveError], str | None]] = {
    40003: (NotFound, None),
    40007: (NotFound, None),
    43004: (Refused, "The person has to follow the account again."),
    45002: (TooLarge, None),
    45015: (Refused, "The person has to write again: WeChat takes answers for 48 hours."),
    48001: (Refused, "The account has no right to customer-service messages: have it verified."),
}


class TokenOver(Unavailable):
    """The access token is not taken any more."""


def fault(call: str, code: int, words: str) -> OutliveError:
    """The error for an `errcode` that is not 0."""
    message = f"WeChat refuses {call}: {code} {words}."
    if code in TOKEN_OVER:
        return TokenOver(message)
    if code in _SETUP:
        return Undelivered(message, retry_after=SETUP_SECONDS, fix=_SETUP[code])
    if code in _LIMITS:
        return RateLimited(message, retry_after=_LIMITS[code])
    if code == -1:
        return Unavailable(message)
    kind, fix = _FINAL.get(code, (Invalid, None))
    return kind(message, fix=fix)
