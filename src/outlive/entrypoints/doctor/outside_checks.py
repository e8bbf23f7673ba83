"""Checks of servers that are asked for besides the stores: the model's key, the hot tier and the broadcast."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from outlive.clock import SystemClock
from outlive.databases import open_broadcast, open_hot_cache
from outlive.entrypoints.doctor.findings import Found, fail, warn
from outlive.errors import Invalid, Unavailable
from outlive.settings import Settings
from outlive.wiring import choose_model

ANTHROPIC = "https://api.anthropic.com"
PATIENCE = 5.0


def model_key(settings: Settings) -> Mapping[str, Callable[[], Found]]:
    """The check of a key of the Anthropic API, where one would be used."""
    try:
        model = choose_model(settings, stand_in=False)
    except Invalid:
        return {}
    return (
        {"model key": partial(ask_for_models, model.api_key or "", model.base_url)}
        if model.provider == "anthropic"
        else {}
    )


def ask_for_models(key: str, base_url: str | None) -> Found:
    """Whether the API takes the key: its list of models is asked for, which costs nothing.

    https://docs.anthropic.com/en/api/models-list
    """
    url = urlsplit(base_url or ANTHROPIC)
    place = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
    kind = HTTPConnection if url.scheme == "http" else HTTPSConnection
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    try:
        connection = kind(url.hostname or "", url.port, timeout=PATIENCE)
        try:
            connection.request("GET", f"{url.path.rstrip('/')}/v1/models?limit=1", headers=headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        fix = "Check the network, a proxy's settings, and ANTHROPIC_BASE_URL."
        return warn(f"{place} cannot be reached: {type(error).__name__}", fix)
    if status in {401, 403}:
        return fail(f"{place} refuses the key ({status})", "Make another key, and set ANTHROPIC_API_KEY.")
    return Found(f"{place} takes it" if status == 200 else f"{place} answers {status}, so nothing is known of the key")


def helpers(settings: Settings) -> Mapping[str, Callable[[], Awaitable[Found]]]:
    """The checks of what makes turns faster or streams wider, and of which turns do not depend."""
    found: dict[str, Callable[[], Awaitable[Found]]] = {}
    if settings.hot:
        found["hot tier"] = partial(hot_tier, settings.hot)
    if settings.broadcast:
        found["broadcast"] = partial(broadcast, settings.broadcast)
    return found


async def hot_tier(url: str) -> Found:
    """A warning when it is down: everything is read from the object store then."""
    try:
        cache = await open_hot_cache(url, SystemClock())
        if cache is not None:
            try:
                await cache.ping()
            finally:
                await cache.close()
    except Unavailable as error:
        return warn(error.message, error.fix or "Start it.")
    return Found(f"{urlsplit(url).scheme} answers")


async def broadcast(url: str) -> Found:
    """A warning when it is down: streams of other processes' turns are late then."""
    try:
        opened = await open_broadcast(url)
        if opened is not None:
            try:
                await opened.publish("doctor", b"")
            finally:
                await opened.close()
    except Unavailable as error:
        return warn(error.message, error.fix or "Start it.")
    return Found(f"{urlsplit(url).scheme} answers")
