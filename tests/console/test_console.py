"""What a person does in the console, in a real browser on a real server with the real CLI and the scripted model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from outlive.testing.scripted_model import script
from tests.console.conftest import REASON, TOKEN, opened

pytestmark = pytest.mark.cli
expect.set_options(timeout=30_000)  # a busy machine is no fault of the console's

SLOW = script({"tool": "Bash", "input": {"command": "sleep 20"}}, {"text": "slept well"})


def say(page, text: str) -> None:
    """Type a message and send it."""
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_label("Message", exact=True).press("Enter")


def test_signing_in_and_out(browser, served) -> None:
    """A wrong key is refused in words, a right one shows the sessions, and signing out ends that."""
    with opened(browser, served.url) as window:
        page = window.page
        page.goto(served.url)
        page.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("does not count")
        page.get_by_label("API key").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()


def test_a_chat_streams_and_is_stopped(window, served) -> None:
    """A new chat shows the running tool before the turn ends, and the stop button ends the turn."""
    page = window.page
    window.open("sessions")
    page.get_by_role("button", name="New chat").click()
    page.get_by_label("Session key").fill("new")
    page.get_by_label("Message", exact=True).fill(SLOW)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".live-tool.running")).to_contain_text("sleep 20")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".turn footer")).to_contain_text("turn 1")
    say(page, "My name is Ada")
    expect(page.locator(".turn").nth(1)).to_contain_text("your name is Ada")
    expect(page.locator(".live")).to_have_count(0)


def test_a_conversation_is_read(window, served) -> None:
    """Markdown is rendered and cleaned, a subagent's calls are folded into its own, images of others are links."""
    page = window.page
    window.open("sessions/ada")
    turn = page.get_by_label("Turn 2")
    expect(turn.get_by_role("heading", name="Found")).to_be_visible()
    expect(turn.locator("td").first).to_have_text("plan.md")
    expect(turn.get_by_role("link", name="image: a picture")).to_be_visible()
    assert page.locator(".markdown img, .markdown script").count() == 0
    turn.locator("summary", has_text="Agent").click()
    expect(turn.get_by_label("Subagent").locator(".tool-name")).to_have_text("Bash")


def test_a_tool_call_is_allowed(window, served) -> None:
    """A call that waits is shown with its question; allowed, it runs, and the turn's result says so."""
    page = window.page
    window.open("approvals")
    expect(page.locator(".approval pre")).to_have_text("touch plan.md")
    page.get_by_role("link", name="api:asks:default").click()
    page.get_by_role("button", name="Allow once").click()
    expect(page.locator(".turn").nth(1)).to_contain_text("The plan is there.")
    expect(page.locator(".turn .bubble.user").nth(1)).to_have_text("Allowed once.")
    expect(page.locator(".approval")).to_have_count(0)


def test_a_turns_trace_is_a_timeline(window, served) -> None:
    """The trace shows every step from the lease to its release, with how the tree was brought up to date."""
    page = window.page
    window.open("sessions/ada/trace")
    rows = page.locator(".timeline tbody tr")
    expect(rows.first).to_contain_text("lease")
    expect(rows.last).to_contain_text("release")
    expect(rows.filter(has_text="hydrate")).to_contain_text("packs")


def test_a_session_is_rewound_and_forked(window, served) -> None:
    """A rewind takes a file back and marks the turn as forgotten, a fork opens a session of its own."""
    page = window.page
    window.open("sessions/back/versions")
    page.locator("summary").first.click()
    expect(page.locator(".diff .plus", has_text="two")).to_be_visible()
    page.get_by_role("button", name="Rewind to 1").click()
    page.get_by_role("button", name="Rewind", exact=True).click()
    expect(page.locator(".versions .title").first).to_have_text("3")
    page.get_by_role("button", name="Fork").first.click()
    page.get_by_label("Its session key").fill("copy")
    page.get_by_role("dialog").get_by_role("button", name="Fork").click()
    expect(page.locator(".session-head .key")).to_have_text("api:copy:default")
    window.open("sessions/back")
    expect(page.locator(".turn.forgotten")).to_contain_text("not in the agent's memory")
    expect(page.locator(".turn")).to_have_count(2)


def test_state_is_shown_with_its_history(window, served) -> None:
    """The state page tells what is known and, for each change, what was there before."""
    for city in ("Paris", "Rome"):
        served.ask("PATCH", "/v1/sessions/ada/state", {"patch": {"extracted_context": {"city": city}}})
    window.open("sessions/ada/state")
    expect(window.page.locator(".state section").first).to_contain_text('"city": "Rome"')
    newest = window.page.locator(".changes li").first
    expect(newest.locator(".minus")).to_contain_text("Paris")
    expect(newest.locator(".plus")).to_contain_text("Rome")


