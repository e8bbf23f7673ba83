"""Messages in: as JSON, as events, once however often they are sent, with files."""

from __future__ import annotations

import asyncio
import base64
import gc
from contextlib import aclosing, suppress

from outlive.core.keys import SessionId, parse_session_key, session_key
from outlive.core.live import LiveState
from outlive.core.messages import decode_inbound
from outlive.core.stream_positions import TextNews
from outlive.entrypoints.http_api.streams import encode
from outlive.errors import AgentFailed
from outlive.flows.delivery.follow_session import Died, Live, follow_session
from outlive.flows.run_turn import run_turn
from outlive.protocols import TextPart, TurnDone
from outlive.testing.instant_agent import InstantAgent
from tests.http_api.conftest import TOKEN, events_of, served

AS_INTERNAL = {"Authorization": f"Bearer {TOKEN}", "Outlive-Tenant": "acme"}
AS_EVENTS = AS_INTERNAL | {"Accept": "text/event-stream"}


async def events(api, text="hello", session="ada", **headers):
    """The events of a message."""
    response = await api.http.post(f"/v1/sessions/{session}/messages", json={"text": text}, headers=AS_EVENTS | headers)
    assert response.status_code == 200, response.text
    return events_of(response.text)


async def test_a_message_is_answered_as_json(api) -> None:
    """Without asking for events a message's answer is its committed turn."""
    said = await api.send("hello")
    assert (said["reply"], said["turn"], said["version"]) == ("Message 1: hello", 1, 1)


async def test_a_message_is_answered_as_events(api) -> None:
    """A stream begins with `accepted` and ends with the same turn that the session then has."""
    found = await events(api, "write a.txt: x")
    names = [name for _, name, _ in found]
    (turn,) = (await api.ok("GET", "/v1/sessions/ada/messages"))["turns"]
    assert (names[0], names[-1], found[-1][2]) == ("accepted", "result", turn)
    assert set(names) <= {"accepted", "text", "tool", "result"}


async def test_an_idempotency_key_gives_one_turn(api) -> None:
    """The same key with the same body is the same turn, and the agent is asked once."""
    first = await api.send("hello", **{"Idempotency-Key": "k1"})
    again = await api.send("hello", **{"Idempotency-Key": "k1"})
    assert first == again
    assert len(api.app.engine.agent.runs) == 1


async def test_an_idempotency_key_with_another_body_is_a_conflict(api) -> None:
    """The same key with another body is refused with 409, and nothing is queued."""
    headers = AS_INTERNAL | {"Idempotency-Key": "k1"}
    await api.send("hello", **{"Idempotency-Key": "k1"})
    error = await api.refused(409, "POST", "/v1/sessions/ada/messages", {"text": "other"}, headers=headers)
    assert "k1" in error["message"]
    assert (await api.app.engine.queue.depth()).waiting == 0


async def test_a_key_is_bound_to_its_session(api) -> None:
    """The same key in another session is another message."""
    first = await api.send("hello", "ada", **{"Idempotency-Key": "k1"})
    other = await api.send("other", "bob", **{"Idempotency-Key": "k1"})
    assert first["session_id"] != other["session_id"]


async def test_nobody_answers(tmp_path) -> None:
    """Without a worker the answer is 202 with the message's id, which is queued."""
    async with served(tmp_path, workers=0) as api:
        response = await api("POST", "/v1/sessions/ada/messages?wait=0.2", {"text": "hello"})
        assert (response.status_code, response.json()["session_key"]) == (202, "acme:api:ada:default")
        assert (await api.app.engine.queue.depth()).waiting == 1


async def test_files_reach_the_agent(api) -> None:
    """A file that comes with a message lies in the session's inbox, and is no longer kept beside it."""
    file = {"name": "a.txt", "mime": "text/plain", "data": base64.b64encode(b"hello").decode()}
    await api.send("hello")
    await api.ok("POST", "/v1/sessions/ada/messages", {"text": "look", "files": [file]})
    diff = await api.ok("GET", "/v1/sessions/ada/diff?older=1&newer=2")
    assert any(change["path"].endswith("inbox/a.txt") for change in diff["changes"])
    assert not await api.app.engine.objects.list("acme/uploads/")


async def test_a_file_that_is_no_base64_is_refused(api) -> None:
    """What cannot be decoded is refused by its name, and nothing is queued."""
    body = {"text": "look", "files": [{"name": "a.txt", "data": "%%%"}]}
    error = await api.refused(400, "POST", "/v1/sessions/ada/messages", body)
    assert ("a.txt" in error["message"], error["field"]) == (True, "files.data")


