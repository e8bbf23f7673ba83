"""The scripted model over HTTP: what it answers, what it records, its faults, and how it stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from outlive.testing.scripted_model import ANNOUNCEMENT, Cut, Fail, ScriptedModel, script

HEADERS = {"x-api-key": "secret", "anthropic-version": "2023-06-01"}
HELLO = {"model": "claude-opus-5-5", "max_tokens": 999, "messages": [{"role": "user", "content": "my name is Ada"}]}


def scripted(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**HELLO, "messages": [{"role": "user", "content": script(*steps)}], **more}


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as started:
        yield started


@asynccontextmanager
async def client(model: ScriptedModel) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=model.url, headers=HEADERS, trust_env=False) as opened:
        yield opened


async def post(model: ScriptedModel, body: Any = HELLO, path: str = "/v1/messages") -> httpx2.Response:
    async with client(model) as http:
        return await http.post(path, json=body)


# --------------------------------------------------------------------------------------------- answers


async def test_answers_a_message_as_json(model):
    """A plain call gets one JSON message, a request id, and a header that says what answered it."""
    response = await post(model)
    message = response.json()
    assert (response.status_code, message["model"], message["stop_reason"]) == (200, "claude-opus-5-5", "end_turn")
    assert message["content"] == [{"type": "text", "text": f"{ANNOUNCEMENT} Noted: your name is Ada."}]
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["x-scripted-model"] == "not a language model"


async def test_streams_an_answer(model):
    """A streamed call gets server-sent events that end with message_stop."""
    response = await post(model, {**HELLO, "stream": True})
    assert response.headers["content-type"] == "text/event-stream"
    assert response.text.startswith("event: message_start\ndata: {")
    assert response.text.endswith('event: message_stop\ndata: {"type": "message_stop"}\n\n')


async def test_ids_are_never_given_twice(model):
    """Every answer has a message id of its own, even to the same request."""
    ids = {(await post(model)).json()["id"] for _ in range(3)}
    assert len(ids) == 3


async def test_counts_tokens(model):
    """Token counting answers the estimate of four bytes a token, without a reply."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 400}]}
    counted = (await post(model, body, "/v1/messages/count_tokens")).json()
    assert 100 < counted["input_tokens"] < 120
    assert model.counts == {"count_tokens": 1}


async def test_lists_models(model):
    """The model list has the page fields of the API."""
    async with client(model) as http:
        page = (await http.get("/v1/models")).json()
    assert (page["first_id"], page["has_more"], page["data"][0]["type"]) == ("claude-opus-5-5", False, "model")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_says_hello(model, method, path):
    """The probes a client sends before its first call are answered 200, without credentials."""
    async with httpx2.AsyncClient(base_url=model.url, trust_env=False) as http:
        assert (await http.request(method, path)).status_code == 200


# ----------------------------------------------------------------------------------------------- errors


async def test_errors_have_the_apis_shape(model):
    """An error answer carries the type, the message and the request id of the API's errors."""
    response = await post(model, scripted({"error": 529}))
    error = {"type": "overloaded_error", "message": "Scripted error 529."}
    assert response.status_code == 529
    assert response.json() == {"type": "error", "error": error, "request_id": response.headers["request-id"]}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("POST", "/v1/messages", {"anthropic-version": "1"}, 401, "authentication_error"),
        ("POST", "/v1/messages", HEADERS, 400, "invalid_request_error"),
        ("POST", "/v1/complete", HEADERS, 404, "not_found_error"),
        ("GET", "/v1/messages", HEADERS, 405, "invalid_request_error"),
    ],
)
async def test_bad_calls_are_refused(model, method, path, headers, status, kind):
    """Missing credentials, a bad body, an unknown path and a wrong method get the API's status and type."""
    async with httpx2.AsyncClient(base_url=model.url, trust_env=False) as http:
        response = await http.request(method, path, headers=headers, content=b"{" if method == "POST" else b"")
    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)


async def test_an_oversized_request_is_refused():
    """A body over the limit is answered 413, and the connection can still be used."""
    async with ScriptedModel(limit=1000) as model, client(model) as http:
        large = await http.post("/v1/messages", content=b" " * 1_000_000)
        small = await http.post("/v1/messages", json=HELLO)
    assert (large.status_code, large.json()["error"]["type"], small.status_code) == (413, "request_too_large", 200)


async def test_an_unlisted_model_is_not_found():
    """A server that is told its models answers 404 to any other."""
    async with ScriptedModel(models=["claude-sonnet-5-5"]) as model:
        response = await post(model)
    assert (response.status_code, response.json()["error"]["message"]) == (404, "model: claude-opus-5-5")


