"""What a run of chaos counts, and what it may not find."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from outlive.core.ledger import LedgerLine
from outlive.core.transcripts import unknown_parents

ROWS = (
    ("messages accepted", "messages"), ("of these delivered twice", "repeats"), ("dead letters sent again", "redriven"),
    ("turns committed", "turns"),
    ("model calls", "calls"), ("replies sent", "replies"), ("**losses**", "losses"),
    ("turns committed twice", "double turns"), ("model calls after the reply", "late calls"),
    ("replies sent again", "double replies"), ("holes in transcripts", "holes"),
)  # fmt: skip


@dataclass
class Tally:
    """Events as they come, and the verdict in the end."""

    sent: dict[str, str] = field(default_factory=dict)
    """Accepted message -> session."""
    repeats: int = 0
    redriven: int = 0
    notices: int = 0
    """That a message was given up; it is sent again by the operator."""
    faults: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    late_calls: int = 0
    replies: Counter[str] = field(default_factory=Counter)
    texts: dict[str, set[str]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    """Messages whose turn a worker has told of."""
    errors: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def take(self, event: dict[str, object]) -> None:
        """One line of a worker."""
        message = str(event.get("message_id"))
        match event["event"]:
            case "call":
                self.calls += 1
                self.late_calls += message in self.replies
            case "reply":
                self.replies[message] += 1
                self.texts.setdefault(message, set()).add(str(event["text"]))
            case "notice":
                self.notices += 1
            case "turn":
                self.done.add(message)
            case "failed" | "fault":
                self.errors[str(event["error"]).partition(":")[0]] += 1
            case "died" if not event["full"]:
                self.errors["died: " + str(event["error"])] += 1

    def progress(self) -> str:
        """How far a run is."""
        kills = self.faults["SIGKILL"]
        return f"{kills:>6,} kills, {len(self.sent):,} messages, {len(self.done):,} turns, {self.calls:,} model calls"

    def check(self, lines: dict[str, list[LedgerLine]], transcripts: dict[str, bytes]) -> None:
        """Compare what was accepted with what is stored."""
        told = [line.message_id for session in lines.values() for line in session]
        lost = [message for message in self.sent if message not in told or message not in self.replies]
        double = [message for message, times in Counter(told).items() if times > 1]
        holes = sum(len(unknown_parents(text)) for text in transcripts.values())
        self.counts = {
            "messages": len(self.sent), "repeats": self.repeats,
            "redriven": self.redriven, "turns": len(told), "calls": self.calls,
            "replies": self.replies.total(), "losses": len(lost), "double turns": len(double),
            "late calls": self.late_calls, "double replies": self.replies.total() - len(self.replies), "holes": holes,
        }  # fmt: skip
        self._judge(lost, double, holes)
        for session, committed in lines.items():
            self._in_order(session, committed)

    def _judge(self, lost: list[str], double: list[str], holes: int) -> None:
        pauses = sum(self.faults[name] for name in ("SIGSTOP", "frozen connections", "delays"))
        # A worker may die, or lose its connection, between sending a reply and noting that it is sent.
        window = self.faults.total()
        wrong = {
            f"lost: {lost[:5]}": bool(lost),
            f"committed twice: {double[:5]}": bool(double),
            f"{holes} holes in transcripts": holes > 0,
            f"{self.late_calls} model calls after the reply, with {pauses} pauses": self.late_calls > pauses,
            "more replies sent again than faults": self.counts["double replies"] > window,
            "a reply was sent again with another text": any(len(texts) > 1 for texts in self.texts.values()),
            "a worker died by itself": any(name.startswith("died") for name in self.errors),
        }
        self.violations += [what for what, is_so in wrong.items() if is_so]

    def _in_order(self, session: str, lines: list[LedgerLine]) -> None:
        if [line.turn for line in lines] != list(range(1, len(lines) + 1)):
            self.violations.append(f"the turns of {session} are {[line.turn for line in lines][:20]}")
        for line in lines:
            if line.reply != f"Message {line.turn}: {line.text}" or line.is_error:
                self.violations.append(f"turn {line.turn} of {session} says {line.reply[:80]!r}")

    def table(self, name: str, seconds: float) -> str:
        """For people."""
        faults = ", ".join(f"{times} {what}" for what, times in self.faults.most_common() if times)
        rows = [f"| {label} | {self.counts[key]:,} |" for label, key in ROWS]
        head = [f"| {name}, {seconds:.0f} s | |", "|---|---|", f"| faults | {faults} |"]
        return "\n".join([*head, *rows])
