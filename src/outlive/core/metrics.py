"""The one definition of all metrics: their names, and what each event adds to them.

Prometheus, CloudWatch, the alarm rules, the dashboards and docs/reference/metrics.md are made from it, or checked
against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from outlive.core.telemetry import (
    About,
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    FenceRefused,
    LeaseTakenOver,
    LiveRecordSkipped,
    MessageAccepted,
    MessageDead,
    MessageReceived,
    ReplyDelivered,
    ReplyGivenUp,
    ReplyPutOff,
    RoundFailed,
    TranscriptNotWritten,
    TreeHydrated,
    TurnEnded,
    TurnFailed,
    TurnHandedOver,
    TurnNotDurable,
    TurnWaits,
)

Kind = Literal["counter", "gauge", "histogram"]
Unit = Literal["", "seconds", "bytes", "tokens", "usd"]

SHORT = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
LONG = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0)
WAITS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, with all its series."""

    name: str
    """In Prometheus, where a counter's ends in `_total`."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: Unit = ""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's, ascending, without infinity."""
    cloudwatch: str = ""
    """Its name in CloudWatch; empty for one that is not sent there: each costs money."""
    asks: bool = False
    """A gauge that is read when somebody asks for the metrics: it takes requests to the stores."""


MESSAGES = Metric(
    "outlive_messages_accepted_total", "counter", "Messages put into the queue.", ("channel", "duplicate")
)
QUEUE_WAIT = Metric(
    "outlive_queue_wait_seconds", "histogram", "Time a message lay in the queue.", unit="seconds", buckets=WAITS
)
TURNS = Metric("outlive_turns_total", "counter", "Messages that got a committed answer.", ("outcome", "how"))
TURN_SECONDS = Metric("outlive_turn_seconds", "histogram", "Time from lease to release.", ("how",), "seconds", LONG)
STEP_SECONDS = Metric(
    "outlive_turn_step_seconds", "histogram", "Time of each step of a turn.", ("step",), "seconds", SHORT
)
FAILED = Metric(
    "outlive_turns_failed_total",
    "counter",
    "Turns that ended with an error; their messages are tried again.",
    ("error",),
    cloudwatch="FailedTurns",
)
NOT_DURABLE = Metric(
    "outlive_turns_not_durable_total",
    "counter",
    "Turns that the agent had finished and that could not be committed.",
    ("error",),
    cloudwatch="TurnsNotDurable",
)
HANDED_OVER = Metric("outlive_turns_handed_over_total", "counter", "Turns let go at the end of an invocation.")
WAITING = Metric("outlive_turns_put_off_total", "counter", "Receives of a message whose session was held.")
RETRIED = Metric("outlive_turns_retried_total", "counter", "Answered messages that took more than one receive.")
NOT_WRITTEN = Metric(
    "outlive_transcript_writes_failed_total",
    "counter",
    "Times that new bytes of a turn could not be stored.",
    ("stage",),
    cloudwatch="TranscriptWritesFailed",
)
TAKEOVERS = Metric(
    "outlive_lease_takeovers_total",
    "counter",
    "Sessions taken over from a worker that did not end in order.",
    cloudwatch="LeaseTakeovers",
)
REFUSED = Metric(
    "outlive_fences_refused_total",
    "counter",
    "Writes of a worker whose session had passed to another one.",
    ("doing",),
    cloudwatch="FencesRefused",
)
HYDRATIONS = Metric("outlive_hydrations_total", "counter", "Trees brought up to date, by how.", ("tier",))
HYDRATION_SECONDS = Metric(
    "outlive_hydration_seconds", "histogram", "Time it took to bring a tree up to date.", ("tier",), "seconds", SHORT
)
HYDRATION_PACKS = Metric("outlive_hydration_packs_total", "counter", "Objects read for it.", ("tier",))
HYDRATION_BYTES = Metric("outlive_hydration_bytes_total", "counter", "Their bytes.", ("tier",), "bytes")
INPUT = Metric(
    "outlive_input_tokens_total",
    "counter",
    "Tokens that went into models, those from the prompt cache included.",
    unit="tokens",
    cloudwatch="InputTokens",
)
CACHE_READ = Metric(
    "outlive_cache_read_tokens_total",
    "counter",
    "Those of them that the prompt cache had.",
    unit="tokens",
    cloudwatch="CachedTokens",
)
CACHE_WRITE = Metric(
    "outlive_cache_write_tokens_total", "counter", "Those of them that were put into the prompt cache.", unit="tokens"
)
OUTPUT = Metric("outlive_output_tokens_total", "counter", "Tokens that models wrote.", unit="tokens")
COST = Metric(
    "outlive_cost_usd_total", "counter", "Money spent on models, as the agent reports it.", (), "usd", (), "CostUSD"
)
MODEL_CALLS = Metric("outlive_model_calls_total", "counter", "Calls of models.")
DELIVERED = Metric("outlive_replies_delivered_total", "counter", "Replies that a channel has taken.", ("channel",))
REPLY_AGE = Metric(
    "outlive_reply_age_seconds",
    "histogram",
    "Time from a turn's commit to its reply's delivery.",
    ("channel",),
    "seconds",
    WAITS,
)
PUT_OFF = Metric("outlive_replies_put_off_total", "counter", "Tries that a channel could not take.", ("channel",))
GIVEN_UP = Metric(
    "outlive_replies_given_up_total",
    "counter",
    "Replies that are tried no more.",
    ("channel",),
    cloudwatch="RepliesGivenUp",
)
DEAD = Metric("outlive_messages_dead_total", "counter", "Dead letters whose senders were looked up.")
ASKED = Metric("outlive_approvals_asked_total", "counter", "Tool calls that waited for a person.")
ANSWERED = Metric("outlive_approvals_answered_total", "counter", "Answers of people to them.", ("allowed",))
ROUNDS_FAILED = Metric("outlive_rounds_failed_total", "counter", "Faults beside the turns.", ("error",))
LIVE_SKIPPED = Metric("outlive_live_records_skipped_total", "counter", "Live text that could not be read.")
TELEMETRY_FAULTS = Metric(
    "outlive_telemetry_faults_total", "counter", "What telemetry itself has failed at.", ("error",)
)