def test_a_dead_letter_is_sent_again(window, served) -> None:
    """A message that was given up is shown with its reason; sent again, it is answered."""
    page = window.page
    window.open("queue")
    expect(page.locator(".reason")).to_contain_text(REASON)
    window.shoot("queue")
    page.get_by_role("button", name="Send again: My name is Grace").click()
    expect(page.get_by_text("No message was given up.")).to_be_visible()
    served.wait_for("grace", turns=1)
    window.open("sessions/grace")
    expect(page.locator(".turn")).to_contain_text("your name is Grace")


def test_use_is_drawn(window, served) -> None:
    """Tokens and cost have a chart by day and one by turn, with the share that came from the cache."""
    window.open("usage")
    expect(window.page.locator(".chart rect").first).to_be_attached()
    expect(window.page.get_by_role("link", name="api:ada:default")).to_be_visible()
    window.open("sessions/ada/cost")
    expect(window.page.locator(".chart title").first).to_contain_text("of the input cached")


def test_schedules_are_made_and_removed(window, served) -> None:
    """A schedule that is added is listed with its next time, and gone once it is removed."""
    page = window.page
    window.open("schedules")
    page.get_by_label("Session key").fill("later")
    page.get_by_label("Message").fill("good morning")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".letter")).to_contain_text("0 9 * * *")
    page.get_by_role("button", name="Remove: good morning").click()
    expect(page.get_by_text("Nothing is scheduled.")).to_be_visible()


def test_limits_are_set_and_turns_are_stopped(window, served) -> None:
    """A limit that is set shows at once, and the kill switch stops all turns until it is taken back."""
    page = window.page
    window.open("tenant")
    page.get_by_label("US dollars a day").fill("25")
    page.get_by_role("button", name="Set the limits").click()
    expect(page.locator(".audit tbody tr").first).to_contain_text("limits.changed")
    assert served.ask("GET", "/v1/limits")["effective"]["max_usd_per_day"] == 25
    page.get_by_label("Reason").fill("the bill is too high")
    page.get_by_role("button", name="Stop all turns").click()
    expect(page.get_by_label("Kill switch")).to_contain_text("the bill is too high")
    page.get_by_role("button", name="Let turns run again").click()
    expect(page.get_by_label("Reason")).to_be_visible()
    served.ask("PATCH", "/v1/limits", {"max_usd_per_day": None})


def test_a_key_is_made_and_revoked(window, served) -> None:
    """A key is shown once when it is made, works, and counts no more when it is revoked."""
    page = window.page
    window.open("keys")
    page.get_by_label("Whose it is").fill("for a test")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator(".copied code").inner_text()
    asked = {"Authorization": f"Bearer {key}"}
    assert served.http.get("/v1/me", headers=asked).json()["role"] == "operator"
    page.get_by_role("button", name="Revoke: for a test").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("button", name="Revoke: for a test")).to_have_count(0)
    assert served.http.get("/v1/me", headers=asked).status_code == 401


def test_a_user_is_exported_and_erased(window, served) -> None:
    """A user's data is downloaded as an archive, and once erased the receipt says that nothing is left."""
    page = window.page
    window.open("tenant")
    served.prepare(mallory=["My name is Mallory"])
    page.get_by_label("Chat id").fill("mallory")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the user").click()
    assert download.value.suggested_filename == "user-mallory.tar.zst"
    page.get_by_role("button", name="Erase the user").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    expect(page.locator(".done")).to_contain_text("1 session erased, nothing is left.")
    assert served.ask("GET", "/v1/sessions?user=mallory")["sessions"] == []


def test_the_keyboard_is_enough(window, served) -> None:
    """Keys lead to pages, to the filter, through a list and to the help; Escape closes it."""
    page = window.page
    window.open("usage")
    expect(page.get_by_role("heading", name="Usage")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.locator("[data-row]").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("api:ada")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.keyboard.press("Tab")
    page.locator("main").focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".session-head .key")).to_have_text("api:ada:default")
    page.locator("main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_viewer_looks_only(browser, served) -> None:
    """With a viewer's key nothing is offered that it may not do."""
    key = served.ask("POST", "/v1/tokens", {"name": "v", "role": "viewer"})["key"]
    with opened(browser, served.url) as window:
        page = window.page
        window.sign_in(key)
        window.open("sessions/ada")
        expect(page.locator(".turn")).to_have_count(2)
        assert page.locator(".composer").count() == 0
        window.open("sessions/ada/versions")
        expect(page.locator(".versions .title").first).to_be_visible()
        assert page.get_by_role("button", name=re.compile("Fork|Rewind|New chat")).count() == 0
        assert window.complaints == []
