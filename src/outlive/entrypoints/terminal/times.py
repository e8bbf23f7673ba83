"""Times and spans of time as people write them."""

from __future__ import annotations

import re
from datetime import datetime

from outlive.errors import Invalid
from outlive.flows.delivery.schedule_messages import time_zone

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds_of(text: str) -> float:
    """`30s`, `10m`, `6h` or `7d` in seconds; `Invalid` otherwise."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise Invalid(f"{text!r} is no span of time.", fix="Write it as 30s, 10m, 6h or 7d.")
    return float(found[1]) * UNITS[found[2]]


def epoch_of(text: str, zone: str) -> float:
    """An ISO date and time in epoch seconds; in `zone` where it has no offset of its own. `Invalid` otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no date and time.", fix="Write it as 2027-03-01T09:00.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=time_zone(zone))).timestamp()
