"""What a deployment may run into: an account's ceiling for functions, a bot that does not know its name."""

from __future__ import annotations

from collections.abc import Mapping

from outlive.entrypoints.aws_stack.services import client, explained
from outlive.errors import OutliveError

OTHERS = 47
"""Reserved in the template for functions other than agent and dispatcher."""
UNRESERVED = 100
"""What Lambda keeps free of reservations (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html)."""
QUOTA = "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384"


def concurrency(region: str | None) -> int | None:
    """How many functions the account may run at one time; None when that is not told."""
    try:
        with explained("Lambda"):
            found = client("lambda", region).get_account_settings()["AccountLimit"]
    except OutliveError:
        return None  # only a hint is lost
    return int(found["ConcurrentExecutions"])


def too_few(parameters: Mapping[str, str], limit: int | None) -> list[str]:
    """What to do first where `limit` is less than the template reserves: a new account's is 10."""
    given = parameters.get("AgentConcurrency", "")
    agents = int(given) if given.isdecimal() else 10
    reserved = OTHERS + agents * (2 if parameters.get("Isolation") == "per-tenant" else 1)
    if limit is None or limit >= reserved + UNRESERVED:
        return []
    told = f"This account may run {limit} functions at one time, the template reserves up to {reserved}"
    return [f"{told}, and Lambda keeps {UNRESERVED} besides: ask for more with `{QUOTA} --desired-value 1000`."]


def unnamed(parameters: Mapping[str, str]) -> list[str]:
    """A bot is spoken to in groups by its name, which the producer cannot ask for."""
    if not parameters.get("TelegramBotToken") or parameters.get("TelegramBotName"):
        return []
    return ["In groups the bot hears @NAME only with --parameter TelegramBotName=NAME."]
