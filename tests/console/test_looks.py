"""The console as it is seen: by people who use other means than eyes and mice, on phones, in the dark, at length."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.console.conftest import opened

pytestmark = pytest.mark.cli
expect.set_options(timeout=30_000)

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
    while page.get_by_role("button", name="Earlier turns").count():
        box.evaluate("box => { box.scrollTop = 0 }")
        page.wait_for_timeout(30)
    expect(page.get_by_label("Turn 1", exact=True)).to_be_visible()
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
