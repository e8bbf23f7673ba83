"""The fake Slack, driven by the vendor's own client: slack-sdk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from outlive.testing.clock import ManualClock
from outlive.testing.slack import APP_TOKEN, DOWN, SECRET, TOKEN, FakeSlack, bad, shown, too_many
from outlive.testing.slack.signing import signature

ADA = "D0U0ADA"


@pytest.fixture
def sdk(slack: FakeSlack) -> AsyncWebClient:
    """The vendor's client, at the fake."""
    return AsyncWebClient(TOKEN, base_url=f"{slack.url}/")


async def test_it_knows_who_it_is(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """`auth.test` names the app and its workspace, and a wrong token is refused by name."""
    me = await sdk.auth_test()
    assert (me["user_id"], me["team_id"]) == (slack.world.bot_user, slack.world.team)
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await AsyncWebClient("xoxb-wrong", base_url=f"{slack.url}/").auth_test()


async def test_a_message_is_sent_edited_and_deleted(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """A message gets a `ts`, changes by an update, and can be deleted once."""
    sent = await sdk.chat_postMessage(channel=ADA, text="hi", blocks=[{"type": "markdown", "text": "**hi**"}])
    assert slack.texts() == ["**hi**"]
    await sdk.chat_update(channel=ADA, ts=sent["ts"], text="new")
    assert slack.texts() == ["new"]
    await sdk.chat_delete(channel=ADA, ts=sent["ts"])
    with pytest.raises(SlackApiError, match="message_not_found"):
        await sdk.chat_delete(channel=ADA, ts=sent["ts"])


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"channel": "C0NONE", "text": "hi"}, "channel_not_found"),
        ({"channel": "C0OUT", "text": "hi"}, "not_in_channel"),
        ({"channel": "C0OLD", "text": "hi"}, "is_archived"),
        ({"channel": ADA, "text": ""}, "no_text"),
        ({"channel": ADA, "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": ADA, "text": "x", "blocks": [{"type": "markdown", "text": "x" * 12_001}]}, "msg_blocks_too_long"),
        ({"channel": ADA, "text": "x", "blocks": [{"type": "markdown", "text": " "}]}, "invalid_blocks"),
        ({"channel": ADA, "text": "x", "blocks": [{"type": "unheard"}]}, "invalid_blocks"),
        ({"channel": ADA, "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
    ],
)
async def test_bad_messages_are_refused(
    slack: FakeSlack, sdk: AsyncWebClient, monkeypatch: pytest.MonkeyPatch, message: dict[str, object], error: str
) -> None:
    """Each kind of message that cannot be sent is refused with its own error."""
    monkeypatch.setenv("SKIP_SLACK_SDK_WARNING", "1")
    slack.world.channel("C0OUT", is_member=False)
    slack.world.channel("C0OLD", is_archived=True)
    with pytest.raises(SlackApiError, match=error):
        await sdk.chat_postMessage(**message)


