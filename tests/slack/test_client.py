"""Calls of the Web API: what goes wrong has a name, limits are waited out, and tokens stay where they belong."""

from __future__ import annotations

import httpx
import pytest

from outlive.channels.slack.client import SlackClient
from outlive.channels.slack.faults import CannotShow, ChatGone, MessageTooLong, NotInvited, fault
from outlive.errors import Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable
from outlive.testing.clock import ManualClock
from outlive.testing.slack import APP_TOKEN, DOWN, TOKEN, ApiError, FakeSlack, bad, too_many

MESSAGE = {"channel": "D0U0ADA", "text": "hi"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("invalid_auth", Refused),
        ("missing_scope", Refused),
        ("channel_not_found", ChatGone),
        ("not_in_channel", NotInvited),
        ("invalid_blocks", CannotShow),
        ("msg_too_long", MessageTooLong),
        ("internal_error", Unavailable),
        ("something_new", Invalid),
    ],
)
async def test_refusals_have_names(slack: FakeSlack, client: SlackClient, error: str, kind: type[OutliveError]) -> None:
    """Each refusal is an error by what can be done about it, and says Slack's own word."""
    slack.order("chat.postMessage", bad(error))
    with pytest.raises(kind, match=error):
        await client.call("chat.postMessage", MESSAGE)


async def test_a_short_limit_is_waited_out(slack: FakeSlack, client: SlackClient, clock: ManualClock) -> None:
    """`Retry-After` within the caller's patience is waited for, and the call goes through."""
    slack.order("chat.postMessage", too_many(7))
    before = clock.now()
    await client.call("chat.postMessage", MESSAGE)
    assert (clock.now() - before, slack.texts()) == (7.0, ["hi"])


async def test_a_long_limit_is_the_callers(slack: FakeSlack, client: SlackClient) -> None:
    """A longer one is an error that carries the seconds."""
    slack.order("chat.postMessage", too_many(600))
    with pytest.raises(RateLimited) as caught:
        await client.call("chat.postMessage", MESSAGE)
    assert caught.value.retry_after == 600.0


@pytest.mark.parametrize(("header", "seconds"), [("12", 12.0), ("0", 1.0), ("", 30.0), ("nan", 30.0), ("soon", 30.0)])
def test_any_retry_after_is_some_time(header: str, seconds: float) -> None:
    """Whatever the header says, the pause is a number of seconds that is no busy loop."""
    error = fault("m", 429, {}, header)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize("error", [DOWN, ApiError("fatal_error"), ApiError("", 502)])
async def test_outages_may_pass(slack: FakeSlack, client: SlackClient, error: ApiError) -> None:
    """A server's fault is one to try again."""
    slack.order("chat.postMessage", error)
    with pytest.raises(Unavailable):
        await client.call("chat.postMessage", MESSAGE)


async def test_no_answer_says_no_token(clock: ManualClock) -> None:
    """Without an answer the error names the method, and the token nowhere in its chain."""
    client = SlackClient("xoxb-very-secret", clock, base_url="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"auth\.test") as caught:
        await client.call("auth.test")
    assert "very-secret" not in repr((caught.value, caught.value.__cause__, caught.value.fix))
    await client.close()


@pytest.mark.parametrize(("token", "own"), [("123", ""), ("xapp-1", ""), (TOKEN, TOKEN)])
def test_wrong_kinds_of_tokens_are_named(clock: ManualClock, token: str, own: str) -> None:
    """A token of the wrong kind is refused before anything is called."""
    with pytest.raises(Invalid, match="TOKEN"):
        SlackClient(token, clock, app_token=own)


async def test_files_come_down(slack: FakeSlack, client: SlackClient) -> None:
    """A file's bytes come with the token; one that is unknown or too large is an error."""
    file = slack.world.file(b"data", "note.txt")
    assert await client.download(file["id"], 4) == b"data"
    with pytest.raises(TooLarge):
        await client.download(file["id"], 3)
    with pytest.raises(NotFound):
        await client.download("F999", 3)


async def test_a_login_page_is_no_file(slack: FakeSlack, client: SlackClient) -> None:
    """Where the token may not read files Slack shows a page, which is not taken for the file."""
    file = slack.world.file(b"data", "note.txt")
    slack.may_read_files = False
    with pytest.raises(Refused, match="does not give") as caught:
        await client.download(file["id"], 4)
    assert "files:read" in (caught.value.fix or "")


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "http://files.slack.com/x", "https://slack.com.evil.example"]
)
async def test_tokens_go_to_slack_only(slack: FakeSlack, client: SlackClient, url: str) -> None:
    """A link to another host, or without TLS, is followed with no token and no answer."""
    file = slack.world.file(b"data", "note.txt")
    slack.world.files[file["id"]]["url_private_download"] = url
    with pytest.raises(Refused, match="no host of Slack"):
        await client.download(file["id"], 4)
    with pytest.raises(Refused):
        await client.respond(url, "hi")


async def test_the_app_token_opens_sockets_only(slack: FakeSlack, client: SlackClient, clock: ManualClock) -> None:
    """Socket Mode's address is asked for with the app's own token, and without one the error says so."""
    assert (await client.open_socket()).startswith("ws://127.0.0.1")
    other = SlackClient(TOKEN, clock, base_url=slack.url)
    with pytest.raises(Invalid, match="app token"):
        await other.open_socket()
    await other.close()
    async with httpx.AsyncClient() as http:
        headers = {"authorization": f"Bearer {APP_TOKEN}"}
        refused = await http.post(f"{slack.url}/chat.postMessage", headers=headers, data=MESSAGE)
    assert refused.json()["error"] == "not_allowed_token_type"
