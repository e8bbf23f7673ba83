"""What the Bot API's refusals mean: each named by what the caller can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outlive.errors import Conflict, Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable


class Blocked(Refused):
    """The person has blocked the bot, or the bot was removed from the group."""


class ChatGone(NotFound):
    """Telegram knows no such chat."""


class TopicGone(NotFound):
    """The forum topic was deleted."""


class NotModified(Conflict):
    """The message says that already."""


class CannotParse(Invalid):
    """Telegram cannot read the formatting."""


class ChatMoved(Conflict):
    """The group has another id now."""

    def __init__(self, new_chat: int) -> None:
        """`new_chat` is the id to use from now on."""
        super().__init__(f"the group has moved to {new_chat}.")
        self.new_chat = new_chat


_BY_WORDS: tuple[tuple[str, type[OutliveError]], ...] = (
    ("message is not modified", NotModified),
    ("can't parse", CannotParse),
    ("entity", CannotParse),
    ("chat not found", ChatGone),
    ("message thread not found", TopicGone),
    ("topic_deleted", TopicGone),
    ("topic_closed", TopicGone),
    ("file is too big", TooLarge),
)
_FIXES = {
    401: "Check TELEGRAM_BOT_TOKEN; @BotFather shows it.",
    403: "The person has to start the bot again, or the group to add it.",
    409: "One process polls a bot, and none while it has a webhook: see `outlive telegram webhook info`.",
}


def fault(method: str, status: int, answer: Mapping[str, Any]) -> OutliveError:
    """The error for an answer that is not `ok`."""
    words = str(answer.get("description") or f"HTTP {status}")
    parameters = answer.get("parameters") or {}
    message = f"Telegram refuses {method}: {words}."
    if new_chat := parameters.get("migrate_to_chat_id"):
        return ChatMoved(int(new_chat))
    if status == 429:
        return RateLimited(message, retry_after=float(parameters.get("retry_after", 1)))
    if status >= 500:
        return Unavailable(message)
    kind = next((kind for part, kind in _BY_WORDS if part in words.lower()), None) if status == 400 else None
    kind = kind or {401: Refused, 403: Blocked, 404: NotFound, 409: Conflict, 413: TooLarge}.get(status, Invalid)
    return kind(message, fix=_FIXES.get(status))
