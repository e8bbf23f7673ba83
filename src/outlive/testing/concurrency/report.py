"""What the kit found: a verdict for each promise, as a table that people can paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

MARKS = {"kept": "kept", "broken": "BROKEN", "not run": "not run"}


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
        """As a Markdown table, to be pasted into an issue."""
        rows = [f"| {each.check} | {each.promise} | {_told(each)} |" for each in self.verdicts]
        asked = [each for each in self.verdicts if each.verdict != "not run"]
        end = f"{self.subject}: {len(asked) - len(self.broken)} of {len(asked)} promises kept"
        return "\n".join(["| check | promise | verdict |", "|---|---|---|", *rows, "", end])


def _told(verdict: Verdict) -> str:
    why = ": ".join(part for part in (verdict.kind, verdict.detail) if part).replace("|", "\\|").replace("\n", " ")
    return MARKS[verdict.verdict] + (f" ({why})" if why else "")
