"""The model of lease and commit: it holds, it fails without each safeguard, and the code that it stands for exists."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from scripts.check_model import BROKEN, HOW, MODEL, check, missing

needs_spin = pytest.mark.skipif(bool(missing()), reason=f"spin or gcc is missing. {HOW}")
SMALL = ("MOST_FENCES=3", "MOST_LOST=1", "MOST_CRASHES=1")


@needs_spin
@pytest.mark.promise("P4")
def test_the_model_holds() -> None:
    """In every state that two workers can reach, with a crash and a lost reply, no promise is broken."""
    found = check(*SMALL, optimise="-O0")
    assert (found.errors, found.is_exhaustive) == (0, True)
    assert found.states > 10_000


@needs_spin
@pytest.mark.parametrize("define", BROKEN.values(), ids=BROKEN.keys())
def test_the_model_fails_without_a_safeguard(define) -> None:
    """Without this safeguard the checker finds a way to break a promise."""
    assert check(*SMALL, define, optimise="-O0").errors == 1


def test_the_model_names_functions_that_exist() -> None:
    """Every function that a step of the model stands for is there under that name."""
    names = re.findall(r"code: (outlive[\w.]+)", MODEL.read_text())
    assert len(names) >= 9
    for name in names:
        assert callable(_found(name)), name


def _found(name: str) -> object:
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found: object = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)
