"""How the Bot API says no: status, description and parameters as it is documented to give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class ApiError(Exception):
    """An answer that is not `ok`; the HTTP status is the error code."""

    code: int
    description: str
    parameters: Mapping[str, int] = field(default_factory=dict)


def bad(words: str) -> ApiError:
    """The request is wrong."""
    return ApiError(400, f"Bad Request: {words}")


def too_many(seconds: int) -> ApiError:
    """The flood limit is reached."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


UNAUTHORIZED = ApiError(401, "Unauthorized")
UNKNOWN_METHOD = ApiError(404, "Not Found")
BLOCKED = ApiError(403, "Forbidden: bot was blocked by the user")
NO_CHAT = bad("chat not found")
NO_TOPIC = bad("message thread not found")
HAS_WEBHOOK = ApiError(
    409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
OTHER_POLLER = ApiError(
    409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)
