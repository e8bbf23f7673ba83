"""The scripted model's Bedrock face over HTTP: signatures, binary streams, errors and inference profiles."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

import httpx2
import pytest

from outlive.testing.scripted_model import STAND_IN_KEY, AwsKey, Fail, FailInStream, ScriptedModel, script
from outlive.testing.scripted_model.bedrock import VERSION
from outlive.testing.scripted_model.eventstream import event_frame
from outlive.testing.scripted_model.http import HttpRequest
from outlive.testing.scripted_model.sigv4 import Signature, sign

MODEL = "eu.anthropic.claude-sonnet-5-5-v1:0"
HELLO = {"anthropic_version": VERSION, "max_tokens": 9, "messages": [{"role": "user", "content": "my name is Ada"}]}


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as started:
        yield started


def signed(method: str, url: str, body: bytes, key: AwsKey, *, service: str = "bedrock") -> dict[str, str]:
    """The headers of a signed request."""
    parts = urlsplit(url)
    headers = {"host": parts.netloc, "x-amz-date": "20261121T061249Z"}
    if key.session_token:
        headers["x-amz-security-token"] = key.session_token
    request = HttpRequest(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
    scope = Signature(key.access_key_id, "20261121", "eu-west-1", service, tuple(sorted(headers)), "")
    credential = f"Credential={key.access_key_id}/{scope.scope}, SignedHeaders={';'.join(scope.headers)}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}, Signature={sign(request, key, scope)}"}


async def call(
    model: ScriptedModel,
    path: str = f"/model/{MODEL}/invoke",
    body: Any = HELLO,
    *,
    key: AwsKey = STAND_IN_KEY,
    method: str = "POST",
    **more: Any,
) -> httpx2.Response:
    """One signed call."""
    raw = b"" if method == "GET" else json.dumps(body).encode()
    headers = signed(method, model.url + path, raw, key, **more)
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.request(method, model.url + path, content=raw, headers=headers)


def frames(raw: bytes) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Headers and payload of each message of an event stream; the checksums have to be right."""
    found = []
    while raw:
        total, length, checked = struct.unpack(">III", raw[:12])
        assert checked == crc32(raw[:8])
        assert struct.unpack(">I", raw[total - 4 : total])[0] == crc32(raw[: total - 4])
        found.append((_headers(raw[12 : 12 + length]), json.loads(raw[12 + length : total - 4])))
        raw = raw[total:]
    return found


def _headers(raw: bytes) -> dict[str, str]:
    found = {}
    while raw:
        name, raw = raw[1 : 1 + raw[0]].decode(), raw[1 + raw[0] :]
        kind, length = struct.unpack(">BH", raw[:3])
        assert kind == 7
        found[name], raw = raw[3 : 3 + length].decode(), raw[3 + length :]
    return found


# --------------------------------------------------------------------------------------------- signatures


def test_the_published_example_has_the_published_signature() -> None:
    """AWS's own test case `get-vanilla` comes out as AWS says."""
    key = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    scope = Signature(key.access_key_id, "20150830", "us-east-1", "service", ("host", "x-amz-date"), "")
    found = sign(HttpRequest("GET", "/", {}, headers, b""), key, scope)
    assert found == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


@pytest.mark.parametrize(
    ("key", "service", "name"),
    [
        (AwsKey(STAND_IN_KEY.access_key_id, "wrong"), "bedrock", "InvalidSignatureException"),
        (AwsKey("NOBODY", STAND_IN_KEY.secret_access_key), "bedrock", "UnrecognizedClientException"),
        (AwsKey("NOBODY", "x", "token"), "bedrock", "UnrecognizedClientException"),
        (STAND_IN_KEY, "s3", "InvalidSignatureException"),
    ],
)
@pytest.mark.parametrize("path", [f"/model/{MODEL}/invoke", "/inference-profiles"])
async def test_only_known_keys_may_call(model, key, service, name, path) -> None:
    """A wrong secret, an unknown key, and a signature for another service are 403 under AWS's names."""
    method = "POST" if "invoke" in path else "GET"
    response = await call(model, path, key=key, service=service, method=method)
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (403, name)


async def test_a_session_token_belongs_to_its_key() -> None:
    """A temporary key pair is known with its token, and not without."""
    key = AwsKey("TEMPORARY", "secret", "token")
    async with ScriptedModel(keys=[key]) as model:
        good = await call(model, key=key)
        bad = await call(model, key=AwsKey("TEMPORARY", "secret"))
    assert (good.status_code, bad.status_code) == (200, 403)


async def test_an_altered_body_is_refused(model) -> None:
    """A signature holds for the bytes that were signed, and for no others."""
    path = f"{model.url}/model/{MODEL}/invoke"
    headers = signed("POST", path, json.dumps(HELLO).encode(), STAND_IN_KEY)
    async with httpx2.AsyncClient(trust_env=False) as http:
        response = await http.post(path, content=json.dumps(HELLO | {"max_tokens": 8}).encode(), headers=headers)
    assert response.status_code == 403


async def test_an_unsigned_call_is_refused(model) -> None:
    """A key of the Messages API opens nothing here."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        response = await http.post(f"{model.url}/model/{MODEL}/invoke", json=HELLO, headers={"x-api-key": "k"})
    assert response.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


async def test_signatures_are_not_recorded(model) -> None:
    """Of a signed request the record has who signed it for what, and neither signature nor token."""
    await call(model)
    (recorded,) = model.requests
    scope = "20261121/eu-west-1/bedrock/aws4_request"
    assert recorded.headers["authorization"] == f"removed Credential={STAND_IN_KEY.access_key_id}/{scope}"
    assert (recorded.kind, recorded.body["model"]) == ("turn", MODEL)


# ------------------------------------------------------------------------------------------------ answers


async def test_answers_as_the_other_face_does(model) -> None:
    """A call that is not streamed gets the message as JSON, with the model's bare name."""
    message = (await call(model, body={**HELLO, "max_tokens": 99})).json()
    assert (message["model"], message["role"]) == ("claude-sonnet-5-5", "assistant")
    assert "Noted: your name is Ada." in message["content"][0]["text"]