QUEUE_WAITING = Metric("outlive_queue_waiting", "gauge", "Messages that wait.", asks=True)
QUEUE_IN_FLIGHT = Metric("outlive_queue_in_flight", "gauge", "Messages that are with a worker.", asks=True)
QUEUE_OLDEST = Metric(
    "outlive_queue_oldest_seconds", "gauge", "Age of the oldest message that waits.", unit="seconds", asks=True
)
DEAD_LETTERS = Metric("outlive_dead_letters", "gauge", "Dead letters.", asks=True)
OUTBOX = Metric("outlive_outbox_sessions", "gauge", "Sessions that have replies to be tried again.", asks=True)
OUTBOX_OLDEST = Metric(
    "outlive_outbox_oldest_seconds", "gauge", "Time since the oldest of them first failed.", unit="seconds", asks=True
)
BACKEND_UP = Metric("outlive_backend_up", "gauge", "1 if the backend answered this look.", ("backend",), asks=True)
RUNNING = Metric("outlive_turns_running", "gauge", "Turns that run in this process.")
WARM = Metric("outlive_warm_processes", "gauge", "Agent processes that rest, or wait for a first turn, here.")

METRICS: tuple[Metric, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of them, in the order above."""


@dataclass(frozen=True, slots=True)
class Update:
    """What is to be added to a counter, observed by a histogram, or set in a gauge."""

    metric: Metric
    value: float = 1.0
    labels: tuple[str, ...] = ()
    """Values, in the order of the metric's labels."""


def updates_of(event: Event, about: About) -> Iterator[Update]:
    """What an event changes."""
    match event:
        case TurnEnded():
            yield from _turn(event, about)
        case TreeHydrated(tier, packs, size, seconds):
            yield Update(HYDRATIONS, labels=(tier,))
            yield Update(HYDRATION_SECONDS, seconds, (tier,))
            yield Update(HYDRATION_PACKS, packs, (tier,))
            yield Update(HYDRATION_BYTES, size, (tier,))
        case ReplyDelivered(channel, age):
            yield Update(DELIVERED, labels=(channel,))
            yield Update(REPLY_AGE, age, (channel,))
        case _:
            yield _one(event)


def _turn(event: TurnEnded, about: About) -> Iterator[Update]:
    yield Update(TURNS, labels=(event.outcome, event.how))
    yield Update(TURN_SECONDS, event.seconds, (event.how,))
    for step, seconds in event.steps.items():
        yield Update(STEP_SECONDS, seconds, (step,))
    if about.receives > 1:
        yield Update(RETRIED)
    into = event.input_tokens + event.cache_read_tokens + event.cache_write_tokens
    used = (
        (INPUT, into),
        (CACHE_READ, event.cache_read_tokens),
        (CACHE_WRITE, event.cache_write_tokens),
        (OUTPUT, event.output_tokens),
        (COST, event.usd),
        (MODEL_CALLS, event.model_calls),
    )
    for metric, amount in used:
        if into or amount:
            yield Update(metric, amount)


Simple = (
    MessageAccepted
    | MessageReceived
    | TurnFailed
    | TurnHandedOver
    | TurnWaits
    | TurnNotDurable
    | TranscriptNotWritten
    | LeaseTakenOver
    | FenceRefused
    | ReplyPutOff
    | ReplyGivenUp
    | MessageDead
    | ApprovalAsked
    | ApprovalAnswered
    | RoundFailed
    | LiveRecordSkipped
)
"""Events that change one metric."""


def _one(event: Simple) -> Update:  # noqa: C901, PLR0911, PLR0912 - a line per event
    match event:
        case MessageAccepted(channel, duplicate):
            return Update(MESSAGES, labels=(channel, _yes(duplicate)))
        case MessageReceived(waited):
            return Update(QUEUE_WAIT, waited)
        case TurnFailed(fault):
            return Update(FAILED, labels=(fault.kind,))
        case TurnHandedOver():
            return Update(HANDED_OVER)
        case TurnWaits():
            return Update(WAITING)
        case TurnNotDurable(fault):
            return Update(NOT_DURABLE, labels=(fault.kind,))
        case TranscriptNotWritten(stage):
            return Update(NOT_WRITTEN, labels=(stage,))
        case LeaseTakenOver():
            return Update(TAKEOVERS)
        case FenceRefused(_, doing):
            return Update(REFUSED, labels=(doing,))
        case ReplyPutOff(channel):
            return Update(PUT_OFF, labels=(channel,))
        case ReplyGivenUp(channel):
            return Update(GIVEN_UP, labels=(channel,))
        case MessageDead():
            return Update(DEAD)
        case ApprovalAsked():
            return Update(ASKED)
        case ApprovalAnswered(allowed):
            return Update(ANSWERED, labels=(_yes(allowed),))
        case RoundFailed(fault):
            return Update(ROUNDS_FAILED, labels=(fault.kind,))
        case LiveRecordSkipped():
            return Update(LIVE_SKIPPED)
        case _:
            assert_never(event)


def _yes(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "yes" if value else "no"
