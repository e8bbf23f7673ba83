"""The producer as Lambda runs it: requests in, messages in the queue, answers out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from outlive.aws.queue import SqsQueue
from outlive.channels.slack.webhook import sign as sign_slack
from outlive.core.keys import Tenant
from outlive.core.messages import decode_inbound
from outlive.core.signing import Keys, signed
from outlive.entrypoints.aws_lambda.webhook import read_webhook, sign
from outlive.errors import Invalid, Refused
from outlive.testing.queue_contract import nothing, receive
from tests.aws.runtime_api import Function
from tests.servers import free_port

SECRET = "0123456789abcdef"


def request(
    message_id: str = "m1",
    *,
    text: str = "hello",
    secret: str = SECRET,
    encoded: bool = False,
    session: str = "web:chat:default",
) -> Any:
    """An event of an HTTP API with a signed request in it."""
    body = json.dumps({"session": session, "message_id": message_id, "text": text, "sender": "ann"})
    stamp = str(int(time.time()))
    headers = {"x-outlive-timestamp": stamp, "x-outlive-signature": sign(secret, stamp, body.encode())}
    sent = b64encode(body.encode()).decode() if encoded else body
    return {"version": "2.0", "headers": headers, "body": sent, "isBase64Encoded": encoded}


@pytest.fixture
def producer(queue_address: str, tmp_path: Path) -> Iterator[Function]:
    """The function, with everything it needs."""
    env = {"QUEUE_URL": queue_address, "WEBHOOK_SECRET": SECRET, "OUTLIVE_TENANT": "acme"}
    function = Function("producer", env, tmp_path)
    yield function
    function.close()


async def test_a_signed_request_is_in_the_queue_when_it_is_answered(producer: Function, queue: SqsQueue) -> None:
    """The answer is 200, and the queue has the message, for the deployment's tenant."""
    result = producer.invoke(request(text="hé\x00llo"))
    assert result.value["statusCode"] == 200
    inbound = decode_inbound((await receive(queue)).message.body)
    assert (str(inbound.key), inbound.message_id) == ("acme:web:chat:default", "m1")
    assert (inbound.text, inbound.sender) == ("hé\x00llo", "ann")


async def test_a_repeat_is_queued_once(producer: Function, queue: SqsQueue) -> None:
    """A request sent again is answered 200 again, and leads to one delivery."""
    for encoded in (False, True):
        assert producer.invoke(request(encoded=encoded)).value["statusCode"] == 200
    await queue.ack(await receive(queue))
    assert await nothing(queue)


async def test_a_warm_producer_answers_within_a_second(producer: Function) -> None:
    """The second request on is answered in less than a second."""
    producer.invoke(request("m1"))
    assert min(producer.invoke(request(f"m{n}")).seconds for n in range(2, 6)) < 1


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (partial(request, secret="another secret here"), 401),
        ({"headers": {}, "body": None}, 401),
        ({}, 401),
        (partial(request, text=" "), 400),
        (partial(request, message_id=""), 400),
        (partial(request, text="x" * 200_000), 413),
        ({"headers": {}, "body": "%", "isBase64Encoded": True}, 400),
    ],
    ids=["forged", "unsigned", "no request", "empty", "without id", "too large", "not base64"],
)
async def test_what_cannot_be_taken_is_refused(producer: Function, queue: SqsQueue, event: Any, status: int) -> None:
    """A forged, broken or too large request is answered 4xx, says why, and nothing is queued."""
    answer = producer.invoke(event() if callable(event) else event).value  # signed now: signatures grow old
    assert answer["statusCode"] == status
    assert json.loads(answer["body"])["error"]
    assert await nothing(queue)


@pytest.mark.defect(11)
def test_a_failed_hand_over_is_an_error(tmp_path: Path) -> None:
    """When the queue does not answer, or is gone, the request is answered 503, so that it is sent again."""
    address = f"http://127.0.0.1:{free_port()}/000000000000/q.fifo"
    producer = Function("producer", {"QUEUE_URL": address, "WEBHOOK_SECRET": SECRET}, tmp_path)
    try:
        assert producer.invoke(request()).value["statusCode"] == 503
    finally:
        producer.close()


@pytest.mark.parametrize("missing", ["WEBHOOK_SECRET", "QUEUE_URL"])
def test_without_its_settings_it_answers_nobody(tmp_path: Path, missing: str) -> None:
    """An unset secret or queue fails every invocation and names the variable: no default lets anybody in."""
    env = {"QUEUE_URL": "http://127.0.0.1:9/0/q.fifo", "WEBHOOK_SECRET": SECRET}
    del env[missing]
    producer = Function("producer", env, tmp_path)
    try:
        result = producer.invoke(request(secret=""))
        assert result.error is not None
        assert f"{missing} is not set" in result.error["errorMessage"]
    finally:
        producer.close()


