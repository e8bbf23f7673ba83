"""What is chosen for one session: used from its next turn on, kept with it, refused while a turn runs."""

from __future__ import annotations

import asyncio

import pytest

from outlive.core.controls import WhileBusy
from outlive.core.session_options import SessionOptions
from outlive.errors import Conflict, Invalid, NotFound
from outlive.flows.delivery.control_session import new_session
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.change_options import change_options, read_options
from outlive.flows.sessions.resume_session import resume_session
from outlive.flows.turn.find_session import find_session
from outlive.flows.work_queue import work_one
from tests.engine.conftest import KEY
from tests.engine.held import HeldAgent
from tests.engine.queued import key_of, post, receive, work

MODELS = ("haiku", "opus")


async def test_the_model_is_used_from_the_next_turn_on(world) -> None:
    """A turn before the choice and one after it was taken back have the usual model, those between the chosen one."""
    engine = world.worker(models=MODELS)
    await world.turn(engine, "one")
    await change_options(engine, KEY, model="opus")
    await world.turn(world.worker("w2", models=MODELS), "two")
    await change_options(engine, KEY, model="default")
    await world.turn(engine, "three")
    assert [turn.model for turn in world.agent.runs] == [None, "opus", None]


async def test_a_model_that_is_offered_no_more_is_not_used(world) -> None:
    """A worker that does not offer the chosen model runs the usual one."""
    await change_options(world.worker(models=MODELS), KEY, model="opus")
    await world.turn(world.worker("w2"), "one")
    assert [turn.model for turn in world.agent.runs] == [None]


async def test_a_choice_costs_no_request_of_a_turn(world) -> None:
    """A turn with options makes as many calls of the table as one without."""
    engine = world.worker(models=MODELS)
    await world.turn(engine, "one")
    world.counts.calls.clear()
    await world.turn(engine, "two")
    before = dict(world.counts.calls)
    await change_options(engine, KEY, model="opus", while_busy="steer")
    world.counts.calls.clear()
    await world.turn(engine, "three")
    assert dict(world.counts.calls) == before


@pytest.mark.parametrize(("choice", "named"), [({"model": "gpt"}, "model 'gpt'"), ({"while_busy": "x"}, "while_busy")])
async def test_what_is_not_offered_is_refused(world, choice, named) -> None:
    """A model or a mode that there is not is named, and no session is made for it."""
    with pytest.raises(Invalid, match=named):
        await change_options(world.worker(models=MODELS), KEY, **choice)
    with pytest.raises(NotFound):
        await read_options(world.worker(), KEY)


async def test_a_choice_stays_with_its_session(world) -> None:
    """A new session has none; back in the old one it is there again, and so is what was not chosen anew."""
    engine = world.worker(models=MODELS)
    await change_options(engine, KEY, model="opus")
    await change_options(engine, KEY, while_busy="collect")
    old = await find_session(engine, engine.stores("acme"), KEY)
    await new_session(engine, KEY)
    assert await read_options(engine, KEY) == SessionOptions()
    await resume_session(engine, KEY, old)
    assert await read_options(engine, KEY) == SessionOptions("opus", WhileBusy.COLLECT)


async def test_nothing_is_changed_under_a_running_turn(world) -> None:
    """While a turn runs a choice is refused in words for people, and the turn is committed as if nothing had been."""
    world.agent = HeldAgent()
    engine = world.worker(models=MODELS)
    await post(engine, "long")
    working = asyncio.create_task(work_one(engine, await receive(engine)))
    await world.agent.begun.wait()
    with pytest.raises(Conflict, match="a turn is running"):
        await change_options(world.worker("w2", models=MODELS), KEY, model="opus")
    world.agent.go.set()
    await working
    assert await world.answers() == ["long"]
    assert await read_options(engine, KEY) == SessionOptions()


async def test_a_session_collects_where_the_setting_queues(world) -> None:
    """Of two chats only the one that chose `collect` has its waiting messages answered together."""
    engine = world.worker()
    await change_options(engine, key_of("ada"), while_busy="collect")
    for chat in ("ada", "bob"):
        await post(engine, f"{chat} 1", f"{chat} 2", chat=chat)
    await work(engine)
    assert sorted(turn.prompt for turn in world.agent.runs) == ["ada 1\n\nada 2", "bob 1", "bob 2"]


async def test_a_session_interrupts_where_the_setting_queues(world) -> None:
    """With `interrupt` chosen the next message ends the running turn; `default` makes it wait again."""
    world.agent = HeldAgent()
    engine = world.worker()
    await change_options(engine, KEY, while_busy="interrupt")
    await post(engine, "long")
    working = asyncio.create_task(work_one(engine, await receive(engine)))
    await world.agent.begun.wait()
    await post(engine, "no, this")
    await world.clock.let_pass(3)
    await asyncio.wait_for(working, 5)
    assert world.inbox.replies[0].stop_reason == "interrupted"
    assert (await change_options(engine, KEY, while_busy="default")).while_busy is None


async def test_a_message_of_before_is_not_run_again_in_a_resumed_session(world) -> None:
    """After going back, a message that the session between had answered is answered from there."""
    engine = world.worker()
    await world.turn(engine, "one")
    old = await find_session(engine, engine.stores("acme"), KEY)
    await new_session(engine, KEY)
    message = world.message("two")
    await run_turn(engine, message)
    world.clock.advance(60)
    await resume_session(engine, KEY, old)
    assert (await run_turn(engine, message)).how == "repeat"
    assert len(world.agent.runs) == 2


async def test_a_chat_cannot_resume_anothers_session(world) -> None:
    """The session of another chat of the same tenant is not found, and the key stays where it was."""
    engine = world.worker()
    await post(engine, "mine", chat="bob")
    await work(engine)
    other = await find_session(engine, engine.stores("acme"), key_of("bob"))
    with pytest.raises(NotFound, match="not one of this chat"):
        await resume_session(engine, KEY, other)
