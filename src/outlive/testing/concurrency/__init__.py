"""The concurrency kit: what a `SessionStore` does when writers race, replies are lost, clocks differ and hosts die.

    from outlive.testing.concurrency import Subject, run_kit

    report = await run_kit(Subject(open=my_factory))
    assert not report.broken, report.text()

The SDK's own suite asks one writer on one good day; this one asks about the other days. See docs/conformance.md.
"""

from outlive.testing.concurrency.kit import CHECKS, run_kit
from outlive.testing.concurrency.report import Report, Verdict
from outlive.testing.concurrency.subject import Broken, NotRun, Subject

__all__ = ["CHECKS", "Broken", "NotRun", "Report", "Subject", "Verdict", "run_kit"]
