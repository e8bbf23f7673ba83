"""The class every contract suite is made of: tests that a backend inherits and cannot silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])

_NEEDS = "__outlive_needs__"


def needs(capability: str) -> Callable[[Test], Test]:
    """Mark a contract test that only backends with this capability pass; the others say so in `lacks`."""

    def mark(test: Test) -> Test:
        setattr(test, _NEEDS, (*getattr(test, _NEEDS, ()), capability))
        return test

    return mark


def needed_by(test: Callable[..., Any]) -> Sequence[str]:
    """The capabilities that a contract test needs; none for most."""
    return tuple(getattr(test, _NEEDS, ()))


class Contract:
    """Promises as tests. Subclass a suite, supply its hooks, and pytest runs all of them on your backend.

    To define a name that starts with `test_` twice is a `TypeError` at import: no test can be replaced, neither by
    the subclass nor by a class mixed in. What a backend cannot do is declared in `lacks`, as capability -> reason,
    and shows as a skip with that reason; to declare what no test needs is a `TypeError` too.
    """

    pytestmark = pytest.mark.asyncio
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **arguments: object) -> None:
        """Refuse to exist when a test is overridden or a gap is not in order."""
        super().__init_subclass__(**arguments)
        if overridden := sorted(_defined_twice(cls)):
            raise TypeError(f"{cls.__name__} overrides contract tests: {', '.join(overridden)}")
        if unneeded := sorted(set(cls.lacks) - _needed(cls)):
            raise TypeError(f"{cls.__name__} lacks what no contract test needs: {', '.join(unneeded)}")
        if unexplained := sorted(name for name, reason in cls.lacks.items() if not reason.strip()):
            raise TypeError(f"{cls.__name__} gives no reason why it lacks: {', '.join(unexplained)}")

    @pytest.fixture(autouse=True)
    def declared_gap(self, request: pytest.FixtureRequest) -> None:
        """Skip, with the declared reason, a test that needs what the backend lacks."""
        for capability in needed_by(request.function):
            if capability in self.lacks:
                pytest.skip(f"lacks {capability}: {self.lacks[capability]}")


def _definitions(cls: type) -> Iterator[tuple[str, object]]:
    for parent in cls.__mro__:
        yield from ((name, value) for name, value in vars(parent).items() if name.startswith("test"))


def _defined_twice(cls: type) -> set[str]:
    times = Counter(name for name, _ in _definitions(cls))
    return {name for name, count in times.items() if count > 1}


def _needed(cls: type) -> set[str]:
    return {capability for _, test in _definitions(cls) for capability in getattr(test, _NEEDS, ())}
