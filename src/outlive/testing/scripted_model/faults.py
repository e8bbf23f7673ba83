"""Faults that a test orders from the scripted model, whatever the conversation is about.

Every fault strikes `times` message requests, after it has let `after` of them pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from outlive.errors import Invalid
from outlive.testing.scripted_model.answers import ERROR_TYPES, Answer, Break, Refusal, Reply


def _check_status(fault: str, status: int) -> None:
    if status not in ERROR_TYPES:
        raise Invalid(
            f"{fault}.status: {status} is no status of the Messages API.",
            fix=f"Use one of {', '.join(map(str, ERROR_TYPES))}.",
        )


@dataclass(frozen=True, slots=True)
class Fail:
    """An error answer with `status`; `retry_after` in seconds."""

    status: int
    times: int = 1
    after: int = 0
    retry_after: float | None = None

    def __post_init__(self) -> None:
        _check_status("Fail", self.status)


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer breaks off: the connection is dropped half-way through."""

    times: int = 1
    after: int = 0


@dataclass(frozen=True, slots=True)
class FailInStream:
    """The answer begins well and ends half-way through with an error of `status`."""

    status: int = 500
    times: int = 1
    after: int = 0

    def __post_init__(self) -> None:
        _check_status("FailInStream", self.status)


@dataclass(frozen=True, slots=True)
class Stall:
    """The stream opens and then is silent for `seconds`, before it goes on."""

    seconds: float
    times: int = 1
    after: int = 0


Fault: TypeAlias = Fail | FailInStream | Cut | Stall
FAULTS: dict[str, type[Fault]] = {"fail": Fail, "fail_in_stream": FailInStream, "cut": Cut, "stall": Stall}


def _is_duration(value: object) -> bool:
    """Whether an order, which may come from JSON, has seconds here."""
    return isinstance(value, int | float) and value >= 0


class FaultQueue:
    """The faults ordered so far, first in, first out; each message request uses up one."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._queue: deque[Fault | None] = deque()
        for fault in faults:
            self.order(fault)

    def order(self, fault: Fault) -> None:
        """Lets `fault.after` requests pass, then strikes `fault.times` of them. Raises Invalid."""
        name = type(fault).__name__
        for field, least in (("times", 1), ("after", 0)):
            count = getattr(fault, field)
            if not isinstance(count, int) or count < least:
                raise Invalid(f"{name}.{field}: {count} is no such count.", fix=f"Use a whole number from {least} on.")
        if isinstance(fault, Stall) and not _is_duration(fault.seconds):
            raise Invalid(f"{name}.seconds: {fault.seconds} is not a time.", fix="Use seconds, 0 or more.")
        self._queue.extend([None] * fault.after + [fault] * fault.times)

    def strike(self, answer: Answer) -> Answer:
        """`answer`, or what the next fault makes of it."""
        fault = self._queue.popleft() if self._queue else None
        match fault, answer:
            case Fail(status=status, retry_after=wait), _:
                return Refusal(status, f"Ordered error {status}.", wait)
            case FailInStream(status=status), Reply():
                return Break(answer, Refusal(status, f"Ordered error {status}."))
            case Cut(), Reply():
                return Break(answer)
            case Stall(seconds=seconds), Reply():
                return replace(answer, stall=seconds)
        return answer


def fault_from(order: object) -> Fault:
    """The fault in a JSON order such as {"fault": "fail", "status": 529, "times": 2}. Raises Invalid."""
    fields: dict[str, Any] = dict(order) if isinstance(order, dict) else {}
    kind = FAULTS.get(fields.pop("fault", ""))
    if kind is None:
        raise Invalid("fault: unknown or missing.", fix=f"Use one of {', '.join(FAULTS)}.")
    try:
        return kind(**fields)
    except TypeError as error:
        raise Invalid(f"fault: {error}", fix="Fields: status, seconds, times, after, retry_after.") from None
