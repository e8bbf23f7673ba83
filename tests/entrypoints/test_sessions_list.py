"""`outlive sessions list`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_sessions_are_listed_by_their_ids(outlive: Outlive) -> None:
    """Every session of the tenant is listed once, in order of ids, with its key, turns and title."""
    for key in ("ada", "bob", "cyd"):
        outlive.say(f"I am {key}", "more", key=key)
    found = outlive.ok("sessions", "list")["sessions"]
    assert [line["session_id"] for line in found] == sorted(line["session_id"] for line in found)
    assert {(line["key"], line["turns"], line["title"]) for line in found} == {
        (f"local:console:{key}:default", 2, f"I am {key}") for key in ("ada", "bob", "cyd")
    }


def test_pages_follow_each_other(outlive: Outlive) -> None:
    """Pages of two, each asked for behind the last, hold every session once."""
    for key in "abcde":
        outlive.say("x", key=key)
    seen, after = [], ""
    while page := outlive.ok("sessions", "list", "--limit", "2", "--after", after)["sessions"]:
        seen += [line["key"] for line in page]
        after = page[-1]["session_id"]
    assert sorted(seen) == [f"local:console:{key}:default" for key in "abcde"]


def test_a_full_page_says_how_to_go_on(outlive: Outlive) -> None:
    """The command for the next page is on stderr when the page is full, and not otherwise."""
    outlive.say("x")
    assert "outlive sessions list --after" in outlive("sessions", "list", "--limit", "1").err
    assert outlive("sessions", "list").err == ""


def test_no_sessions_are_no_table(outlive: Outlive) -> None:
    """Without sessions stdout is empty, stderr names the tenant, and the JSON document has an empty list."""
    done = outlive("sessions", "list")
    assert (done.code, done.out, done.err) == (0, "", "There are no sessions in tenant local.\n")
    assert outlive.ok("sessions", "list") == {"sessions": [], "damaged": [], "after": None}


def test_tenants_see_their_own(outlive: Outlive) -> None:
    """A tenant's list has none of another's sessions."""
    outlive.say("x", key="acme:console:ada:t")
    assert outlive.ok("sessions", "list")["sessions"] == []
    assert len(outlive.ok("sessions", "list", "--tenant", "acme")["sessions"]) == 1


def test_titles_cannot_draw(outlive: Outlive) -> None:
    """A title with markup and an escape sequence stands in the table as text, without the escape character."""
    outlive.say("[bold]big[/nonsense] \x1b[31mred")
    out = outlive("sessions", "list").out
    assert "[bold]big[/nonsense]" in out
    assert "\x1b" not in out


def test_a_long_table_is_cut_nowhere_in_a_pipe(outlive: Outlive) -> None:
    """Away from a terminal each session is one line, whole, however long its key."""
    outlive.say("x", key=f"{'c' * 100}:{'t' * 100}")
    lines = outlive("sessions", "list").out.splitlines()
    assert len(lines) == 2
    assert f"local:console:{'c' * 100}:{'t' * 100}" in lines[1]


def test_a_damaged_head_is_told_beside_the_others(outlive: Outlive) -> None:
    """A head that cannot be read is named, and the other sessions are listed."""
    outlive.say("x")
    outlive.break_head("bob")
    page = outlive.ok("sessions", "list")
    assert (len(page["sessions"]), len(page["damaged"])) == (1, 1)
    assert "damaged: " in outlive("sessions", "list").err


def test_a_page_without_limit_is_refused(outlive: Outlive) -> None:
    """A limit out of range exits 2 and names the option."""
    assert "--limit" in outlive.refused(2, "sessions", "list", "--limit", "0")["message"]


def test_sessions_are_found_by_what_they_are(outlive: Outlive) -> None:
    """Text, channel, chat and state choose sessions, all of them together, and nothing that fits is left out."""
    for key, text in (("ada", "Invoices of May"), ("api:ada:default", "invoices"), ("bob", "weather")):
        outlive.say(text, key=key)
    outlive.hold("bob")

    def found(*words: str) -> set[str]:
        return {line["key"].removeprefix("local:") for line in outlive.ok("sessions", "list", *words)["sessions"]}

    assert found("--text", "INVOICE") == {"console:ada:default", "api:ada:default"}
    assert found("--user", "ada", "--channel", "api", "--idle") == {"api:ada:default"}
    assert found("--running", "--not-waiting") == {"console:bob:default"}
    assert found("--waiting") == set()


def test_a_search_goes_on_with_what_was_asked(outlive: Outlive) -> None:
    """The command for the next page repeats the search; a search without a hit says so."""
    outlive.say("two words")
    assert (
        "list --text 'two w' --channel console --after "
        in outlive("sessions", "list", "--text", "two w", "--channel", "console", "--limit", "1").err
    )
    assert outlive("sessions", "list", "--text", "nine").err == "There are no such sessions in tenant local.\n"
