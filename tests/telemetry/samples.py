"""An event of each kind, with circumstances."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

from outlive.core.telemetry import About, Event, Fault, Told

ABOUT = About("acme", "acme:console:ada:default", "0" * 32, "m1", turn=3, receives=2)
VALUES = {
    "Fault": Fault("AgentFailed", quoted="the model said: my dog is called Rex"),
    "Mapping[str, float]": {"agent": 1.5, "commit": 0.02},
    "bool": True,
    "int": 7,
    "float": 1.25,
    "str": "console",
}


def sample(kind: type[Event]) -> Event:
    """One, with some value in every field."""
    return kind(**{each.name: VALUES.get(str(each.type), "flush") for each in fields(kind)})


EVENTS = [sample(kind) for kind in get_args(Event)]
TOLD = [Told(event, ABOUT, 1_700_000_000.5, "ab" * 16) for event in EVENTS]
