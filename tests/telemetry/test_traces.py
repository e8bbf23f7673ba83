"""One trace from intake over the queue to the turn and its delivery."""

from __future__ import annotations

import json

import pytest

from outlive.core.keys import session_key
from outlive.core.messages import Inbound, decode_inbound, encode_inbound
from outlive.errors import Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.run_turn import run_turn
from outlive.testing.faults import ErrorBefore, Plan, every
from tests.engine.queued import work

OUTSIDE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STEPS = {f"outlive.{name}" for name in ("lease", "hydrate", "agent", "commit", "deliver", "release")}


async def _answered(world, ear, traceparent: str = "") -> None:
    """A message taken in by one worker and answered by another."""
    intake, worker = ear.on(world.worker("intake")), ear.on(world.worker("worker"))
    inbound = Inbound(session_key("acme", "console", "ada"), "m1", "hello", world.clock.now(), traceparent=traceparent)
    await accept_message(intake.queue, inbound, intake.clock, intake.telemetry)
    world.clock.advance(5)
    assert await work(worker) == 1


async def test_one_trace_holds_intake_queue_turn_steps_and_delivery(world, ear) -> None:
    """Intake, the time in the queue, the turn, its steps and its reply are one trace across two workers."""
    await _answered(world, ear)
    spans = ear.spans
    assert {"outlive.intake", "outlive.queue", "outlive.turn", "outlive.reply"} | STEPS <= set(spans)
    assert len({span.context.trace_id for span in spans.values()}) == 1
    turn, intake = spans["outlive.turn"], spans["outlive.intake"]
    assert turn.parent.span_id == spans["outlive.queue"].parent.span_id == intake.context.span_id
    assert {spans[name].parent.span_id for name in STEPS} == {turn.context.span_id}
    assert spans["outlive.reply"].parent.span_id == spans["outlive.deliver"].context.span_id


async def test_the_time_in_the_queue_is_a_span(world, ear) -> None:
    """The queue's span lasts from the sending to the receiving, by the clock of the messages."""
    await _answered(world, ear)
    queue = ear.spans["outlive.queue"]
    assert queue.end_time - queue.start_time == pytest.approx(5e9)


async def test_a_trace_of_the_callers_own_is_gone_on_with(world, ear) -> None:
    """A message that brings a traceparent has its spans in that trace."""
    await _answered(world, ear, OUTSIDE)
    assert {f"{span.context.trace_id:032x}" for span in ear.spans.values()} == {OUTSIDE[3:35]}


async def test_the_agent_is_given_the_context_of_its_step(world, ear) -> None:
    """The agent's traceparent names the trace and the span of the step that runs it; without tracing it is empty."""
    await _answered(world, ear)
    agent = ear.spans["outlive.agent"].context
    assert world.agent.runs[0].traceparent.startswith(f"00-{agent.trace_id:032x}-{agent.span_id:016x}-")
    await world.turn(world.worker(), "again")
    assert world.agent.runs[1].traceparent == ""


async def test_spans_say_whom_they_are_about_and_nothing_that_was_said(world, ear) -> None:
    """Spans carry tenant, session and message, and neither the message nor the reply."""
    inbound = Inbound(session_key("acme", "console", "ada"), "m1", "a-word-of-mine", world.clock.now())
    await run_turn(ear.on(world.worker()), inbound)
    exported = " ".join(span.to_json() for span in ear.exporter.get_finished_spans())
    assert "a-word-of-mine" not in exported
    attributes = ear.spans["outlive.commit"].attributes
    assert attributes["outlive.session_key"] == "acme:console:ada:default"
    assert attributes["outlive.session_id"] == (await world.head()).session_id


async def test_a_failed_step_is_marked_without_its_message(world, ear) -> None:
    """A commit that fails marks its span and the turn's with the error's class; no message goes along."""
    plan = Plan(every("objects.put", ErrorBefore()), clock=world.clock)
    with pytest.raises(Unavailable):
        await world.turn(ear.on(world.worker("w", plan)), "hello")
    for name in ("outlive.commit", "outlive.turn"):
        span = ear.spans[name]
        assert (span.status.is_ok, span.status.description, span.events) == (False, "Unavailable", ())


async def test_events_carry_the_trace(world, ear) -> None:
    """What is told inside a turn has the trace id of its spans."""
    await _answered(world, ear)
    turn = f"{ear.spans['outlive.turn'].context.trace_id:032x}"
    assert {told.trace_id for told in ear.told if told.event.name in {"turn_ended", "tree_hydrated"}} == {turn}


def test_the_queue_form_is_as_before_without_tracing() -> None:
    """A message without a trace is encoded as it always was, and one that was queued before is read."""
    inbound = Inbound(session_key("acme", "console", "ada"), "m1", "hello", 7.0)
    assert len(json.loads(encode_inbound(inbound))) == 6
    assert decode_inbound(b'[1,"acme:console:ada:default","m1","hello",7.0,""]') == inbound
    traced = Inbound(session_key("acme", "console", "ada"), "m1", "hello", 7.0, traceparent=OUTSIDE)
    assert decode_inbound(encode_inbound(traced)) == traced
