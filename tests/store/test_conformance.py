"""The store keeps the SDK's own contract on every embedded backend."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from claude_agent_sdk import SessionStore as Protocol
from claude_agent_sdk.testing import run_session_store_conformance

from outlive.flows.session_store.store import SessionStore
from tests.store.conftest import World

NewWorld = Callable[[str], Awaitable[World]]
METHODS = ["append", "load", "list_sessions", "list_session_summaries", "delete", "list_subkeys"]


@pytest.mark.parametrize("kind", ["memory", "local"])
async def test_the_sdks_own_suite_passes(new_world: NewWorld, kind: str) -> None:
    """All fourteen checks of `run_session_store_conformance` hold."""

    async def fresh() -> SessionStore:
        return (await new_world(kind)).store()

    await run_session_store_conformance(fresh)


@pytest.mark.parametrize(
    "policy", [{"single_writer": True}, {"max_packs": 1}, {"cache_bytes": 0}, {"ttl_seconds": 9e4}]
)
async def test_the_sdks_own_suite_passes_under_every_policy(new_world: NewWorld, policy: dict[str, int]) -> None:
    """No policy breaks the contract."""

    async def fresh() -> SessionStore:
        return (await new_world("memory")).store(**policy)

    await run_session_store_conformance(fresh)


@pytest.mark.parametrize("name", METHODS)
def test_all_six_methods_are_found_as_the_sdk_looks_for_them(name: str) -> None:
    """Each method is a coroutine of the class, not the protocol's default, with the protocol's parameters."""
    method, default = getattr(SessionStore, name), getattr(Protocol, name)
    assert inspect.iscoroutinefunction(method)
    assert method is not default
    assert list(inspect.signature(method).parameters) == list(inspect.signature(default).parameters)


def test_importing_outlive_does_not_load_the_sdk() -> None:
    """The module can be imported where the SDK's half second of import time is not wanted."""
    import subprocess
    import sys

    check = "import sys, outlive.flows.session_store.store; sys.exit('claude_agent_sdk' in sys.modules)"
    assert partial(subprocess.run, check=False)([sys.executable, "-c", check]).returncode == 0
