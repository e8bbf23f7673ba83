"""What is told of a turn as a whole: how it ended, what it took, what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from outlive.core.approvals import TOOL_DEFERRED, Decided
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound
from outlive.core.telemetry import (
    ApprovalAnswered,
    ApprovalAsked,
    LeaseTakenOver,
    TreeHydrated,
    TurnEnded,
    TurnFailed,
    TurnHandedOver,
    TurnWaits,
    fault_of,
)
from outlive.core.turns import Flush
from outlive.errors import LeaseLost, OutliveError
from outlive.flows.engine import Engine
from outlive.flows.telemetry import about, about_message
from outlive.flows.trace import Trace
from outlive.flows.turn.hand_over import HandedOver
from outlive.flows.turn.hold_lease import Busy, Lease
from outlive.flows.turn.hydrate_tree import Hydrated

USED_NOTHING = ("repeat", "refused")
"""Ways to an answer that call no model now."""


class Observed:
    """A turn, as telemetry sees it."""

    def __init__(self, engine: Engine, trace: Trace) -> None:
        self._tell, self._trace, self._began = engine.telemetry.event, trace, perf_counter()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return perf_counter() - self._began

    def ended(self, line: LedgerLine, how: str) -> None:
        """It has its line: told once everything is released."""
        steps: dict[str, float] = defaultdict(float)
        for step in self._trace.steps:
            steps[step.name] += step.seconds
        used = how not in USED_NOTHING
        with about(turn=line.turn):
            self._tell(
                TurnEnded(
                    outcome="refused" if how == "refused" else "failed" if line.is_error else "done",
                    how=how,
                    stop_reason=line.stop_reason,
                    seconds=self.seconds,
                    steps=dict(steps),
                    usd=line.usd if used else 0.0,
                    input_tokens=line.input_tokens if used else 0,
                    output_tokens=line.output_tokens if used else 0,
                    cache_read_tokens=line.cache_read_tokens if used else 0,
                    cache_write_tokens=line.cache_write_tokens if used else 0,
                    model_calls=line.agent_turns if used else 0,
                )
            )
            if used and line.approval is not None and line.stop_reason == TOOL_DEFERRED:
                self._tell(ApprovalAsked(line.approval.tool))

    def left(self, outcome: Busy | HandedOver) -> None:
        """It has none yet."""
        self._tell(TurnWaits(outcome.reason) if isinstance(outcome, Busy) else TurnHandedOver(outcome.steps))


@contextmanager
def observed(engine: Engine, inbound: Inbound, trace: Trace) -> Iterator[Observed]:
    """What happens in the block is about this message, below a span of its own; its errors are told.

    A lease that was lost is told where it was lost: the turn is another worker's, and no failure.
    """
    telemetry = engine.telemetry
    with about_message(inbound), telemetry.span("turn", parent=inbound.traceparent):
        seen = Observed(engine, trace)
        try:
            yield seen
        except LeaseLost:
            raise
        except OutliveError as error:
            telemetry.event(TurnFailed(fault_of(error), seen.seconds))
            raise


def tell_hydrated(engine: Engine, tree: Hydrated, seconds: float) -> None:
    """The session's tree is there."""
    engine.telemetry.event(TreeHydrated(tree.how, tree.packs_read, tree.bytes_read, seconds))


def tell_taken_over(engine: Engine, lease: Lease, flushes: Sequence[Flush]) -> None:
    """The holder before did not end in order, and did not hand the turn over either."""
    if lease.dirty and not any(flush.handed_over for flush in flushes):
        engine.telemetry.event(LeaseTakenOver(lease.fence, len(flushes)))


def tell_decided(engine: Engine, decided: Decided | None) -> None:
    """A person's answer has come to its question."""
    if decided is not None:
        engine.telemetry.event(ApprovalAnswered(decided.allowed))
