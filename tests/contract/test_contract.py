"""The guard around the suites: no test can be replaced, and every gap is declared with its reason."""

from __future__ import annotations

from typing import ClassVar

import pytest

from outlive.testing.contract import Contract, needs

pytest_plugins = ["pytester"]


class Promise(Contract):
    """A suite of two tests."""

    async def test_keeps_it(self) -> None: ...

    @needs("wings")
    async def test_flies(self) -> None: ...


class Other(Contract):
    """A suite with a test of the same name as one of `Promise`."""

    async def test_keeps_it(self) -> None: ...


def test_overriding_a_contract_test_is_an_error() -> None:
    """A subclass that defines a test its parent has is refused, naming class and test."""
    with pytest.raises(TypeError, match="TestLazy overrides contract tests: test_keeps_it"):

        class TestLazy(Promise):
            async def test_keeps_it(self) -> None: ...


def test_switching_a_contract_test_off_is_an_error() -> None:
    """To set a test to None is to override it."""
    with pytest.raises(TypeError, match="overrides contract tests: test_flies"):

        class TestLazy(Promise):
            test_flies = None  # type: ignore[assignment]


def test_mixing_in_an_override_is_an_error() -> None:
    """A class mixed in before or behind the suite cannot replace a test either."""

    class Silence:
        test_keeps_it = None

    for bases in ((Silence, Promise), (Promise, Silence)):
        with pytest.raises(TypeError, match="TestLazy overrides contract tests: test_keeps_it"):
            type("TestLazy", bases, {})


def test_two_suites_with_one_test_name_do_not_combine() -> None:
    """A name that two composed suites share is an error, since one of the tests would be lost."""
    with pytest.raises(TypeError, match="Both overrides contract tests: test_keeps_it"):

        class Both(Promise, Other):
            """Neither."""


def test_a_gap_that_no_test_needs_is_an_error() -> None:
    """Declaring to lack a capability nobody asks for is refused, so that gaps cannot outlive their tests."""
    with pytest.raises(TypeError, match="TestFish lacks what no contract test needs: fins, legs"):

        class TestFish(Promise):
            lacks: ClassVar = {"wings": "swims", "legs": "swims", "fins": "swims"}


def test_a_gap_without_a_reason_is_an_error() -> None:
    """Declaring a gap with an empty reason is refused."""
    with pytest.raises(TypeError, match="TestFish gives no reason why it lacks: wings"):

        class TestFish(Promise):
            lacks: ClassVar = {"wings": " "}


def test_a_subclass_may_add_tests() -> None:
    """A subclass can define tests of new names, and keeps the inherited ones."""

    class TestMore(Promise):
        async def test_does_more(self) -> None: ...

    assert {"test_keeps_it", "test_flies", "test_does_more"} <= set(dir(TestMore))


BACKEND = """
    from outlive.testing.contract import Contract, needs

    class Suite(Contract):
        async def test_walks(self): pass

        @needs("wings")
        async def test_flies(self): assert self.can_fly

    class TestBird(Suite):
        can_fly = True

    class TestFish(Suite):
        can_fly = False
        lacks = {"wings": "it swims"}

    class TestStone(Suite):
        can_fly = False
"""
QUIET = ("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", "-rs")


def test_a_declared_gap_is_a_skip_with_its_reason(pytester: pytest.Pytester) -> None:
    """What a backend declares to lack is skipped with the reason; undeclared it fails; the rest runs."""
    pytester.makepyfile(BACKEND)
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(passed=4, skipped=1, failed=1)
    result.stdout.fnmatch_lines(["*lacks wings: it swims*"])


def test_an_override_fails_at_collection(pytester: pytest.Pytester) -> None:
    """An overriding test class is reported as an error of its module before any of its tests runs."""
    pytester.makepyfile(BACKEND + "\n    class TestLazy(Suite):\n        async def test_walks(self): pass\n")
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TestLazy overrides contract tests: test_walks*"])
