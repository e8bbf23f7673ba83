"""Links: two keys of one person on one session, by a code that counts once."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.errors import Invalid, NotFound, OutliveError, Refused
from outlive.flows.delivery.audit import read_audit
from outlive.flows.delivery.link_sessions import create_link, list_links, redeem_link, remove_link
from outlive.flows.run_turn import run_turn
from tests.engine.conftest import KEY

PHONE = session_key("acme", "telegram", "42")


async def ask(world, engine, key, text):
    """A turn at a key."""
    return await run_turn(engine, Inbound(key, text, text, world.clock.now()))


async def test_two_channels_share_a_session(world) -> None:
    """After redeeming, what is said on one channel is history on the other."""
    engine = world.worker()
    await world.turn(engine, "one")
    code, _ = await create_link(engine, KEY)
    await redeem_link(engine, PHONE, f"{code[:4]} {code[4:]}")
    turn = await ask(world, engine, PHONE, "two")
    assert turn.line.reply == "Message 2: two"
    assert {link.session_key for link in await list_links(engine, KEY)} == {str(KEY), str(PHONE)}


async def test_a_code_counts_once(world) -> None:
    """Of several who redeem a code at once one gets it; later it is unknown."""
    engine = world.worker()
    code, _ = await create_link(engine, KEY)
    others = [session_key("acme", "telegram", str(n)) for n in range(4)]
    done = await asyncio.gather(*(redeem_link(engine, key, code) for key in others), return_exceptions=True)
    assert sum(not isinstance(each, OutliveError) for each in done) == 1
    assert sum(isinstance(each, NotFound) for each in done) == 3


async def test_a_code_is_over_after_ten_minutes(world) -> None:
    """Ten minutes after it was made a code is refused."""
    engine = world.worker()
    code, until = await create_link(engine, KEY)
    world.clock.advance(until - world.clock.now())
    with pytest.raises(NotFound):
        await redeem_link(engine, PHONE, code)


async def test_guessing_is_limited(world) -> None:
    """After five wrong codes from one chat even the right one is refused, until ten minutes have passed."""
    engine, wrong = world.worker(), count(1)
    for _ in range(5):
        with pytest.raises(NotFound):
            await redeem_link(engine, PHONE, f"{next(wrong):08d}9"[-8:])
    code, _ = await create_link(engine, KEY)
    with pytest.raises(Refused):
        await redeem_link(engine, PHONE, code)
    world.clock.advance(601)
    code, _ = await create_link(engine, KEY)
    assert await redeem_link(engine, PHONE, code)


async def test_another_tenant_cannot_redeem_it(world) -> None:
    """A code is unknown to the chats of another tenant."""
    engine = world.worker()
    code, _ = await create_link(engine, KEY)
    with pytest.raises(NotFound):
        await redeem_link(engine, session_key("globex", "telegram", "42"), code)


async def test_an_unlinked_key_has_a_session_of_its_own(world) -> None:
    """After unlinking, the key starts afresh, and the other one keeps the history."""
    engine = world.worker()
    await world.turn(engine, "one")
    code, _ = await create_link(engine, KEY)
    await redeem_link(engine, PHONE, code)
    await remove_link(engine, PHONE)
    assert (await ask(world, engine, PHONE, "two")).line.reply == "Message 1: two"
    assert (await ask(world, engine, KEY, "three")).line.reply == "Message 2: three"
    with pytest.raises(Invalid, match="not linked"):
        await remove_link(engine, PHONE)


async def test_a_message_answered_before_the_link_is_not_run_again(world) -> None:
    """A message that comes again after its key was linked gets the answer it had in the session before."""
    engine = world.worker()
    message = Inbound(PHONE, "m1", "before", world.clock.now())
    first = await run_turn(engine, message)
    world.clock.advance(60)
    code, _ = await create_link(engine, KEY)
    await redeem_link(engine, PHONE, code)
    again = await run_turn(engine, message)
    assert (again.how, again.line, len(world.agent.runs)) == ("repeat", first.line, 1)


async def test_every_step_is_in_the_audit(world) -> None:
    """Making, redeeming and removing a link are noted with who did it, in order, without the code."""
    engine = world.worker()
    code, _ = await create_link(engine, KEY, by="ada")
    world.clock.advance(1)
    await redeem_link(engine, PHONE, code, by="42")
    world.clock.advance(1)
    await remove_link(engine, PHONE)
    entries = await read_audit(engine, engine.stores("acme"))
    assert [(each.what, each.by) for each in entries] == [
        ("link.created", "ada"),
        ("link.redeemed", "42"),
        ("link.removed", "w1"),
    ]
    assert code not in str(entries)


@pytest.mark.parametrize("code", ["", "1234567", "123456789", "abcdefgh", "१२३४५६७८"])
async def test_what_is_no_code_is_refused(world, code) -> None:
    """What cannot be a code is refused before anything is looked up or counted."""
    with pytest.raises(Invalid, match="link code"):
        await redeem_link(world.worker(), PHONE, code)