class Slow(InstantAgent):
    """Says a word, and waits for leave to end."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def run(self, turn):
        """One turn."""
        async for event in super().run(turn):
            self.began.set()
            if isinstance(event, TurnDone):
                await self.may_end.wait()
            yield TextPart("Good day. ") if isinstance(event, TextPart) and event.text == "…" else event


async def test_a_stream_is_resumed_behind_its_last_event(tmp_path) -> None:
    """A reader who comes back with the last id it saw gets what it has not seen, and nothing twice."""
    agent = Slow()
    async with served(tmp_path, agent) as api:
        headers = {"Idempotency-Key": "k1"}
        agent.may_end.set()
        whole = await events(api, **headers)
        text = [event for event in whole if event[1] == "text"]
        rest = await events(api, **headers, **{"Last-Event-ID": text[-1][0]})
        assert [name for _, name, _ in rest] == ["accepted", "result"]
        assert rest[-1][2] == whole[-1][2]


async def test_a_stream_ends_when_the_server_does(tmp_path) -> None:
    """A server that is told to end ends its streams, though the turn goes on."""
    agent = Slow()
    async with served(tmp_path, agent) as api:
        shared = api.http._transport.app.state.api
        streaming = asyncio.create_task(events(api))
        await agent.began.wait()
        shared.closing.set()
        found = await asyncio.wait_for(streaming, 5)
        assert "result" not in [name for _, name, _ in found]
        agent.may_end.set()


async def test_the_events_of_a_session_go_on_behind_a_result(api) -> None:
    """With the id of an old result the session's events begin with the turn after it."""
    first = await events(api, "one")
    await api.send("two")
    lines = []
    shared = api.http._transport.app.state.api
    asyncio.get_running_loop().call_later(2, shared.closing.set)
    headers = AS_INTERNAL | {"Last-Event-ID": first[-1][0]}
    response = await api.http.get("/v1/sessions/ada/events", headers=headers)
    lines = events_of(response.text)
    assert [data["text"] for _, name, data in lines if name == "result"] == ["two"]


async def test_a_slow_reader_costs_one_state(api) -> None:
    """Of a turn that says much while nobody reads only the latest state is kept, and the reader gets all its text."""
    key = session_key("acme", "api", "slow")
    async with aclosing(follow_session(api.app.engine, key)) as happenings:
        assert await anext(happenings) is None
        for said in range(1, 501):
            api.app.engine.live.publish(LiveState(SessionId("0" * 32), str(key), "m1", 1e10, said, "x" * said))
            await asyncio.sleep(0)
        assert sum(type(each) is LiveState for each in gc.get_objects()) < 5
        told = await anext(happenings)
    assert told is not None
    assert told[0] == Live("m1", TextNews("x" * 500, append=False))


class Broken(InstantAgent):
    """Begins to speak, and fails."""

    async def run(self, turn):
        """One turn."""
        yield TextPart("Well")
        raise AgentFailed("no model.")


async def until_dead(engine):
    """The events of the session, up to a message's death."""
    text = ""
    async with (
        asyncio.timeout(60),
        aclosing(follow_session(engine, parse_session_key("acme:api:ada:default"))) as happenings,
    ):
        async for told in happenings:
            text += encode(*told) if told else ""
            if told and isinstance(told[0], Died):
                break
    return events_of(text)


async def test_a_message_that_dies_is_told_to_whoever_looks(tmp_path) -> None:
    """Who comes to a session whose message was given up is told what was asked, and that it is a dead letter."""
    async with served(tmp_path, Broken(), workers=0) as api:
        await api.ok("POST", "/v1/sessions/ada/messages?wait=0", {"text": "hello"})
        engine = api.app.engine
        while not await engine.queue.dead_letters():
            delivery = await engine.queue.receive(visibility=30, wait=1)
            if delivery is None:
                continue
            with suppress(AgentFailed):
                await run_turn(engine, decode_inbound(delivery.message.body))
            await engine.queue.give_back(delivery, delay=0, reason="no model")
        found = await until_dead(engine)
        assert [name for _, name, _ in found] == ["asked", "text", "retry", "error"]
        assert (found[0][2]["text"], found[-1][2]["message_id"]) == ("hello", found[0][2]["message_id"])


async def test_an_id_that_is_none_is_refused(api) -> None:
    """A `Last-Event-ID` that no stream gave is refused by its name."""
    error = await api.refused(400, "GET", "/v1/sessions/ada/events", headers=AS_INTERNAL | {"Last-Event-ID": "x"})
    assert error["field"] == "Last-Event-ID"


async def test_the_cookbook_client_works(api) -> None:
    """The hosting cookbook's request gets one `message` with the reply, then `done`."""
    response = await api("POST", "/sessions/ada/messages", {"prompt": "hello"})
    found = events_of(response.text)
    assert [name for _, name, _ in found] == ["message", "done"]
    assert found[-1][2]["result"] == "Message 1: hello"


async def test_the_cookbook_refuses_other_ids(api) -> None:
    """An id that the cookbook does not allow is refused."""
    assert (await api.refused(400, "POST", "/sessions/a.b/messages", {"prompt": "x"}))["field"] == "session"
