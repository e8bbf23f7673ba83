"""A tool call that waits for a person, as the engine sees it: the question, who answers, and what survives."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.answers import Answer
from outlive.core.approvals import NOT_TAKEN, TOOL_DEFERRED, Approval, call_digest
from outlive.core.quotas import Quotas
from outlive.errors import NotFound
from outlive.flows.accept_message import accept_message
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.inspect_session import inspect_session
from outlive.flows.sessions.list_approvals import list_approvals, open_question
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.work_queue import work_one
from outlive.testing.faults import Action, Crash, CrashAfter, CrashBefore, Plan, at, on

from .asking import RULE, AskingAgent
from .conftest import KEY, World

ASKER, OTHER = "ada", "eve"
MOST_STEPS = 200


@pytest.fixture
def asking(world: World) -> World:
    """A universe whose agent asks."""
    world.agent = AskingAgent()
    return world


async def asked(world: World, text: str = "push 1") -> Approval:
    """The question that a message of the asker leads to."""
    turn = await said(world, text, ASKER)
    assert turn.line.stop_reason == TOOL_DEFERRED
    assert turn.line.approval is not None
    return turn.line.approval


async def said(world: World, text: str, sender: str = ASKER, message_id: str | None = None) -> Turn:
    """A message's turn, on a worker that has not seen the session before."""
    inbound = replace(world.message(text, message_id), sender=sender)
    turn = await run_turn(world.worker(f"w{len(world.agent.runs)}-{text[:4].strip('/ ')}"), inbound)
    assert not isinstance(turn, Busy)
    return turn


async def test_the_question_is_committed_with_the_turn(asking: World) -> None:
    """Head, reply and listing say what waits, for whom and until when, and no lease is held meanwhile."""
    question = await asked(asking)
    assert (await asking.head()).approval == question
    assert question.digest == call_digest("toolu_push 1", "Bash", {"command": "git push"})
    assert (question.sender, question.rule, question.expires_at - question.asked_at) == (ASKER, RULE, 1800)
    assert await asking.lease_owner() is None
    engine = asking.observer
    assert [each.approval for each in await list_approvals(engine, engine.stores("acme"))] == [question]


async def test_every_channel_gets_the_question(asking: World) -> None:
    """The reply carries it for buttons, and says in words what is asked and how to answer."""
    question = await asked(asking)
    reply = asking.inbox.replies[-1]
    assert reply.question == question
    assert reply.text.startswith("I will push.")
    assert "git push" in reply.text
    assert f"/once {question.id}" in reply.text


async def test_an_answer_runs_the_call_on_another_worker(asking: World) -> None:
    """The verdict reaches the agent with the digest, without a prompt, and the question is closed."""
    question = await asked(asking)
    turn = await said(asking, f"/once {question.id}")
    assert asking.agent.pushed == [question.digest]
    assert turn.line.reply.endswith("decided True ")
    head = await asking.head()
    assert (head.approval, head.lifted_rules) == (None, ())


async def test_a_button_answers_like_words(asking: World) -> None:
    """An answer beside the text counts, whatever the text says, and travels through the queue."""
    question = await asked(asking)
    inbound = replace(asking.message("Allowed"), sender=ASKER, answer=Answer(question.id, "once"))
    engine = asking.worker("other")
    assert await accept_message(engine.queue, inbound, engine.clock)
    delivery = await engine.queue.receive(visibility=30, wait=0)
    assert delivery is not None
    await work_one(engine, delivery)
    assert asking.agent.pushed == [question.digest]


async def test_always_lifts_the_rule(asking: World) -> None:
    """After `always` the rule asks no more in this session, and `sessions show` names it."""
    question = await asked(asking)
    await said(asking, f"/always {question.id}")
    assert asking.agent.runs[-1].lifted_rules == (RULE,)
    assert (await said(asking, "push 2")).line.stop_reason == "end_turn"
    engine, stores = asking.observer, asking.observer.stores("acme")
    detail = await inspect_session(engine, stores, await find_session(engine, stores, KEY))
    assert detail.lifted_rules == (RULE,)


async def test_a_denial_reaches_the_agent(asking: World) -> None:
    """The agent is told of the refusal with the note, and nothing is run."""
    question = await asked(asking)
    turn = await said(asking, f"/deny {question.id} not on a Friday")
    assert "not on a Friday" in turn.line.reply
    assert asking.agent.pushed == []


@pytest.mark.parametrize(("words", "sender", "why"), [("/once 00000000", ASKER, "not open"), ("", OTHER, "not yours")])
async def test_an_answer_that_does_not_count_leaves_the_question_open(
    asking: World, words: str, sender: str, why: str
) -> None:
    """A wrong id and a wrong person get a reason without a model call, and the right answer still counts."""
    question = await asked(asking)
    turn = await said(asking, words or f"/once {question.id}", sender)
    assert (turn.line.stop_reason, why in turn.line.reply) == (NOT_TAKEN, True)
    assert (len(asking.agent.runs), asking.inbox.replies[-1].question) == (1, None)
    await said(asking, f"/once {question.id}", message_id="right")
    assert asking.agent.pushed == [question.digest]


async def test_an_approver_may_answer_for_others(asking: World) -> None:
    """A sender that the setting names may allow what another one's message led to."""
    question = await asked(asking)
    inbound = replace(asking.message(f"/once {question.id}"), sender=OTHER)
    await run_turn(asking.worker("other", approvers=(OTHER,)), inbound)
    assert asking.agent.pushed == [question.digest]