async def test_streams_in_frames(model) -> None:
    """A streamed call gets chunks, each a base64 event of the Messages API, from message_start to message_stop."""
    response = await call(model, f"/model/{MODEL}/invoke-with-response-stream")
    found = frames(response.content)
    events = [json.loads(base64.b64decode(payload["bytes"])) for _, payload in found]
    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert {headers[":event-type"] for headers, _ in found} == {"chunk"}
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")


def test_a_frame_is_laid_out_as_documented() -> None:
    """Lengths, their checksum, one string header, the payload and the checksum of all, in big-endian bytes."""
    raw = event_frame("x", b"{}")
    assert raw[:8] == struct.pack(">II", len(raw), len(raw) - 12 - 4 - 2)
    assert raw[12:29] == b"\x0b:event-type\x07\x00\x01x\x0d"
    assert frames(raw)[0][1] == {}


async def test_counts_tokens(model) -> None:
    """Token counting takes the body in base64 and answers under Bedrock's name."""
    inner = base64.b64encode(json.dumps({**HELLO, "max_tokens": 1}).encode()).decode()
    path = f"/model/{MODEL}/count-tokens"
    counted = await call(model, path, {"input": {"invokeModel": {"body": inner}}})
    refused = await call(model, path, {"input": {}})
    assert counted.json()["inputTokens"] > 0
    assert refused.json()["message"].startswith("input.invokeModel.body")


async def test_lists_the_regions_profiles(model) -> None:
    """Inference profiles have the prefix of the region that the call was signed for; one can be looked up by ARN."""
    listed = (await call(model, "/inference-profiles?type=SYSTEM_DEFINED", method="GET")).json()
    arn = "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fabc"
    one = (await call(model, f"/inference-profiles/{arn}", method="GET")).json()
    ids = [profile["inferenceProfileId"] for profile in listed["inferenceProfileSummaries"]]
    assert "eu.anthropic.claude-sonnet-5-5" in ids
    assert (one["type"], one["inferenceProfileId"]) == ("APPLICATION", "abc")


# ------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({**HELLO, "model": "m"}, "model: Extra inputs are not permitted"),
        ({**HELLO, "stream": True}, "stream: Extra inputs are not permitted"),
        ({**HELLO, "anthropic_version": "2023-06-01"}, f'anthropic_version: Input should be "{VERSION}"'),
        ({"max_tokens": 9, "messages": HELLO["messages"]}, f'anthropic_version: Input should be "{VERSION}"'),
        ({"anthropic_version": VERSION, "max_tokens": 9}, "messages: Field required"),
    ],
)
async def test_a_body_that_bedrock_would_not_take_is_refused(model, body, problem) -> None:
    """A body of the other face, or a broken one, is a ValidationException that names the field."""
    response = await call(model, body=body)
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert response.json() == {"message": problem}


async def test_an_unlisted_model_id_is_invalid() -> None:
    """A server that is told its models refuses any other id in Bedrock's words."""
    async with ScriptedModel(models=["eu.anthropic.other"]) as model:
        response = await call(model)
    assert (response.status_code, response.json()["message"]) == (400, "The provided model identifier is invalid.")


@pytest.mark.parametrize(
    ("ordered", "status", "name"),
    [
        (429, 429, "ThrottlingException"),
        (403, 403, "AccessDeniedException"),
        (529, 503, "ServiceUnavailableException"),
        (504, 408, "ModelTimeoutException"),
    ],
)
async def test_ordered_errors_have_bedrocks_names(model, ordered, status, name) -> None:
    """The same orders strike on both faces; here with Bedrock's status and name."""
    model.order(Fail(ordered))
    response = await call(model)
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (status, name)


async def test_scripts_work_on_both_faces(model) -> None:
    """An error step of a script is answered in Bedrock's form."""
    told = script({"error": 429, "message": "Too many requests"})
    response = await call(model, body={**HELLO, "messages": [{"role": "user", "content": told}]})
    assert (response.headers["x-amzn-errortype"], response.json()) == (
        "ThrottlingException",
        {"message": "Too many requests"},
    )


async def test_an_error_inside_a_stream_ends_it(model) -> None:
    """The stream begins with chunks and ends whole, with an exception frame."""
    model.order(FailInStream())
    response = await call(model, f"/model/{MODEL}/invoke-with-response-stream")
    *chunks, (headers, payload) = frames(response.content)
    assert (response.status_code, len(chunks) > 0) == (200, True)
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "modelStreamErrorException"
    assert payload["message"] == "Ordered error 500."


async def test_an_error_inside_a_stream_has_the_messages_apis_form_too(model) -> None:
    """On the Messages face the same fault is an `error` event."""
    model.order(FailInStream(529))
    body = {"model": "m", "stream": True, "max_tokens": 9, "messages": HELLO["messages"]}
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        response = await http.post(f"{model.url}/v1/messages", json=body, headers=headers)
    last = response.text.strip().rpartition("\n\n")[2]
    assert last.startswith('event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"')


async def test_probes_use_up_no_fault(model) -> None:
    """A fault waits for a real request: the CLI's checks of which models it may use pass."""
    model.order(Fail(429))
    assert (await call(model, body={**HELLO, "max_tokens": 1})).status_code == 200
    assert (await call(model)).status_code == 429
