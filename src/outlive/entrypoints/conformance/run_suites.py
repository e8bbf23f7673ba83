"""Run the contract suites on a live deployment, quietly, with a verdict for each test."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

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


def run_suites(settings: Settings) -> Report:
    """Each contract of table and objects; one line says so where pytest is not installed."""
    try:
        import pytest  # noqa: PLC0415 - for who asks only
        import pytest_asyncio  # noqa: PLC0415

        from outlive.testing.contract import needed_by  # noqa: PLC0415 - needs pytest, too
    except ImportError:
        why = "it needs pytest: pip install pytest pytest-asyncio"
        return Report(
            "contracts", [Verdict("contract suites", "Table and objects keep their contracts.", "not run", detail=why)]
        )
    aim, told = suite_settings.aim_at(settings), _Verdicts(needed_by)

    class Closing:
        """Closes what each test opened, on the loop that it was opened on."""

        @pytest_asyncio.fixture(autouse=True)
        async def closed(self) -> AsyncIterator[None]:
            yield
            await suite_settings.close()

    with tempfile.TemporaryDirectory(prefix="outlive-conformance-") as folder:
        options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null"]
        options += [
            "--rootdir",
            folder,
            "--basetemp",
            f"{folder}/t",
            "-o",
            "asyncio_default_fixture_loop_scope=function",
        ]
        options += ["-o", "markers=promise(name): a promise", "--import-mode=importlib"]
        options += ["--pyargs", SUITES]
        pytest.main(options, plugins=[told, Closing()])
    asyncio.run(suite_settings.remove_all(aim))
    return Report("contracts", told.verdicts)


class _Verdicts:
    """A plugin of pytest that remembers how each test went."""

    def __init__(self, needed_by: Callable[[Any], Sequence[str]]) -> None:
        self._needed_by = needed_by
        self.verdicts: list[Verdict] = []
        self._sentences: dict[str, str] = {}
        self._needs: dict[str, str] = {}

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
            detail = report.longreprtext.strip().splitlines()[-1][:200]
            self.verdicts.append(Verdict(check, promise, "broken", "contract", detail, report.duration))
        else:
            self.verdicts.append(Verdict(check, promise, "kept", seconds=report.duration))
