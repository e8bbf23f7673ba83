"""The decorator for Python tools."""

from __future__ import annotations

import pytest

from outlive.errors import Invalid
from outlive.flows.knowledge.cached_tool import PROFILE, cached_tool
from outlive.flows.knowledge.tool_cache import ToolCache

from .conftest import World


@pytest.fixture
def cache(world: World) -> ToolCache:
    """A tenant's cache."""
    return ToolCache(world.stores, world.clock)


async def test_a_call_is_made_once_for_its_arguments(cache: ToolCache) -> None:
    """By place, by name or by default, the same arguments are one call; others are another."""
    asked: list[str] = []

    @cached_tool(cache, ttl=300)
    async def weather(city: str, days: int = 1) -> dict[str, object]:
        asked.append(city)
        return {"city": city, "days": days}

    assert await weather("Bern") == await weather(city="Bern", days=1) == {"city": "Bern", "days": 1}
    await weather("Rome")
    assert asked == ["Bern", "Rome"]


async def test_a_tool_is_invalidated_by_its_name(cache: ToolCache) -> None:
    """After an invalidation the function is asked again."""
    asked: list[int] = []

    @cached_tool(cache, ttl=300, name="weather")
    async def ask() -> int:
        asked.append(1)
        return len(asked)

    await ask()
    await cache.invalidate(PROFILE, "weather")
    assert await ask() == 2


async def test_an_error_is_never_kept(cache: ToolCache) -> None:
    """A function that fails once is asked again, and its error comes through."""
    answers: list[object] = [RuntimeError("down"), "up"]

    @cached_tool(cache, ttl=300)
    async def ask() -> object:
        answer = answers.pop(0)
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    with pytest.raises(RuntimeError, match="down"):
        await ask()
    assert await ask() == "up"


async def test_what_is_not_json_is_refused(cache: ToolCache) -> None:
    """A result that JSON has no form for is an error that names the tool, and so is a TTL out of range."""

    @cached_tool(cache, ttl=300, name="odd")
    async def ask() -> object:
        return object()

    with pytest.raises(Invalid, match="result of tool odd is not JSON"):
        await ask()
    with pytest.raises(Invalid, match="TTL"):
        cached_tool(cache, ttl=5)
