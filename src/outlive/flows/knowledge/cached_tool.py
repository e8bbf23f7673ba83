"""A decorator that puts the tool cache in front of a Python tool."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from outlive.core.tool_cache import check_ttl
from outlive.errors import Invalid
from outlive.flows.knowledge.tool_cache import ToolCache

P = ParamSpec("P")
T = TypeVar("T")

PROFILE = "python"
"""What the results of Python tools are filed under, unless told otherwise."""


def cached_tool(
    cache: ToolCache, *, ttl: float, name: str | None = None, profile: str = PROFILE
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Keep what an async function returns for `ttl` seconds (300 to 3,600), by its arguments, defaults included.

    Arguments and result have to be JSON; a result that is none raises `Invalid`, and an error of the function is
    never kept. `name` is what the tool is invalidated by; without it, the function's own.
    """
    check_ttl(ttl)

    def decorate(tool: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        named, signature = name or tool.__qualname__, inspect.signature(tool)

        @wraps(tool)
        async def cached(*given: P.args, **named_given: P.kwargs) -> T:
            async def call() -> bytes:
                return _encoded(named, await tool(*given, **named_given))

            bound = signature.bind(*given, **named_given)
            bound.apply_defaults()
            result = await cache.call(profile, named, dict(bound.arguments), call, ttl=ttl)
            found: T = json.loads(result.content)
            return found

        return cached

    return decorate


def _encoded(name: str, value: object) -> bytes:
    try:
        return json.dumps(value, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise Invalid(
            f"the result of tool {name} is not JSON: {error}.", fix="Return JSON, or do not cache it."
        ) from error
