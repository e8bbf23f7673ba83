"""How the Web API says no: mostly status 200 with an error's name, as it is documented to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class ApiError(Exception):
    """An answer that is not `ok`."""

    error: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)


def bad(error: str, **more: object) -> ApiError:
    """The request is wrong."""
    return ApiError(error, more=more)


def too_many(seconds: int) -> ApiError:
    """https://docs.slack.dev/apis/web-api/rate-limits: status 429 and how long to wait."""
    return ApiError("ratelimited", 429, {"retry-after": str(seconds)})


DOWN = ApiError("service_unavailable", 503)
