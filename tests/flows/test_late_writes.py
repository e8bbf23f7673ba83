"""Creations that had no answer and arrive when what they make has been removed, or that a client sends twice itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from outlive.core.keys import SessionId, head_key, mapping_key, session_key
from outlive.errors import NotFound, OutliveError, Unavailable
from outlive.flows.access.api_keys import create_api_key, find_api_key, list_api_keys, revoke_api_key
from outlive.flows.access.sign_in import find_sign_in, sign_in, sign_out
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.protocols import Absent
from tests.flows.conftest import KEY

OTHER = session_key("acme", "console", "bob")
KIND = {"head": "head/", "mapping": "key/", "API key": "_api_keys/", "sign-in": "_sign_ins/"}


class Late:
    """The first creation of a kind of record has no answer, and arrives when the test says so."""

    def __init__(self, kind: str, *, twice: bool = False, answered: bool = False) -> None:
        """`twice`: it lands, and a client beneath us, which heard nothing, sends it again and is refused.

        `answered`: the client sent it twice, the second one landed, and the first is still on its way.
        """
        self.prefix, self.twice, self.answered = KIND[kind], twice, answered
        self.due: list[Callable[[], Awaitable[object]]] = []
        self.is_over = False

    async def __call__(self, name: str, arguments: tuple[object, ...], call: Callable[[], Awaitable[object]], /):
        is_ours = name == "table.write" and self.prefix in str(arguments[0]) and Absent in map(type, arguments)
        if not is_ours or self.is_over:
            return await call()
        self.is_over = True
        if self.twice:
            await call()
            return await call()
        self.due.append(call)
        if self.answered:
            return await call()
        raise Unavailable("no reply yet.")

    async def arrive(self) -> None:
        """What was on its way is there."""
        for call in self.due:
            with suppress(OutliveError):
                await call()


@pytest.fixture
async def source(world) -> str:
    """A session to fork."""
    return (await world.say("write a.txt: one")).session_id


@pytest.mark.promise("P7")
@pytest.mark.parametrize("kind", ["head", "mapping"])
async def test_a_creation_that_a_client_sends_twice_is_one(world, kind) -> None:
    """A record that landed, and whose second sending was refused, is taken for ours: the turn is made, and the next."""
    engine = world.worker("w1", Late(kind, twice=True))
    turn = await run_turn(engine, world.inbound("one"))
    assert (turn.after, (await world.say("two")).session_id) == (1, turn.session_id)


@pytest.mark.promise("P7")
async def test_a_mapping_that_comes_after_an_erase_locks_nobody_out(world) -> None:
    """A session whose mapping had no answer is erased, then it arrives: the key's next message begins a new one."""
    late = Late("mapping")
    with pytest.raises(Unavailable):
        await run_turn(world.worker("w1", late), world.inbound("one"))
    (session,) = [key.removeprefix("head/") for key in world.rows() if key.startswith("head/")]
    assert (await erase_session(world.worker(), world.stores, SessionId(session))).complete
    await sweep_tenant(world.worker(), world.stores)
    await late.arrive()
    assert (await world.say("two")).session_id != session


@pytest.mark.promise("P7")
async def test_a_mapping_that_comes_after_a_fork_was_taken_back_locks_nobody_out(world, source) -> None:
    """A fork whose mapping had no answer is taken back, then it arrives: the key's next message begins a session."""
    late = Late("mapping")
    engine = world.worker("w2", late)
    with pytest.raises(Unavailable):
        await fork_session(engine, engine.stores("acme"), SessionId(source), key=OTHER)
    await sweep_tenant(world.worker(), world.stores)
    await late.arrive()
    assert (await world.say("two", key=OTHER)).line.turn == 1


@pytest.mark.promise("P10")
async def test_a_creation_that_comes_after_an_erase_is_refused(world) -> None:
    """Of a session that was made again and erased a marker without its key stays, and goes when nothing can come."""
    late = Late("head")
    turn = await run_turn(world.worker("w1", late), world.inbound("one"))
    assert (await erase_session(world.worker(), world.stores, SessionId(turn.session_id))).complete
    await sweep_tenant(world.worker(), world.stores)
    await late.arrive()
    row = world.row(turn.session_id)
    assert (b"ada" in row.body, mapping_key(KEY) in world.rows()) == (False, False)
    world.clock.advance(3 * 3600)
    await sweep_tenant(world.worker(), world.stores)
    assert head_key(SessionId(turn.session_id)) not in world.rows()


@pytest.mark.parametrize("after", [0, 3 * 3600])
async def test_a_key_that_was_revoked_does_not_count_again(world, after) -> None:
    """The creation of an API key arrives once more after it was revoked: it opens nothing, and is not listed."""
    late = Late("API key", answered=True)
    engine = world.worker("w1", late)
    key, text = await create_api_key(engine, "acme", "viewer", name="ada", by="me")
    assert await find_api_key(engine, text) == key
    world.clock.advance(after)
    assert (await revoke_api_key(engine, key.id)).id == key.id
    if not after:
        await late.arrive()
    assert (await find_api_key(engine, text), await list_api_keys(engine)) == (None, [])
    with pytest.raises(NotFound):
        await revoke_api_key(engine, key.id)


async def test_a_browser_that_was_signed_out_is_not_signed_in_again(world) -> None:
    """The creation of a sign-in arrives once more after the sign-out: the cookie opens nothing, and its record goes."""
    late = Late("sign-in", answered=True)
    engine = world.worker("w1", late)
    cookie = await sign_in(engine, "", "proof")
    await sign_out(engine, cookie)
    await late.arrive()
    assert await find_sign_in(engine, cookie) is None
    world.clock.advance(3 * 3600)
    await sign_in(engine, "", "proof")
    assert len(await engine.table.scan("_sign_ins/")) == 1