def test_it_loads_the_standard_library_alone() -> None:
    """Neither an installed package nor a part of outlive that needs one is loaded by the producer."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from outlive.entrypoints.aws_lambda import handler, intake, slack, telegram\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(sorted(new)); print(sorted(name for name in sys.modules if name.startswith('outlive.')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "['outlive']"
    assert not {"outlive.wiring", "outlive.settings", "outlive.aws.client", "outlive.agents"} & set(eval(said[1]))


@pytest.mark.parametrize("token", ["", "a/session+token=="])
def test_signatures_are_those_of_botocore(token: str) -> None:
    """The signature of a request is the one that botocore makes for it."""
    headers = {"host": "sqs.eu-west-1.amazonaws.com", "content-type": "application/x-amz-json-1.0"}
    now = time.time()
    keys = Keys("AKID", "secret", token)
    ours = signed(headers, b'{"a": 1}', path="/", service="sqs", region="eu-west-1", keys=keys, now=now)
    theirs = AWSRequest("POST", "https://sqs.eu-west-1.amazonaws.com/", headers=headers, data=b'{"a": 1}')
    theirs.context["timestamp"] = ours["x-amz-date"]
    if token:
        theirs.headers["x-amz-security-token"] = token
    theirs.headers["x-amz-date"] = ours["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", "secret"), "sqs", "eu-west-1")
    expected = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert ours["authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize(("off", "fits"), [(-299, True), (299, True), (-301, False), (301, False)])
def test_a_stamp_may_be_five_minutes_off(off: int, fits: bool) -> None:
    """A signed request is taken within five minutes of its stamp, by a clock that is fast or slow, and not after."""
    now, body = 1_750_000_000, b'{"session": "web:chat:default", "message_id": "m", "text": "t"}'
    stamp = str(now + off)
    headers = {"X-Outlive-Timestamp": stamp, "X-Outlive-Signature": sign(SECRET, stamp, body)}
    try:
        read_webhook(headers, body, secret=SECRET, tenant=Tenant("acme"), now=now)
    except Refused:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize("session", ["other:web:chat:default", "", "a:b:c:d:e"])
@pytest.mark.defect(18)
def test_the_sender_cannot_choose_a_tenant(session: object) -> None:
    """A session key with another tenant, or that is none, is refused."""
    body = json.dumps({"session": session, "message_id": "m", "text": "t"}).encode()
    headers = {"x-outlive-timestamp": "100", "x-outlive-signature": sign(SECRET, "100", body)}
    with pytest.raises((Refused, Invalid)):
        read_webhook(headers, body, secret=SECRET, tenant=Tenant("acme"), now=100)


def slack_request(event: dict[str, Any], *, secret: str = SECRET, form: bool = False) -> Any:
    """An event of Slack's, signed its way."""
    said = {"type": "message", "channel": "D0ADA", "user": "U0ADA", "text": "hello", "ts": "1700000000.000001"}
    callback = {"type": "event_callback", "team_id": "T0TEAM", "event": {**said, **event}}
    body = urlencode(event) if form else json.dumps(event if "challenge" in event else callback)
    stamp = str(int(time.time()))
    headers = {
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": sign_slack(secret, stamp, body.encode()),
        "content-type": "application/x-www-form-urlencoded" if form else "application/json",
    }
    return {"version": "2.0", "headers": headers, "body": body, "isBase64Encoded": False}


async def test_slacks_requests_are_read_at_the_same_address(
    queue_address: str, queue: SqsQueue, tmp_path: Path
) -> None:
    """A message of somebody allowed is queued; strangers, forgers and commands run nothing."""
    slack = {"SLACK_SIGNING_SECRET": SECRET, "OUTLIVE_SLACK_ALLOW": "U0ADA"}
    producer = Function("producer", {**slack, "QUEUE_URL": queue_address, "WEBHOOK_SECRET": SECRET}, tmp_path)
    slash = {
        "channel_id": "D0ADA",
        "team_id": "T",
        "user_id": "U0ADA",
        "trigger_id": "1",
        "response_url": "u",
        "text": "stop",
    }
    try:
        assert producer.invoke(slack_request({"challenge": "abc", "type": "url_verification"})).value["body"] == "abc"
        assert producer.invoke(slack_request({"user": "U0EVE"})).value["statusCode"] == 200
        assert producer.invoke(slack_request({}, secret="another-secret-of-length")).value["statusCode"] == 401
        assert "not served" in producer.invoke(slack_request(slash, form=True)).value["body"]
        assert await nothing(queue)
        assert producer.invoke(slack_request({})).value["statusCode"] == 200
        inbound = decode_inbound((await receive(queue)).message.body)
    finally:
        producer.close()
    assert (str(inbound.key), inbound.text) == ("local:slack:D0ADA:default", "hello")
