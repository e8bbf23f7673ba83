"""How a deployment is used, as CloudWatch has counted it, and what the benchmark has counted: figures for a bill."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outlive.core.costs import COLD_SHARE, DAYS, Use
from outlive.entrypoints.aws_stack.services import client, explained
from outlive.entrypoints.aws_stack.stack import Part, parts
from outlive.errors import Invalid, NotFound

DAY = 86_400
HEAD_UNITS = 2
"""Write units of a conditional write: a head of a long session has 1.2 KB as it lies there, and a unit is one."""
WRITES = ("dynamodb.UpdateItem", "dynamodb.PutItem", "dynamodb.DeleteItem")
READS = ("dynamodb.GetItem", "dynamodb.Query")


@dataclass(frozen=True, slots=True)
class Gauge:
    """Reads sums of one region's metrics."""

    watch: Any
    days: float

    def total(self, namespace: str, metric: str, statistic: str = "Sum", **dimensions: str) -> float:
        """The metric over all days, by its daily sums or averages."""
        now = time.time()
        with explained("CloudWatch"):
            found = self.watch.get_metric_statistics(
                Namespace=namespace,
                MetricName=metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=now - self.days * DAY,
                EndTime=now,
                Period=DAY,
                Statistics=[statistic],
            )
        return float(sum(point[statistic] for point in found["Datapoints"]))


def use_of_stack(stack: str, region: str | None, days: float, use: Use) -> Use:
    """`use` with everything that CloudWatch knows of the stack; `NotFound` when it had no turn in these days.

    What S3 charges for is not counted there (its request metrics cost extra) and stays as it was given.
    """
    found = {part.name: part for part in parts(stack, region)}
    gauge = Gauge(client("cloudwatch", region), days)
    agent, table, queue = (found[name].physical for name in ("AgentFunction", "SessionTable", "TurnQueue"))
    turns = gauge.total("AWS/Lambda", "Invocations", FunctionName=agent)
    if not turns:
        raise NotFound(f"stack {stack} has run no turn in {days:g} days.", fix="Pass more --days, or --turns.")
    about = _configuration(agent, region)
    units = {
        name: gauge.total("AWS/DynamoDB", f"Consumed{name}CapacityUnits", TableName=table) for name in ("Write", "Read")
    }
    called = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted")
    queue_name = queue.rpartition("/")[2]
    return replace(
        use,
        turns_per_day=turns / days,
        seconds=gauge.total("AWS/Lambda", "Duration", FunctionName=agent) / 1000 / turns,
        memory_gb=about["MemorySize"] / 1024,
        architecture=about.get("Architectures", [use.architecture])[0],
        front_door="http-api" if "Api" in found else "function-url",
        object_class="express" if "ExpressBucket" in found else "standard",
        isolation="per-tenant" if "DispatcherFunction" in found else "shared",
        write_units=units["Write"] / turns,
        read_units=units["Read"] / turns,
        queue_calls=sum(gauge.total("AWS/SQS", name, QueueName=queue_name) for name in called) / turns,
        log_kb=_log_kb(gauge, found, turns) or use.log_kb,
    )


def use_of_benchmark(path: Path, use: Use) -> Use:
    """`use` with the requests that `python -m bench run --on aws --json FILE` counted, at its longest session.

    The benchmark's agent answers at once: `use.puts` says how many flush windows its turns did not have.
    """
    try:
        rows = [row for row in json.loads(path.read_text())["results"] if row["contestant"] == "outlive-aws"]
        longest = max(rows, key=lambda row: row["messages"])
        turn, resume = (longest[name]["operations"] for name in ("turn", "resume"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "Make one with `python -m bench run --on aws --json FILE`."
        raise Invalid(f"{path} holds no counts of outlive on AWS: {error!r}.", fix=fix) from error
    return replace(
        use,
        puts=_count(turn, "s3.PUT") - 1 + use.puts,
        gets=_count(turn, "s3.GET") + COLD_SHARE * _count(resume, "s3.GET"),
        write_units=HEAD_UNITS * _count(turn, *WRITES),
        read_units=_count(turn, *READS) + COLD_SHARE * _count(resume, *READS),
    )


def _count(operations: Mapping[str, float], *names: str) -> float:
    return sum(operations.get(name, 0.0) for name in names)


def _configuration(function: str, region: str | None) -> Mapping[str, Any]:
    with explained(f"function {function}"):
        found: Mapping[str, Any] = client("lambda", region).get_function_configuration(FunctionName=function)
    return found


def _log_kb(gauge: Gauge, found: Mapping[str, Part], turns: float) -> float:
    groups = [part.physical for part in found.values() if part.kind == "AWS::Logs::LogGroup"]
    return sum(gauge.total("AWS/Logs", "IncomingBytes", LogGroupName=name) for name in groups) / 1000 / turns


def monthly(use: Use) -> str:
    """The measured use on one line."""
    return (
        f"Reckoned with {use.turns_per_day * DAYS:,.0f} turns a month of {use.seconds:.1f} s in {use.memory_gb:g} GB; "
        f"a turn has {use.write_units:.1f} write and {use.read_units:.1f} read units, {use.puts:.1f} object writes."
    )
