"""A vendor's request to a webhook: an answer within so many seconds, or none."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back; status 0 for nothing in time."""

    status: int
    body: bytes = b""


async def request(url: str, query: Mapping[str, str], body: bytes | None, seconds: float) -> Answered:
    """POST, or GET without a body."""
    return await asyncio.to_thread(_request, f"{url}?{urlencode(query)}", body, seconds)


def _request(url: str, body: bytes | None, seconds: float) -> Answered:
    try:
        with urllib.request.urlopen(url, body, timeout=seconds) as answer:  # noqa: S310 - a test's own
            return Answered(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answered(error.code, error.read())
    except OSError:
        return Answered(0)
