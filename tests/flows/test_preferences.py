"""Preferences: merged by many, versioned, and forgotten after a week without use."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from outlive.core.preferences import REFRESH, TTL, Preferences
from outlive.errors import Invalid, TooLarge, VersionConflict
from outlive.flows.knowledge.preferences import erase_preferences, patch_preferences, read_preferences
from outlive.flows.sessions.erase_many import erase_tenant

from .conftest import World


async def patch(world: World, values: dict[str, Any], user: str = "ada", expected: int | None = None) -> Preferences:
    return await patch_preferences(world.worker(), world.stores, user, "default", values, expected=expected)


async def read(world: World, user: str = "ada", agent: str = "default") -> dict[str, Any]:
    return (await read_preferences(world.worker(), world.stores, user, agent)).values


async def test_what_was_said_is_remembered(world: World) -> None:
    """Patches add up, null removes, and another user or agent has none of it."""
    await patch(world, {"language": "de", "tone": "short"})
    await patch(world, {"tone": None, "units": "metric"})
    assert await read(world) == {"language": "de", "units": "metric"}
    assert [await read(world, "bob"), await read(world, agent="other")] == [{}, {}]


async def test_32_writers_lose_nothing(world: World) -> None:
    """32 concurrent patches of different names are all there."""
    await asyncio.gather(*(patch(world, {f"p{n}": n}) for n in range(32)))
    assert await read(world) == {f"p{n}": n for n in range(32)}


async def test_an_expected_version_is_held_to(world: World) -> None:
    """A patch for an older version is refused and changes nothing."""
    first = await patch(world, {"a": 1}, expected=0)
    await patch(world, {"a": 2}, expected=first.version)
    with pytest.raises(VersionConflict, match="not 1"):
        await patch(world, {"a": 3}, expected=first.version)
    assert await read(world) == {"a": 2}


async def test_a_week_without_use_forgets(world: World) -> None:
    """After seven days nothing is read, although the table still has the record, and one can begin anew."""
    await patch(world, {"a": 1})
    world.clock.advance(TTL)
    assert await read(world) == {}
    assert (await patch(world, {"b": 2}, expected=0)).values == {"b": 2}
    assert await read(world) == {"b": 2}


async def test_use_prolongs(world: World) -> None:
    """Read every two days, preferences live on; two reads on one day cost one write at most."""
    await patch(world, {"a": 1})
    for _ in range(10):
        world.clock.advance(2 * REFRESH)
        assert [await read(world), await read(world)] == [{"a": 1}, {"a": 1}]
    row = await world.stores.table.read("user#ada#default")
    assert row is not None
    assert row.version == 11


@pytest.mark.parametrize("values", [{"x": float("nan")}, {"x": "y" * 20_000}])
async def test_what_cannot_be_kept_changes_nothing(world: World, values: dict[str, Any]) -> None:
    """What JSON has no form for, and what is too large, is refused."""
    await patch(world, {"a": 1})
    with pytest.raises((Invalid, TooLarge)):
        await patch(world, values)
    assert await read(world) == {"a": 1}


@pytest.mark.parametrize("user", ["a#b", "a/b", "🙂", "x" * 200])
@pytest.mark.promise("P9")
async def test_odd_users_are_kept_apart(world: World, user: str) -> None:
    """Separators in a user's id lead to no other user's record."""
    await patch(world, {"who": user}, user=user)
    assert await read(world, user) == {"who": user}
    assert await read(world, "a") == {}


@pytest.mark.promise("P10")
async def test_erase_removes_what_every_agent_kept(world: World) -> None:
    """After an erase of the user nothing of theirs is left, and others keep theirs."""
    await patch(world, {"a": 1})
    await patch(world, {"b": 1}, user="ada2")
    assert await erase_preferences(world.worker(), world.stores, "ada") == 1
    assert [await read(world), await read(world, "ada2")] == [{}, {"b": 1}]


@pytest.mark.promise("P10")
async def test_a_tenant_is_erased_with_its_preferences(world: World) -> None:
    """Erasing the tenant leaves no record of any user."""
    await patch(world, {"a": 1})
    await erase_tenant(world.worker(), world.stores)
    assert world.rows() == []
