"""Slack's requests at the producer: messages and answers go into the queue. Standard library only.

The producer sees no table: it knows the allow-list alone, no pairings, and carries out no commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from outlive.channels.slack.decisions import Challenge, Control, Drop, Overheard, Stranger, Turn
from outlive.channels.slack.rules import Rules, ids
from outlive.channels.slack.webhook import check_secret, read_webhook
from outlive.core.keys import Tenant
from outlive.core.messages import Inbound

NO_COMMANDS = "Commands are not served here: this app runs without a process that could carry them out."


@dataclass(frozen=True, slots=True)
class Answered:
    """What Slack is told, with nothing to hand over."""

    text: str
    why: str
    """For the log."""


def read_slack(
    headers: Mapping[str, str], body: bytes, *, env: Mapping[str, str], tenant: Tenant, now: float
) -> Inbound | Answered:
    """What is in a request; `Refused`, `TooLarge` or `Invalid` when it cannot be taken, as of `read_webhook`."""
    secret = check_secret(env.get("SLACK_SIGNING_SECRET", ""))
    rules = Rules(allowed=ids(env.get("OUTLIVE_SLACK_ALLOW", "")), tenant=tenant)
    decision = read_webhook(headers, body, secret=secret, rules=rules, now=now)
    match decision:
        case Turn(inbound):
            return inbound
        case Challenge(value):
            return Answered(value, "the address was verified")
        case Control(name=name, response_url=url):
            return Answered(NO_COMMANDS if url else "", f"command {name} is not served here")
        case Stranger(sender=sender):
            return Answered("", f"{sender} is not in the allow-list")
        case Overheard():
            return Answered("", "not said to the app")
        case Drop(reason):
            return Answered("", reason)
        case _:
            assert_never(decision)
