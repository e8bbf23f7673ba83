"""Limits as commands take and show them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from outlive.core.quotas import NAMES, WHOLE, Control, Stop
from outlive.entrypoints.deeds import Deed
from outlive.entrypoints.running import at_rest
from outlive.entrypoints.terminal.output import local_time, print_json, say
from outlive.errors import Invalid

if TYPE_CHECKING:
    from outlive.flows.engine import Engine
    from outlive.flows.limits.inspect_limits import Left, LimitsReport
    from outlive.flows.tenant_stores import TenantStores
    from outlive.wiring import App

NONE = "none"


Change = Callable[["Engine", "TenantStores | None"], Coroutine[Any, Any, Control]]


def change_and_tell(change: Change, *, deed: Deed, everyone: bool, json: bool, **options: object) -> None:
    """Change one tenant's record or everyone's, note it, and print it."""

    async def run(app: App) -> tuple[str, Control]:
        whose = "all tenants" if everyone else f"tenant {app.settings.tenant}"
        return whose, await change(app.engine, None if everyone else app.stores)

    whose, control = at_rest(run, deed=deed, **options)
    if json:
        print_json(control)
    else:
        say(f"{whose}: {_limits_text(control)}; stopped: {stop_text(control.stopped)}")


def parse_limits(given: Mapping[str, str | None]) -> dict[str, float | int | None]:
    """Limits as typed: a number, or `none` to take one away; `Invalid` names the option."""
    return {name: _parse(name, text) for name, text in given.items() if text is not None}


def _parse(name: str, text: str) -> float | int | None:
    if text.lower() == NONE:
        return None
    try:
        return int(text) if name in WHOLE else float(text)
    except ValueError:
        option = f"--{name.replace('_', '-')}"
        kind = "a whole number" if name in WHOLE else "a number"
        raise Invalid(f"{option} is {text!r}.", fix=f"Give {kind} above 0, or {NONE!r} to take it away.") from None


def stop_text(stop: Stop | None) -> str:
    """The kill switch on one line."""
    return f"{stop.reason} (by {stop.by}, since {local_time(stop.since)})" if stop else "no"


def limit_rows(report: LimitsReport) -> list[tuple[str, object, str]]:
    """Each kind of limit: its value, and which of the three places it comes from."""
    found = asdict(report.effective)
    return [(name, "-" if found[name] is None else f"{found[name]:g}", _source(report, name)) for name in NAMES]


def _source(report: LimitsReport, name: str) -> str:
    places = {"tenant": report.tenant.quotas, "all tenants": report.everyone.quotas, "settings": report.process}
    return next((where for where, quotas in places.items() if getattr(quotas, name) is not None), "")


def left_text(left: Left) -> str:
    """What may still be spent, for people; empty when nothing is limited."""
    spans = {"in this session": left.session_usd, "today": left.day_usd, "this month": left.month_usd}
    texts = [f"${usd:.4f} {span}" for span, usd in spans.items() if usd is not None]
    return ", ".join([*texts, *([f"stopped: {left.stopped.reason}"] if left.stopped else [])])


def _limits_text(control: Control) -> str:
    """One record's own limits on one line."""
    own = {name: value for name, value in asdict(control.quotas).items() if value is not None}
    return ", ".join(f"{name}={value:g}" for name, value in own.items()) or "no limits of its own"
