"""The agent function: one message of the queue, one turn, and the turn handed over before the function is ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from outlive.aws.queue import delivery_of
from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound, decode_inbound
from outlive.entrypoints.aws_lambda.kept import Kept
from outlive.entrypoints.aws_lambda.live import shown, tell_failed
from outlive.entrypoints.aws_lambda.private import hide_process
from outlive.entrypoints.terminal.output import print_json
from outlive.errors import LeaseLost, OutliveError
from outlive.flows.limits.statistics import flush_when_due
from outlive.flows.run_turn import Turn
from outlive.flows.turn.hand_over import HandedOver, handover_at
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.work_queue import Outcome, work_one
from outlive.protocols import Delivery
from outlive.wiring import App, open_app

KEPT = Kept(open_app)


def run_batch(event: Mapping[str, Any], *, remaining_seconds: Callable[[], float]) -> Mapping[str, Any]:
    """The messages of the event that are not done, as Lambda wants to be told (`ReportBatchItemFailures`).

    A turn settles its own message: done, given back with a pause, sent anew or put aside. What is told here only keeps
    Lambda from removing one that was given back. After a message that failed the rest of a batch is left alone, so that
    no session's order is broken.
    """
    hide_process()
    records: Sequence[Mapping[str, Any]] = event["Records"]
    return KEPT.run(lambda app: _work(app, records, remaining_seconds))


async def _work(
    app: App, records: Sequence[Mapping[str, Any]], remaining_seconds: Callable[[], float]
) -> Mapping[str, Any]:
    try:
        for done, record in enumerate(records):
            if not await _is_done(app, record, remaining_seconds()):
                return _failed(records[done:])
        return _failed([])
    finally:
        await flush_when_due(app.beside)


async def _is_done(app: App, record: Mapping[str, Any], seconds: float) -> bool:
    watch = _Watch()
    try:
        delivery = delivery_of(
            record["messageId"],
            record["receiptHandle"],
            record["body"],
            record["attributes"]["ApproximateReceiveCount"],
        )
        now = app.engine.clock.now()
        deadline = handover_at(app.engine.policy, now + seconds, now)
    except OutliveError as error:
        watch.tell("failed", error=error.message, message=record["messageId"])
        return False
    # Lambda took it for as long as the function may run; dead from here on, it is to come back as soon as from anybody.
    with suppress(OutliveError):  # whoever has it now, the session's lease decides
        await app.engine.queue.extend(delivery, app.engine.policy.visibility_seconds)
    async with shown(app, _key_of(delivery)) as on_event:
        await work_one(app.engine, delivery, on_event, watch.on_outcome, deadline)
    if watch.failed is not None:
        with suppress(OutliveError):  # the log says what failed; whether people hear of it changes nothing
            await tell_failed(app, watch.failed)
    return watch.done


def _key_of(delivery: Delivery) -> SessionKey | None:
    try:
        return decode_inbound(delivery.message.body).key
    except OutliveError:
        return None  # the turn says what is wrong with it


@dataclass
class _Watch:
    """One line of JSON per turn for the function's log, with nothing of its text."""

    done: bool = False
    failed: SessionKey | None = None
    """Whose turn did."""

    def tell(self, event: str, **fields: object) -> None:
        print_json({"event": event} | fields)

    async def on_outcome(self, inbound: Inbound, outcome: Outcome) -> None:
        which = {"session_key": str(inbound.key), "message_id": inbound.message_id}
        match outcome:
            case Turn():
                self.done = True
                steps = {step.name: round(step.seconds * 1000, 1) for step in outcome.trace.steps}
                fields: dict[str, object] = {
                    "how": outcome.how,
                    "session_id": outcome.session_id,
                    "ms": steps,
                    **_tokens(outcome),
                }
                self.tell("turn", **which, **fields)
            case Busy():
                self.tell("busy", reason=outcome.reason, **which)
            case HandedOver():
                self.tell("handed_over", session_id=outcome.session_id, steps=outcome.steps, **which)
            case LeaseLost():
                self.tell("busy", reason=outcome.message, **which)
            case OutliveError():
                self.failed = inbound.key
                self.tell("failed", error=outcome.message, type=type(outcome).__name__, **which)


def _tokens(turn: Turn) -> Mapping[str, object]:
    """What went into the model, and how much of it came from the prompt cache: the template counts both.

    A repeat has used nothing anew.
    """
    if turn.how == "repeat":
        return {}
    line = turn.line
    into = line.input_tokens + line.cache_read_tokens + line.cache_write_tokens
    return {"input_tokens": into, "cached_tokens": line.cache_read_tokens, "usd": line.usd}


def _failed(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}
