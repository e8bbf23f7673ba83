"""What the kit found: a verdict for each promise, as a table that people can paste."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import chain
from typing import Any, Literal

MARKS = {"kept": "kept", "broken": "BROKEN", "not run": "not run"}
HEAD = ("| check | promise | verdict |", "|---|---|---|")
MAX_OPEN = 20
"""Kept rows that are shown without being unfolded."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise, asked for."""

    check: str
    promise: str
    """What a store has to keep, in one sentence."""
    verdict: Literal["kept", "broken", "not run"]
    kind: str = ""
    """Of what is broken, in one word: fork, duplicate, reorder, ..."""
    detail: str = ""
    """What was seen, or why it was not run."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts on one store."""

    subject: str
    verdicts: Sequence[Verdict]

    @property
    def broken(self) -> list[Verdict]:
        """The promises that are not kept."""
        return [verdict for verdict in self.verdicts if verdict.verdict == "broken"]

    @property
    def kinds(self) -> set[str]:
        """In which ways."""
        return {verdict.kind for verdict in self.broken}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"subject": self.subject, "ok": not self.broken, "checks": [asdict(each) for each in self.verdicts]}

    def text(self) -> str:
        """As Markdown, to be pasted into an issue: what is broken first, on what it was seen, the sum at the end.

        Cases of one check that are kept are one row, and many kept rows are folded: nobody reads a hundred of them.
        """
        told = [each for each in self.verdicts if each.verdict != "kept"]
        kept = _merged([each for each in self.verdicts if each.verdict == "kept"])
        rows = [_row(each) for each in sorted(told, key=lambda each: each.verdict)]  # "broken" before "not run"
        if len(kept) <= MAX_OPEN:
            blocks = [[*HEAD, *rows, *kept]]
        else:
            folded = [f"<details><summary>{len(kept)} more are kept</summary>", "", *HEAD, *kept, "", "</details>"]
            blocks = [[*HEAD, *rows], folded] if rows else [folded]
        lines = [f"Conformance of {self.subject}, asked by {_asked_by()}", "", *chain(*([*b, ""] for b in blocks))]
        return "\n".join([*lines, self._sum()])

    def _sum(self) -> str:
        asked = [each for each in self.verdicts if each.verdict != "not run"]
        left_out = len(self.verdicts) - len(asked)
        more = f", {left_out} not run" if left_out else ""
        return f"{self.subject}: {len(asked) - len(self.broken)} of {len(asked)} promises kept{more}"


def _asked_by() -> str:
    return f"outlive {version('outlive')}, Python {platform.python_version()}, {platform.system()}"


def _merged(kept: Sequence[Verdict]) -> list[str]:
    """A row for each check, its cases (`check[case]`) counted."""
    cases = Counter(each.check.partition("[")[0] for each in kept)
    first = {each.check.partition("[")[0]: each for each in reversed(kept)}
    told = {name: name if count == 1 else f"{name} ({count} cases)" for name, count in cases.items()}
    return [_row(replace(first[name], check=told[name])) for name in cases]


def _row(verdict: Verdict) -> str:
    why = ": ".join(part for part in (verdict.kind, verdict.detail) if part)
    mark = MARKS[verdict.verdict] + (f" ({why})" if why else "")
    cells = (" ".join(each.replace("|", "\\|").split()) for each in (verdict.check, verdict.promise, mark))
    return f"| {' | '.join(cells)} |"
