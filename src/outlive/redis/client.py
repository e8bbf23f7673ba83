"""Clients of a Redis or Valkey server: the URL, and what its errors mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from outlive.errors import Invalid, Unavailable

PREFIX = "outlive:"


def place_of(url: str) -> str:
    """The server as it is named in errors, without the password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_client(url: str, what: str, *, wait_seconds: float | None, connect_seconds: float) -> Redis:
    """A client that connects with its first call; `Invalid` names `what` when the URL is none.

    `wait_seconds` for an answer, None for as long as it takes.
    """
    place = place_of(url)
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        raise Invalid(f"{what} URL {place!r} is not supported.", fix="Use redis://HOST:PORT/DB.")
    try:
        return Redis.from_url(
            url,
            socket_timeout=wait_seconds,
            socket_connect_timeout=connect_seconds,
            retry=Retry(NoBackoff(), 1),  # one more try on a fresh connection: the server may have been restarted
            protocol=2,  # with this and the next line a connection's first words are ours, not four greetings
            driver_info=None,
        )
    except ValueError as error:
        raise Invalid(f"{what} URL {place!r} is not valid: {error}.", fix="Use redis://HOST:PORT/DB.") from error


@asynccontextmanager
async def translated(place: str, meanwhile: str) -> AsyncIterator[None]:
    """The one place that knows what Redis's errors mean; `meanwhile` is what is done until it is back."""
    try:
        yield
    except AuthenticationError as error:
        fix = "Correct the user and password in the URL."
        raise Unavailable(f"{place} refuses us: {error}.", original=error, fix=fix) from error
    except (RedisError, OSError) as error:
        fix = f"Check that the server runs; until then {meanwhile}."
        raise Unavailable(f"{place} does not answer: {error}.", original=error, fix=fix) from error
