"""What a tenant may use: quotas of money, turns, time and concurrency, the kill switch, and their stored form."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any

from outlive.errors import Corrupt, Invalid, SchemaTooNew

SCHEMA = 1
MAX_REASON = 300
"""Characters of a reason: it is said to every user who writes while the tenant is stopped."""
WHOLE = frozenset({"max_agent_turns", "max_concurrent_turns"})
LEAST_USD = 0.000001
"""Money is counted in millionths of a dollar: less than that left is nothing left."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits; None sets none of that kind. Money in US dollars, days and months in UTC."""

    max_usd_per_turn: float | None = None
    max_usd_per_session: float | None = None
    max_usd_per_day: float | None = None
    """Of all sessions of a tenant together, as is the month's."""
    max_usd_per_month: float | None = None
    max_agent_turns: int | None = None
    """Model calls of one turn."""
    max_concurrent_turns: int | None = None
    """Turns of a tenant that run at one time, on all workers together."""
    turn_seconds: float | None = None
    """Wall time of one turn."""

    def over(self, under: Quotas) -> Quotas:
        """These, and for each kind that is not set here what `under` has."""
        own = {name: value for name in NAMES if (value := getattr(self, name)) is not None}
        return replace(under, **own) if own else under

    @property
    def are_counted(self) -> bool:
        """Whether turns have to be counted across sessions, which takes two more writes for each."""
        return any(
            limit is not None for limit in (self.max_usd_per_day, self.max_usd_per_month, self.max_concurrent_turns)
        )


NAMES = tuple(field.name for field in fields(Quotas))


@dataclass(frozen=True, slots=True)
class Stop:
    """The kill switch, thrown."""

    reason: str
    by: str
    since: float


@dataclass(frozen=True, slots=True)
class Control:
    """What an operator has set for one tenant, or for all."""

    quotas: Quotas = Quotas()
    stopped: Stop | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message gets no turn of the agent, in words for the user, and as a stop reason."""

    text: str
    stop_reason: str


def effective(tenant: Control, everyone: Control, process: Quotas) -> Control:
    """What counts for a tenant: its own quotas before everyone's before the process's; a stop of either."""
    quotas = tenant.quotas.over(everyone.quotas).over(process)
    return Control(quotas, everyone.stopped or tenant.stopped)


def usd_left(limit: float | None, used: float) -> float | None:
    """What is left of a limit, 0 at least; None without a limit."""
    if limit is None:
        return None
    left = round(limit - used, 6)
    return left if left >= LEAST_USD else 0.0


def least(*limits: float | None) -> float | None:
    """The smallest of the limits that are set."""
    return min((limit for limit in limits if limit is not None), default=None)


def refusal(control: Control, session_usd: float) -> Refusal | None:
    """Why a session that has used so much gets no turn; None when neither kill switch nor its own money forbids it."""
    if control.stopped is not None:
        return Refusal(stopped_text(control.stopped), "not_started")
    limit = control.quotas.max_usd_per_session
    if limit is not None and usd_left(limit, session_usd) == 0:
        text = (
            f"This conversation has used its limit of ${limit:.2f} (${session_usd:.2f} so far), so this message was "
            "not answered. Start a new one, or ask the operator for a higher limit."
        )
        return Refusal(text, "session_limit")
    return None


def stopped_text(stop: Stop) -> str:
    """What a user is told whose turn the kill switch has stopped or kept from running."""
    return f"Stopped by the operator: {stop.reason}"


# -------------------------------------------------------------------------------------------- checking


def check_quotas(quotas: Quotas) -> None:
    """`Invalid`, naming the field and the fix, unless every limit that is set is a number above 0."""
    for name, value in asdict(quotas).items():
        if value is None:
            continue
        kind = "a whole number" if name in WHOLE else "a number"
        is_number = isinstance(value, int if name in WHOLE else int | float) and not isinstance(value, bool)
        if not is_number or not isfinite(value) or value <= 0:
            raise Invalid(
                f"{name} is {value!r}.", fix=f"Give {kind} above 0, or take the limit away; `limits stop` forbids all."
            )


def check_stop(stop: Stop) -> None:
    """`Invalid` unless there is a reason that can be told."""
    if not stop.reason.strip():
        raise Invalid("reason is empty.", fix="Say why: users are told.")
    if len(stop.reason) > MAX_REASON:
        raise Invalid(f"reason has {len(stop.reason)} characters.", fix=f"Use {MAX_REASON} at most.")


# --------------------------------------------------------------------------------------------- storing


def encode_control(control: Control) -> bytes:
    """The record as stored; limits that are not set are left out."""
    quotas = {name: value for name, value in asdict(control.quotas).items() if value is not None}
    stopped = asdict(control.stopped) if control.stopped else None
    return json.dumps({"schema": SCHEMA, "quotas": quotas, "stopped": stopped}, separators=(",", ":")).encode()


def decode_control(body: bytes, name: str) -> Control:
    """A control record from its stored form; `Corrupt` or `SchemaTooNew` name the record."""
    try:
        found: dict[str, Any] = json.loads(body)
        if found["schema"] > SCHEMA:
            raise SchemaTooNew(f"limits record {name} is newer than this outlive.", fix="Upgrade outlive.")
        control = Control(Quotas(**found["quotas"]), Stop(**found["stopped"]) if found["stopped"] else None)
        check_quotas(control.quotas)
    except (ValueError, TypeError, KeyError, AttributeError, Invalid, RecursionError) as error:
        raise Corrupt(
            f"limits record {name} cannot be read ({error}).",
            fix="Restore it from a backup, or delete it and set anew.",
        ) from error
    return control
