"""Run the contract suites on a live deployment, quietly, with a verdict for each test."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import outlive.testing
from outlive.entrypoints.conformance import suite_settings
from outlive.settings import Settings
from outlive.testing.concurrency import Report, Verdict

if TYPE_CHECKING:
    import pytest

SUITES = "outlive.entrypoints.conformance.live_suites"
LEFT_OUT = (
    "a_broken_backend_is_unavailable",
    "kkkkkkkkkk",
    "k/k/k/k/",
    "a_key_may_be_one_segment",
    "no_key_is_refused['']",
)
"""Tests that switch the backend off, or that need the whole length of a key: a tenant takes its part of it."""
SHOWN = 80
MAX_DETAIL = 300
PROMISE = "Table and objects keep their contracts."


def run_suites(settings: Settings, name: str = "contracts", *, only: str = "") -> Report:
    """Each contract of table and objects; one line says so where pytest is not installed. `only` as pytest's `-k`."""
    try:
        import pytest  # noqa: PLC0415 - for who asks only
        import pytest_asyncio  # noqa: PLC0415

        from outlive.testing.contract import needed_by  # noqa: PLC0415 - needs pytest, too
    except ImportError:
        why = "it needs pytest: pip install pytest pytest-asyncio"
        return Report(name, [Verdict("contract suites", PROMISE, "not run", detail=why)])
    aim, told = suite_settings.aim_at(settings), _Verdicts(needed_by)

    class Closing:
        """Closes what each test opened, on the loop that it was opened on."""

        @pytest_asyncio.fixture(autouse=True)
        async def closed(self) -> AsyncIterator[None]:
            yield
            await suite_settings.close()

    with tempfile.TemporaryDirectory(prefix="outlive-conformance-") as folder:
        options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null", "--noconftest"]
        options += [
            "--rootdir",
            folder,
            "--basetemp",
            f"{folder}/t",
            "-o",
            "asyncio_default_fixture_loop_scope=function",
        ]
        options += ["-o", "markers=promise(name): a promise", "--import-mode=importlib"]
        options += ["--pyargs", SUITES, *(["-k", only] if only else [])]
        ended = pytest.main(options, plugins=[told, Closing()])
    asyncio.run(suite_settings.remove_all(aim))
    if ended not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:  # nothing asked is no promise kept
        why = f"pytest ended with {pytest.ExitCode(ended).name}; its words are above"
        told.verdicts.append(Verdict("contract suites", PROMISE, "broken", "not asked", why))
    return Report(name, told.verdicts)


def _suite_modules() -> list[str]:
    """Those with the suites that are not loaded yet."""
    found = iter_modules(outlive.testing.__path__, "outlive.testing.")
    return [each.name for each in found if not each.ispkg and each.name not in sys.modules]


class _Verdicts:
    """A plugin of pytest that remembers how each test went."""

    def __init__(self, needed_by: Callable[[Any], Sequence[str]]) -> None:
        self._needed_by = needed_by
        self.verdicts: list[Verdict] = []
        self._sentences: dict[str, str] = {}
        self._needs: dict[str, str] = {}

    def pytest_configure(self) -> None:
        import pytest  # noqa: PLC0415 - for who asks only

        pytest.register_assert_rewrite(*_suite_modules())  # so that a failure says what was not as it should be

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if not any(part in item.nodeid for part in LEFT_OUT)]
        for item in items:
            self._sentences[item.nodeid] = " ".join((item.function.__doc__ or "").split())
            self._needs[item.nodeid] = ", ".join(self._needed_by(item.function))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        suite, name = report.nodeid.split("::")[-2:]
        check = f"{suite.removeprefix('TestLive').lower()}: {name.removeprefix('test_').replace('_', ' ')}"[:SHOWN]
        promise = self._sentences.get(report.nodeid, "")
        if report.skipped:
            self.verdicts.append(Verdict(check, promise, "not run", detail="not on this backend"))
        elif report.failed and (lacking := self._needs.get(report.nodeid)):
            self.verdicts.append(Verdict(check, promise, "not run", detail=f"this backend lacks {lacking}"))
        elif report.failed:
            self.verdicts.append(Verdict(check, promise, "broken", "contract", _detail(report), report.duration))
        else:
            self.verdicts.append(Verdict(check, promise, "kept", seconds=report.duration))


def _detail(report: pytest.TestReport) -> str:
    """What was not as it should be, and where it is asked: no path of this machine, since the report is passed on."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext.strip().splitlines()[-1][:MAX_DETAIL]
    said = " ".join(crash.message.split())[:MAX_DETAIL]
    return f"{said} at {Path(crash.path).name}:{crash.lineno}"