async def test_an_expired_question_is_closed(asking: World) -> None:
    """After half an hour the answer allows nothing: it says so, and the question is gone from the head."""
    question = await asked(asking)
    asking.clock.advance(1800)
    turn = await said(asking, f"/once {question.id}")
    assert "expired" in turn.line.reply
    assert (asking.agent.pushed, (await asking.head()).approval) == ([], None)


async def test_an_answer_in_time_counts_when_it_is_delivered_late(asking: World) -> None:
    """What decides is when the answer was sent, not when a worker came to it."""
    question = await asked(asking)
    inbound = replace(asking.message(f"/once {question.id}"), sender=ASKER)
    asking.clock.advance(3600)
    await run_turn(asking.worker("late"), inbound)
    assert asking.agent.pushed == [question.digest]


async def test_two_answers_run_the_call_once(asking: World) -> None:
    """The second of two answers hears that nothing waits any more."""
    question = await asked(asking)
    await said(asking, f"/once {question.id}", message_id="first")
    second = await said(asking, f"/once {question.id}", message_id="second")
    assert "Nothing is waiting" in second.line.reply
    assert asking.agent.pushed == [question.digest]


async def test_an_answer_that_is_delivered_again_is_a_repeat(asking: World) -> None:
    """The ledger answers a redelivery; the call is not run again."""
    question = await asked(asking)
    first = await said(asking, f"/once {question.id}")
    again = await said(asking, f"/once {question.id}")
    assert (again.how, again.line) == ("repeat", first.line)
    assert asking.agent.pushed == [question.digest]


async def test_an_answer_to_a_session_that_never_was(asking: World) -> None:
    """It gets its reason, costs no model call, and the session made by it takes the next message."""
    turn = await said(asking, "/once 12345678")
    assert "Nothing is waiting" in turn.line.reply
    assert (await said(asking, "hello")).line.reply == "Message 1: hello"
    assert len(asking.agent.runs) == 1


async def test_an_answer_that_a_limit_refuses_may_be_given_again(asking: World) -> None:
    """While the session has no money left nothing runs and the question stays; with money the next answer counts."""
    question = await asked(asking)
    poor = asking.worker("poor", quotas=Quotas(max_usd_per_session=0.0001))
    refused = await run_turn(poor, replace(asking.message(f"/always {question.id}"), sender=ASKER))
    assert isinstance(refused, Turn)
    assert refused.how == "refused"
    head = await asking.head()
    assert (head.approval, head.lifted_rules, asking.agent.pushed) == (question, (), [])
    await said(asking, f"/once {question.id}", message_id="again")
    assert asking.agent.pushed == [question.digest]


async def test_another_message_closes_the_question(asking: World) -> None:
    """An ordinary message is the prompt of its turn, and a late answer finds nothing to allow."""
    question = await asked(asking)
    assert (await said(asking, "hello")).line.reply.endswith("hello")
    assert (await asking.head()).approval is None
    await said(asking, f"/once {question.id}")
    assert asking.agent.pushed == []


async def test_a_worker_that_dies_at_the_commit_has_asked_nothing(asking: World) -> None:
    """Question and turn are one commit: the redelivery after a crash just before it commits the same question."""
    await said(asking, "hello")
    inbound = replace(asking.message("push 1"), sender=ASKER)
    plan = Plan(on("table.write", CrashBefore()), clock=asking.clock)
    with pytest.raises(Crash):
        await run_turn(asking.worker("dying", plan), inbound)
    assert (await asking.head()).approval is None
    asking.clock.advance(60)
    turn = await run_turn(asking.worker("next"), inbound)
    assert isinstance(turn, Turn)
    assert turn.how == "adopted"
    assert (await asking.head()).approval == turn.line.approval is not None


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_worker_may_die_at_any_step_of_an_answered_turn(new_world, action: Action) -> None:
    """Whatever step it dies at, the redelivered answer allows that call, ends in one turn, and closes the question."""
    for number in range(1, MOST_STEPS):
        world = new_world()
        world.agent = AskingAgent()
        question = await asked(world)
        inbound = replace(world.message(f"/once {question.id}"), sender=ASKER)
        plan = Plan(at(number, action), clock=world.clock)
        with suppress(Crash):
            await run_turn(world.worker("dying", plan), inbound)
        world.clock.advance(2000)
        await run_turn(world.worker("next"), inbound)
        assert set(world.agent.pushed) == {question.digest}
        assert await world.answers() == ["push 1", inbound.message_id]
        assert (await world.head()).approval is None
        if plan.dead is None:
            assert number > 15, "the turn has more steps than that"
            return
    pytest.fail("a turn never came through")


async def test_rewinding_closes_the_question(asking: World) -> None:
    """After a rewind no answer makes the call: it may not be in that tree."""
    await said(asking, "hello")
    question = await asked(asking)
    engine, stores = asking.observer, asking.observer.stores("acme")
    await rewind_session(engine, stores, await find_session(engine, stores, KEY), 1)
    await said(asking, f"/once {question.id}")
    assert asking.agent.pushed == []


async def test_a_session_without_a_question_has_none_to_show(asking: World) -> None:
    """Looking for it says so and what to do."""
    await said(asking, "hello")
    engine, stores = asking.observer, asking.observer.stores("acme")
    with pytest.raises(NotFound, match="nothing waits"):
        await open_question(engine, stores, await find_session(engine, stores, KEY))
