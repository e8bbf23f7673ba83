"""`outlive preferences` and `outlive cache`."""

from __future__ import annotations

import pytest

from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.wiring import App
from tests.entrypoints.conftest import Outlive


def keep(outlive: Outlive, city: str) -> None:
    """A kept result of the tool `weather`."""

    async def put(app: App) -> None:
        cache = ToolCache(app.stores, app.engine.clock)
        await cache.put("default", "weather", {"city": city}, b"sunny", ttl=300)

    outlive.inside(put)


def test_preferences_are_patched_read_and_erased(outlive: Outlive) -> None:
    """What was patched is printed, per agent, until it is erased for all of them."""
    assert outlive.ok("preferences", "patch", "ada", '{"tone": "short"}')["version"] == 1
    outlive.ok("preferences", "patch", "ada", '{"tone": "long"}', "--agent", "other")
    assert outlive.ok("preferences", "get", "ada")["values"] == {"tone": "short"}
    assert outlive.ok("preferences", "erase", "ada") == {"removed": 2}
    assert outlive.ok("preferences", "get", "ada")["values"] == {}


def test_a_patch_comes_from_stdin(outlive: Outlive) -> None:
    """`-` reads the patch from stdin, and people are told the version."""
    assert "version 1" in outlive("preferences", "patch", "ada", "-", stdin='{"tone": "short"}').err


@pytest.mark.parametrize("patch", ["{", "7", "[]"])
def test_bad_preferences_exit_2(outlive: Outlive, patch: str) -> None:
    """What is no JSON object is the caller's fault, and changes nothing."""
    outlive.refused(2, "preferences", "patch", "ada", patch)
    assert outlive.ok("preferences", "get", "ada")["version"] == 0


def test_an_old_version_exits_1(outlive: Outlive) -> None:
    """A patch for another version is refused."""
    outlive.refused(1, "preferences", "patch", "ada", "{}", "--expected", "4")


def test_the_cache_is_counted_and_forgotten(outlive: Outlive) -> None:
    """One result is forgotten by its parameters, all of them by the tool's name."""
    for city in ("Bern", "Rome", "Oslo"):
        keep(outlive, city)
    assert outlive.ok("cache", "stats", "weather") == {"entries": 3, "bytes": 15, "hits": 0}
    outlive.ok("cache", "invalidate", "weather", '{"city": "Bern"}')
    assert outlive.ok("cache", "stats", "weather")["entries"] == 2
    assert "every result" in outlive("cache", "invalidate", "weather").err
    assert outlive("cache", "stats", "weather").out.splitlines()[0].split() == ["entries", "0"]