async def test_bytes_that_are_no_http_are_dropped(model):
    """A client that does not speak HTTP is cut off, and the next one is served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(model.url.rpartition(":")[2]))
    writer.write(b"\x00\x01 nonsense\r\n\r\n")
    assert await reader.read() == b""
    writer.close()
    assert (await post(model)).status_code == 200


# ----------------------------------------------------------------------------------------------- faults


async def test_ordered_faults_strike_the_next_requests(model):
    """Faults ordered in the process meet the next requests, in order, and then the model answers again."""
    model.order(Fail(429, retry_after=2.0))
    model.order(Fail(500))
    answers = [await post(model) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 500, 200]
    assert answers[0].headers["retry-after"] == "2"


async def test_faults_can_be_ordered_over_http(model):
    """Another process orders faults with a POST, and is told what is wrong with a bad one."""
    ordered = await post(model, {"fault": "fail", "status": 529}, "/scripted/faults")
    refused = await post(model, {"fault": "burn"}, "/scripted/faults")
    assert (ordered.status_code, refused.status_code, (await post(model)).status_code) == (200, 400, 529)
    assert (
        refused.json()["error"]["message"] == "fault: unknown or missing. Use one of fail, fail_in_stream, cut, stall."
    )


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_drops_the_connection_in_mid_answer(stream):
    """A cut answer begins with 200 and some bytes, and ends as a broken connection."""
    async with (
        ScriptedModel(faults=[Cut()]) as model,
        client(model) as http,
        http.stream("POST", "/v1/messages", json={**HELLO, "stream": stream}) as response,
    ):
        assert response.status_code == 200
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            await response.aread()


async def test_the_pace_is_kept_between_the_pieces():
    """Delay, stall and pace are silences of the length asked for, each where it belongs."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with ScriptedModel(delay=3.0, pace=0.1, sleep=sleep) as model:
        await post(model, scripted({"text": "one two", "stall": 5}, stream=True))
    assert slept == [3.0, 5.0, 0.1, 0.1]


# -------------------------------------------------------------------------------------------- recording


async def test_requests_are_recorded_without_secrets(model):
    """A recorded request has its kind, its body and its headers, and no credential."""
    await post(model)
    (recorded,) = model.requests
    assert (recorded.number, recorded.kind, recorded.status, recorded.body) == (1, "turn", 200, HELLO)
    assert recorded.headers["x-api-key"] == "removed"
    assert "secret" not in repr(recorded)


async def test_counts_every_request_by_kind(model):
    """Turns, probes and refused calls are counted apart."""
    for body in (HELLO, {**HELLO, "max_tokens": 1}, {}):
        await post(model, body)
    assert model.counts == {"turn": 1, "probe": 1, "rejected": 1}


async def test_other_processes_can_read_the_record(model):
    """The record is served as JSON, with bodies where they are asked for."""
    await post(model)
    async with client(model) as http:
        told = (await http.get("/scripted/requests")).json()
        full = (await http.get("/scripted/requests?bodies=true")).json()
    assert (told["total"], told["by_kind"]) == (1, {"turn": 1})
    assert told["requests"] == [{"number": 1, "kind": "turn", "status": 200, "session": None}]
    assert full["requests"][0]["body"] == HELLO


async def test_the_record_is_bounded(model):
    """After 250 requests the last 200 are kept, and all are counted."""
    async with client(model) as http:
        for _ in range(250):
            await http.post("/v1/messages", json=HELLO)
    assert (len(model.requests), model.requests[0].number, model.counts["turn"]) == (200, 51, 250)


async def test_bodies_are_written_to_a_folder(tmp_path):
    """With a folder to record to, each raw body is a file named by number and kind."""
    async with ScriptedModel(record=tmp_path / "record") as model:
        await post(model)
    assert json.loads((tmp_path / "record" / "00001-turn.json").read_text()) == HELLO


async def test_a_test_can_wait_for_a_request(model):
    """Waiting for a request ends when it has arrived, while its answer is still under way."""
    call = asyncio.create_task(post(model, scripted({"text": "slow", "delay": 60})))
    await asyncio.wait_for(model.wait_for(1), 5)
    assert (model.requests[0].status, call.done()) == (None, False)
    call.cancel()
    await asyncio.wait([call])


async def test_a_resumed_conversation_reads_the_cache(model):
    """The second request of a conversation reads from the cache what the first one marked."""
    told = {"type": "text", "text": "x" * 5000, "cache_control": {"type": "ephemeral"}}
    body = {**HELLO, "messages": [{"role": "user", "content": [told]}]}
    first, second = [(await post(model, body)).json()["usage"] for _ in range(2)]
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] > 1024
