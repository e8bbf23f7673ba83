"""What a person does and sees in the console, in a real browser on a real server with CLI and scripted model.

One module, so that all of it shares one server, wherever it is run.
"""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from outlive.testing.scripted_model import script
from tests.console.conftest import REASON, TOKEN, opened

pytestmark = pytest.mark.cli
expect.set_options(timeout=30_000)  # a busy machine is no fault of the console's

SLOW = script({"tool": "Bash", "input": {"command": "sleep 20"}}, {"text": "slept well"})

PAGES = {
    "sessions": "[data-row]",
    "sessions/ada": ".turn",
    "sessions/ada/trace": ".timeline rect",
    "sessions/ada/state": "pre",
    "sessions/ada/versions": ".versions",
    "sessions/ada/cost": ".chart",
    "sessions/ada/about": ".facts",
    "approvals": ".approval, .empty",
    "usage": ".chart",
    "queue": ".numbers",
    "schedules": ".add",
    "tenant": ".limit",
    "keys": ".add",
}
"""Path -> what is there once it is shown."""
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}
SEEN = {"runOnly": {"type": "rule", "values": ["color-contrast", "scrollable-region-focusable", "target-size"]}}
RULES = {"light": {}, "dark": SEEN, "phone": SEEN}
"""Every rule once; where the page is the same but for its look, those that ask how it looks."""
ONLY = {"resultTypes": ["violations"]}
AXE = Axe().axe_script
GRAVE = {"serious", "critical"}
TURNS = 2500


def say(page, text: str) -> None:
    """Type a message and send it."""
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_label("Message", exact=True).press("Enter")


def test_signing_in_and_out(browser, served) -> None:
    """The form is there unasked and without complaint; a wrong key is refused, a right one counts until signing out."""
    with opened(browser, served.url) as window:
        page, asked = window.page, []
        page.on("request", lambda request: "/v1/" in request.url and asked.append(request.url))
        page.goto(served.url)
        expect(page.get_by_label("API key")).to_be_focused()
        assert (asked, window.complaints) == ([], [])
        page.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("does not count")
        page.get_by_label("API key").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()


def test_a_sign_in_that_has_ended_is_asked_for_once(browser, served) -> None:
    """A browser whose sign-in the server has forgotten is shown the form, and does not ask again on the next visit."""
    with opened(browser, served.url) as window:
        window.sign_in()
        window.page.context.clear_cookies(name="outlive")
        window.open("sessions")
        expect(window.page.get_by_label("API key")).to_be_visible()
        window.complaints.clear()
        window.page.reload()
        expect(window.page.get_by_label("API key")).to_be_visible()
        assert window.complaints == []


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
    expect(turn.get_by_role("checkbox", name="done")).to_be_checked()
    assert page.locator(".markdown img, .markdown script").count() == 0
    turn.locator("summary", has_text="Agent").click()
    expect(turn.get_by_label("Subagent").locator(".tool-name")).to_have_text("Bash")


def test_files_of_a_message_are_shown_and_saved(window, served) -> None:
    """A picture that came with a message is seen in its turn, and any other file is saved under its own name."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    files = [{"name": "a sea.png", "mime": "image/png", "data": pixel}, {"name": "notes.txt", "data": "aGk="}]
    served.ask("POST", "/v1/sessions/files/messages", {"text": "Look at these", "files": files})
    window.open("sessions/files")
    came = window.page.get_by_role("list", name="Came with the message")
    expect(came.get_by_role("img", name="a sea.png")).to_be_visible()
    with window.page.expect_download() as download:
        came.get_by_role("button", name="Save notes.txt").click()
    assert download.value.suggested_filename == "notes.txt"
    assert download.value.path().read_bytes() == b"hi"


def test_a_page_that_loads_is_drawn_as_bones(window) -> None:
    """While a conversation is on its way, its place is held, and given up once it is there."""
    page, held, is_slow = window.page, [], True

    def answer(route) -> None:
        held.append(route) if is_slow else route.continue_()

    page.route(re.compile("/transcript"), answer)
    window.open("sessions")
    window.open("sessions/ada")
    expect(page.locator(".skeleton.of-turns")).to_be_visible()
    is_slow = False
    for route in held:
        route.continue_()
    expect(page.locator(".turn").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.unroute_all()


def test_a_tool_call_is_allowed(window, served) -> None:
    """A call that waits is shown whole with its question; allowed, it runs, and the turn's result says so."""
    page = window.page
    window.open("approvals")
    expect(page.locator(".approval pre")).to_have_text("touch plan.md")
    page.get_by_text("The whole call").click()
    expect(page.locator(".approval details pre")).to_contain_text('"command": "touch plan.md"')
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


