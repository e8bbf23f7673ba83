"""What a month on AWS costs, from how it is used and what things cost; free tiers and model tokens are left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from outlive.errors import Invalid

DAYS = 30
HOURS = 730
MILLION = 1_000_000
POLLS = 648_000
"""Receives of an idle queue in a month: five pollers of 20 seconds each."""
ALARMS = 10
METRICS = 3
"""That every turn writes into the log; those of faults (see `core.metrics`) are billed by the hour they occur in."""
TICKS, TICK_GB, TICK_SECONDS = 43_200, 0.5, 0.3
"""The sweeper looks every minute for schedules, replies and dead letters."""
PRODUCER_GB, PRODUCER_SECONDS = 0.25, 0.06
DISPATCHER_GB, DISPATCHER_SECONDS = 0.125, 0.2
"""It waits while the agent works, and takes this long besides."""
IMAGES_GB = 1.2
"""Four functions have the image, each in a repository of its own; packed it is some 300 MB."""
COLD_SHARE, INIT_SECONDS = 0.1, 3.0
"""How many turns meet a new process, and how long that takes to start: INIT is billed, too."""

NAMES = frozenset(
    {
        "lambda_gb_second_arm64",
        "lambda_gb_second_x86_64",
        "lambda_million_requests",
        "http_api_million",
        "function_url_million",
        "sqs_fifo_million",
        "dynamodb_million_write_units",
        "dynamodb_million_read_units",
        "s3_standard_million_puts",
        "s3_standard_million_gets",
        "s3_express_million_puts",
        "s3_express_million_gets",
        "s3_standard_gb_month",
        "s3_express_gb_month",
        "cloudwatch_logs_gb",
        "cloudwatch_alarm_month",
        "cloudwatch_metric_month",
        "ecr_gb_month",
        "fargate_arm_vcpu_hour",
        "fargate_arm_gb_hour",
    }
)
"""Of the prices a bill is made with."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much is done in a month, and with what; the counts are per turn."""

    turns_per_day: float
    seconds: float = 60.0
    memory_gb: float = 2.0
    architecture: str = "arm64"
    front_door: str = "http-api"
    object_class: str = "standard"
    isolation: str = "shared"
    puts: float = 10.0
    gets: float = 2.0
    write_units: float = 16.0
    """Two for each conditional write of a long session: three of the turn, and a renewal every ten seconds."""
    read_units: float = 6.0
    queue_calls: float = 5.2
    log_kb: float = 20.0
    stored_gb: float = 1.0

    @property
    def turns(self) -> float:
        """In a month."""
        return self.turns_per_day * DAYS


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the bill."""

    item: str
    amount: float
    unit: str
    price: float
    """Dollars per unit."""

    @property
    def usd(self) -> float:
        """A month."""
        return self.amount * self.price


def bill(use: Use, prices: Mapping[str, float]) -> list[Line]:
    """Every item of a month, idle costs included; `Invalid` names a price that is missing."""
    if missing := sorted(NAMES - prices.keys()):
        raise Invalid(f"the prices lack {', '.join(missing)}.", fix="Start from a copy of the shipped prices.toml.")
    turns, millions = use.turns, use.turns / MILLION
    second = prices[f"lambda_gb_second_{use.architecture}"]
    door = prices["http_api_million" if use.front_door == "http-api" else "function_url_million"]
    kind = f"s3_{use.object_class}"
    agent_seconds = use.memory_gb * (use.seconds + COLD_SHARE * INIT_SECONDS)
    waits = DISPATCHER_GB * (use.seconds + COLD_SHARE * INIT_SECONDS + DISPATCHER_SECONDS)
    dispatcher = [Line("dispatcher function", turns * waits, "GB-second", second)] if use.isolation != "shared" else []
    requests = (2 + len(dispatcher)) * millions + TICKS / MILLION
    return [
        Line("agent function", turns * agent_seconds, "GB-second", second),
        *dispatcher,
        Line("producer function", turns * PRODUCER_GB * PRODUCER_SECONDS, "GB-second", second),
        Line("sweeper function", TICKS * TICK_GB * TICK_SECONDS, "GB-second", second),
        Line("function requests", requests, "million", prices["lambda_million_requests"]),
        Line(f"front door ({use.front_door})", millions, "million requests", door),
        Line("queue", use.queue_calls * millions, "million calls", prices["sqs_fifo_million"]),
        Line("queue, idle polling", POLLS / MILLION, "million calls", prices["sqs_fifo_million"]),
        Line("table writes", use.write_units * millions, "million units", prices["dynamodb_million_write_units"]),
        Line("table reads", use.read_units * millions, "million units", prices["dynamodb_million_read_units"]),
        Line("object writes", use.puts * millions, "million", prices[f"{kind}_million_puts"]),
        Line("object reads", use.gets * millions, "million", prices[f"{kind}_million_gets"]),
        Line("objects kept", use.stored_gb, "GB-month", prices[f"{kind}_gb_month"]),
        Line("images kept", IMAGES_GB, "GB-month", prices["ecr_gb_month"]),
        Line("logs", use.log_kb * millions, "GB", prices["cloudwatch_logs_gb"]),
        Line("alarms", ALARMS, "alarm", prices["cloudwatch_alarm_month"]),
        Line("metrics of the log", METRICS, "metric", prices["cloudwatch_metric_month"]),
    ]


@dataclass(frozen=True, slots=True)
class Containers:
    """The same work on containers that are always on."""

    count: int
    """How many it takes when turns come evenly; peaks take more."""
    usd: float
    """A month."""
    break_even_turns: float
    """Turns a month from which the first one is cheaper."""


def containers(use: Use, prices: Mapping[str, float], lines: list[Line]) -> Containers:
    """Containers of one processor and the agent's memory, with a turn at a time each."""
    hour = prices["fargate_arm_vcpu_hour"] + use.memory_gb * prices["fargate_arm_gb_hour"]
    count = max(1, math.ceil(use.turns * use.seconds / (DAYS * 86_400)))
    idle = sum(line.usd for line in bill(Use(0, stored_gb=use.stored_gb), prices))
    moving = sum(line.usd for line in lines) - idle
    per_turn = moving / use.turns if use.turns else math.inf
    return Containers(count, count * hour * HOURS, max(0.0, hour * HOURS - idle) / per_turn)
