"""What holds for every test."""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LONGEST = (
    "e2e/test_random_kills.py",
    "e2e/test_demo.py",
    "e2e/",
    "examples/",
    "aws/",
    "regions/",
    "console/",
    "test_docs.py",
    "simulation/",
    "testing/test_scripted_cli.py",
    "contract/",
)
"""Where single tests take many seconds. They go first: one of them alone at the end leaves the other cores idle."""


_EXACT = ("chaos/", "concurrency/", "core/", "encryption/", "engine/", "security/", "simulation/", "store/")
"""Where a failure is always the code's: no real time, no servers, or faults at random that a second run has not."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end: the garbage collector never walks it, here or in a test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with the longest tests first; every file's own order stays. What real processes do has a second try."""
    root = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(root).as_posix()
        return next((place for place, start in enumerate(_LONGEST) if path.startswith(start)), len(_LONGEST))

    items.sort(key=place)
    for item in items:
        if not item.path.relative_to(root).as_posix().startswith(_EXACT):
            item.add_marker(pytest.mark.flaky(reruns=1))