async def test_a_stream_grows_and_becomes_a_message(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """The vendor's own streaming helper writes a message in parts; afterwards no more can be appended."""
    asked = slack.say("hello")
    stream = await sdk.chat_stream(channel=ADA, thread_ts=asked["event"]["ts"], buffer_size=1)
    await stream.append(markdown_text="one ")
    await stream.append(markdown_text="two ")
    await stream.stop(markdown_text="three")
    (message,) = slack.sent()
    assert (shown(message), message["thread_ts"]) == ("one two three", asked["event"]["ts"])
    with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
        await sdk.chat_appendStream(channel=ADA, ts=message["ts"], markdown_text="four")


async def test_a_silent_stream_runs_out(slack: FakeSlack, sdk: AsyncWebClient, clock: ManualClock) -> None:
    """An open stream cannot be edited, and after minutes of silence it takes no more text."""
    asked = slack.say("hello")
    ts = (await sdk.chat_startStream(channel=ADA, thread_ts=asked["event"]["ts"], markdown_text="one"))["ts"]
    with pytest.raises(SlackApiError, match="streaming_state_conflict"):
        await sdk.chat_update(channel=ADA, ts=ts, text="new")
    clock.advance(600)
    with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
        await sdk.chat_stopStream(channel=ADA, ts=ts)


async def test_a_stream_in_a_channel_is_for_somebody(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """In a channel a stream needs its reader's id and workspace."""
    asked = slack.say("hello", channel="C0GEN")["event"]["ts"]
    with pytest.raises(SlackApiError, match="missing_recipient"):
        await sdk.chat_startStream(channel="C0GEN", thread_ts=asked)
    assert await sdk.chat_startStream(
        channel="C0GEN", thread_ts=asked, recipient_user_id="U0ADA", recipient_team_id="T0TEAM"
    )


async def test_a_status_needs_a_thread(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """The status line belongs to a thread."""
    asked = slack.say("hello")["event"]["ts"]
    await sdk.assistant_threads_setStatus(channel_id=ADA, thread_ts=asked, status="is thinking…")
    assert slack.world.statuses[ADA, asked] == "is thinking…"
    with pytest.raises(SlackApiError, match="invalid_thread_ts"):
        await sdk.assistant_threads_setStatus(channel_id=ADA, thread_ts="", status="x")


async def test_files_go_up_and_come_down(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """The vendor's own upload takes its three steps here, and the file is shared where it was told."""
    asked = slack.say("hello")["event"]["ts"]
    await sdk.files_upload_v2(channel=ADA, thread_ts=asked, filename="note.txt", content="data", initial_comment="see")
    ((file_id, where),) = slack.world.shared.items()
    assert slack.world.data[file_id] == b"data"
    assert where == {"channel": ADA, "thread_ts": asked, "initial_comment": "see"}
    assert (await sdk.files_info(file=file_id))["file"]["name"] == "note.txt"


async def test_limits_answer_429(slack: FakeSlack, sdk: AsyncWebClient, clock: ManualClock) -> None:
    """More messages than a channel takes are answered 429 with `Retry-After`, and go through after that."""
    for number in range(8):
        await sdk.chat_postMessage(channel=ADA, text=str(number))
    with pytest.raises(SlackApiError) as caught:
        await sdk.chat_postMessage(channel=ADA, text="one too many")
    assert caught.value.response.status_code == 429
    clock.advance(float(caught.value.response.headers["Retry-After"]))
    await sdk.chat_postMessage(channel=ADA, text="later")


async def test_ordered_faults_happen(slack: FakeSlack, sdk: AsyncWebClient) -> None:
    """What a test orders happens once: a limit that the vendor's client waits out, an outage, an error by name."""
    sdk.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    slack.order("chat.postMessage", too_many(0))
    assert (await sdk.chat_postMessage(channel=ADA, text="hi"))["ok"]
    for error in (DOWN, bad("missing_scope", needed="chat:write")):
        slack.order("chat.postMessage", error, after_effect=True)
        with pytest.raises(SlackApiError, match=error.error):
            await sdk.chat_postMessage(channel=ADA, text="again")
    assert len(slack.texts()) == 3


def test_requests_are_signed_as_the_vendor_checks_it() -> None:
    """The vendor's own verifier accepts the fake's signature, and no other."""
    verifier = SignatureVerifier(SECRET)
    verifier.clock = type("At", (), {"now": staticmethod(lambda: 1000.0)})()
    assert verifier.is_valid(b"body", "1000", signature(SECRET, "1000", b"body"))
    assert not verifier.is_valid(b"another", "1000", signature(SECRET, "1000", b"body"))


@pytest.fixture
async def sockets(slack: FakeSlack, sdk: AsyncWebClient) -> AsyncIterator[SocketModeClient]:
    """The vendor's Socket Mode client, connected."""
    client = SocketModeClient(APP_TOKEN, web_client=sdk)
    await client.connect()
    yield client
    await client.disconnect()
    await client.close()
    await client.aiohttp_client_session.close()


async def test_socket_mode_delivers_until_confirmed(slack: FakeSlack, sockets: SocketModeClient) -> None:
    """The vendor's client gets an event, and gets it again until it confirms it."""
    got: list[SocketModeRequest] = []

    async def listen(client: SocketModeClient, request: SocketModeRequest) -> None:
        got.append(request)
        if len(got) > 1:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    slack.delivery.ack_seconds = 0.3
    sockets.socket_mode_request_listeners.append(listen)
    slack.say("hello")
    await slack.until(lambda: bool(slack.delivery.tries) and slack.delivery.tries[-1].status == 200)
    assert [(request.type, request.retry_attempt) for request in got] == [("events_api", 0), ("events_api", 1)]
    assert {request.payload["event"]["text"] for request in got} == {"hello"}


async def test_socket_mode_refreshes(slack: FakeSlack, sockets: SocketModeClient) -> None:
    """Told to go, the vendor's client comes back on a new connection, and the old address is worth nothing."""
    first = slack.delivery.sockets[0]
    await slack.delivery.disconnect()
    await slack.until(lambda: any(each is not first for each in slack.delivery.sockets))
    await asyncio.sleep(0)
    assert len([name for name, _, error in slack.calls if (name, error) == ("apps.connections.open", "ok")]) == 2
