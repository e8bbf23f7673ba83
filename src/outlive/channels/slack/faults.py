"""What the Web API's refusals mean: each named by what the caller can do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from outlive.errors import Conflict, Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable


class ChatGone(NotFound):
    """Slack has no such channel, or it is archived."""


class NotInvited(Refused):
    """The app is not in the channel."""


class CannotShow(Invalid):
    """Slack does not take the blocks."""


class MessageTooLong(TooLarge):
    """Slack does not take a message of that length."""


class NotStreaming(Conflict):
    """The message is no open stream any more."""


_KINDS: Mapping[str, type[OutliveError]] = {
    "channel_not_found": ChatGone,
    "is_archived": ChatGone,
    "thread_not_found": ChatGone,
    "user_not_found": ChatGone,
    "not_in_channel": NotInvited,
    "restricted_action": NotInvited,
    "invalid_blocks": CannotShow,
    "invalid_blocks_format": CannotShow,
    "no_text": CannotShow,
    "msg_too_long": MessageTooLong,
    "msg_blocks_too_long": MessageTooLong,
    "message_not_in_streaming_state": NotStreaming,
    "streaming_mode_mismatch": NotStreaming,
    "message_not_found": NotFound,
    "file_not_found": NotFound,
    "file_deleted": NotFound,
    **dict.fromkeys(("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"), Refused),
    **dict.fromkeys(("missing_scope", "not_allowed_token_type", "access_denied", "team_access_not_granted"), Refused),
    **dict.fromkeys(("internal_error", "fatal_error", "service_unavailable", "request_timeout"), Unavailable),
}
_FIXES = {
    "invalid_auth": "Check SLACK_BOT_TOKEN (and SLACK_APP_TOKEN for Socket Mode); the app's page shows them.",
    "missing_scope": "Give the app what `outlive slack manifest` lists, and install it again.",
    "not_in_channel": "Invite the app: /invite in that channel.",
}
TOO_MANY = frozenset({"ratelimited", "rate_limited"})


def fault(method: str, status: int, answer: Mapping[str, Any], retry_after: str = "") -> OutliveError:
    """The error for an answer that is not `ok`; `retry_after` is the header of that name."""
    code = str(answer.get("error") or f"HTTP {status}")
    needed = f" (it needs {answer['needed']})" if answer.get("needed") else ""
    message = f"Slack refuses {method}: {code}{needed}."
    if status == 429 or code in TOO_MANY:
        return RateLimited(message, retry_after=_seconds(retry_after))
    if status >= 500:
        return Unavailable(message)
    return _KINDS.get(code, Invalid)(message, fix=_FIXES.get(code))


def _seconds(text: str) -> float:
    """At least one; something odd counts as half a minute, which is what Slack mostly asks for."""
    try:
        seconds = float(text)
    except ValueError:
        return 30.0
    return max(1.0, seconds) if math.isfinite(seconds) else 30.0