@pytest.mark.parametrize("width", [375, 1280])
def test_a_charts_words_can_be_read(window, width) -> None:
    """On a phone as on a desk the words at a chart's axes are 12 pixels high, and none is cut off."""
    window.page.set_viewport_size({"width": width, "height": 800})
    window.open("sessions/ada/cost")
    chart = window.page.locator(".chart svg").first
    expect(chart).to_have_attribute("viewBox", re.compile(rf"^0 0 {round(chart.bounding_box()['width'])} "))
    whole, words = chart.bounding_box(), [text.bounding_box() for text in chart.locator("text").all()]
    assert min(word["height"] for word in words) >= 12
    assert whole["x"] <= min(word["x"] for word in words)
    assert max(word["x"] + word["width"] for word in words) <= whole["x"] + whole["width"]
    window.page.set_viewport_size({"width": 1280, "height": 800})


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
    expect(page.locator(".receipt")).to_contain_text("1 session erased, nothing is left.")
    assert served.ask("GET", "/v1/sessions?user=mallory")["sessions"] == []


def test_the_keyboard_is_enough(window, served) -> None:
    """Keys lead to pages, to the filter, through a list and to the help; the focus goes back to where it was."""
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
    page.keyboard.press("n")
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator("[data-row]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".session-head .key")).to_have_text("api:ada:default")
    expect(page.locator("main")).to_be_focused()
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


# ---------------------------------------------------------------- for all eyes and hands, on phones, in the dark


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible(browser, served, look) -> None:
    """In light, in dark and on a phone axe finds nothing serious, and no page is wider than its window."""
    with opened(browser, served.url, **LOOKS[look]) as window:
        window.sign_in()
        window.open("sessions")
        window.page.evaluate(AXE)
        for path, shown in PAGES.items():
            window.open(path)
            expect(window.page.locator(shown).first).to_be_visible()
            window.shoot(f"{look}-{path.replace('/', '-')}")
            found = window.page.evaluate("options => axe.run(options)", ONLY | RULES[look])["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in GRAVE] == [], path
            width = window.page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
            assert width <= 0, path
        assert window.complaints == []


def test_colours_are_chosen_and_kept(window) -> None:
    """The button goes from the system's colours to light and to dark, and a reload keeps the choice."""
    page = window.page
    window.open("sessions")
    for _ in range(2):
        page.get_by_role("button", name="Colours").click()
    page.reload()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.get_by_role("button", name="Colours").click()


def test_a_long_conversation_stays_light(window, served) -> None:
    """Of 5,000 messages only those near the window are in the document, wherever one scrolls."""
    story = served.ask("GET", "/v1/sessions/ada/transcript?limit=1")["turns"][0]
    window.page.route(re.compile("/transcript"), lambda route: route.fulfill(body=json.dumps(_page(story, route))))
    window.open("sessions")
    window.open("sessions/ada")
    page, box = window.page, window.page.locator(".scroller")
    expect(page.locator(".turn").last).to_contain_text(f"turn {TURNS}")
    first = page.get_by_label("Turn 1", exact=True)
    for _ in range(1000):  # what is loaded above keeps the reader's place: the top is reached by scrolling on
        if first.is_visible():
            break
        box.evaluate("box => { box.scrollTop = 0 }")
        page.wait_for_timeout(30)
    expect(first).to_be_visible()
    assert page.locator(".turn").count() < 120
    box.evaluate("box => { box.scrollTop = box.scrollHeight }")
    expect(page.locator(".turn").last).to_contain_text(f"turn {TURNS}")
    window.page.unroute_all()


def _page(story, route):
    """A page of a conversation of `TURNS` turns, all like this one; 500 at a time, so that there are few."""
    found = re.search(r"before=(\d+)", route.request.url)
    end = int(found[1]) if found else TURNS + 1
    first = max(1, end - (500 if found else 20))
    turns = [story | {"result": story["result"] | {"turn": n, "message_id": str(n)}} for n in range(first, end)]
    return {"session_id": "x", "turns": turns, "before": first if first > 1 else None, "earlier": []}
