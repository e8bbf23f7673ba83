"""What an operator does over the API, and what the audit says of it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from outlive.core.messages import Inbound
from outlive.errors import Conflict
from outlive.flows.delivery.audit import AuditEntry, note_deed
from outlive.flows.limits import list_usage
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.read_ledger import read_ledger
from outlive.flows.turn.take_session import take_session
from outlive.protocols import Message
from tests.http_api.conftest import TOKEN, served


async def deeds(api):
    """What was done, the newest first."""
    return [entry["what"] for entry in (await api.ok("GET", "/v1/audit"))["entries"]]


@pytest.fixture
async def ada(api):
    """A session with two turns; its id."""
    await api.send("write a.txt: one")
    return (await api.send("write a.txt: two"))["session_id"]


async def held(api, session_id):
    """The session, as while a turn runs in it."""
    while True:
        with suppress(Conflict):  # the turn before it has answered, and is about to give its lease back
            return await take_session(api.app.engine, api.app.engine.stores("acme"), session_id)


async def test_sessions_are_listed_and_filtered(api, ada) -> None:
    """A listing holds the session, and a filter that does not fit holds none."""
    page = await api.ok("GET", "/v1/sessions?channel=api&user=ada&text=A.TXT")
    assert [(line["session_id"], line["turns"]) for line in page["sessions"]] == [(ada, 2)]
    assert (await api.ok("GET", "/v1/sessions?channel=slack"))["sessions"] == []


async def test_pages_end(api) -> None:
    """Going on with `after` shows every session once and ends with null."""
    sent = {(await api.send("x", name))["session_id"] for name in ("a", "b", "c")}
    found, after = [], ""
    while after is not None:
        page = await api.ok("GET", f"/v1/sessions?limit=2&after={after}")
        found += [line["session_id"] for line in page["sessions"]]
        after = page["after"]
    assert (sorted(found), len(found)) == (sorted(sent), 3)


async def test_the_audit_is_read_page_by_page(api) -> None:
    """Pages of the audit together hold every deed once, the newest first, however far apart and however close."""
    now = api.app.engine.clock.now()
    times = [now - 390 * 86400, now - 86400, now - 7.5, now - 7.5, now - 3, now]
    for number, at in enumerate(times):
        entry = AuditEntry(at, f"deed.{number}", "", "", "test", {})
        await note_deed(api.app.engine, api.app.engine.stores("acme"), entry)
    found, before = [], ""
    while before is not None:
        page = await api.ok("GET", f"/v1/audit?limit=1{before}")
        found += [entry["at"] for entry in page["entries"]]
        before = page["before"] and f"&before={page['before']}"
    assert found == sorted(times, reverse=True)


async def test_tenants_are_listed_page_by_page(api) -> None:
    """Pages of tenants together hold each once; a token made by hand is refused."""
    for tenant in ("acme", "b", "c"):
        await api.ok("POST", "/v1/schedules", {"session": "ada", "text": "x", "every": 3600}, headers=_as(tenant))
        await api.ok("PATCH", "/v1/limits", {"max_agent_turns": 3}, headers=_as(tenant))
    first = await api.ok("GET", "/v1/tenants?limit=2")
    rest = await api.ok("GET", f"/v1/tenants?limit=2&after={first['after']}")
    assert (first["tenants"] + rest["tenants"], rest["after"]) == (["acme", "b", "c"], None)
    assert (await api.refused(400, "GET", "/v1/tenants?after=../x"))["field"] == "after"


def _as(tenant):
    return {"Authorization": f"Bearer {TOKEN}", "Outlive-Tenant": tenant}


async def test_the_bill_by_day_reads_only_what_has_changed(api, ada, monkeypatch) -> None:
    """Asked for again, the bill reads no ledger but that of a session with a new turn, and is the same."""
    read = []

    async def reading(engine, stores, head):
        read.append(head.key)
        return await read_ledger(engine, stores, head)

    monkeypatch.setattr(list_usage, "read_ledger", reading)
    bills = [await api.ok("GET", "/v1/usage?by=day&days=2") for _ in range(2)]
    assert (bills[0], len(read)) == (bills[1], 1)
    await api.send("hello", "eve")
    third = await api.ok("GET", "/v1/usage?by=day&days=2")
    assert (third["total"]["turns"], len(read)) == (3, 2)


async def test_the_dearest_sessions_come_first(api, ada) -> None:
    """With a limit only the dearest sessions have a line, and the total is of all."""
    await api.send("hello", "eve")
    bill = await api.ok("GET", "/v1/usage?limit=1")
    assert ([line["session_id"] for line in bill["lines"]], bill["total"]["turns"], bill["sessions"]) == ([ada], 3, 2)


@pytest.mark.parametrize("after", ["x", "../..", "%00", "0" * 31, "9" * 1000])
async def test_a_page_token_made_by_hand_is_refused(api, after) -> None:
    """What is no page token is refused by its name."""
    assert (await api.refused(400, "GET", f"/v1/sessions?after={after}"))["field"] == "after"


@pytest.mark.parametrize("chat", ["a/b", "..", ".", "a%b", "a:b", "Ä ö", "a?b#c", "messages"])
async def test_ids_with_odd_characters_are_one_name(api, chat) -> None:
    """A chat id with slashes, dots or anything else names its own session, by key and by its parts."""
    from urllib.parse import quote

    from outlive.core.keys import session_key

    key = str(session_key("acme", "api", chat))
    said = await api.send("hello", quote(key, safe=""))
    assert said["session_key"] == key
    assert (await api.ok("GET", f"/v1/sessions/{quote(key, safe='')}"))["line"]["session_id"] == said["session_id"]


async def test_rewind_and_fork(api, ada) -> None:
    """A rewind makes an old version the newest, a fork a session of its own; both are in the audit."""
    back = await api.ok("POST", f"/v1/sessions/{ada}/rewind", {"version": 1})
    copy = await api.ok("POST", f"/v1/sessions/{ada}/fork", {"version": 2, "key": "copy"})
    assert (back["after"], copy["key"]) == (3, "acme:api:copy:default")
    assert await deeds(api) == ["session.forked", "session.rewound"]


@pytest.mark.parametrize(("version", "status"), [(99, 400), (-1, 400), (2**40, 400)])
async def test_a_rewind_beyond_the_ends_changes_nothing(api, ada, version, status) -> None:
    """A version that there is not is refused, and the session stays as it was."""
    await api.refused(status, "POST", f"/v1/sessions/{ada}/rewind", {"version": version})
    assert (await api.ok("GET", f"/v1/sessions/{ada}"))["line"]["version"] == 2
    assert await deeds(api) == []


async def test_an_erase_while_a_turn_runs_is_a_conflict(api, ada) -> None:
    """A session in which a turn runs is not erased, and nothing of it is gone."""
    lease = await held(api, ada)
    await api.refused(409, "DELETE", f"/v1/sessions/{ada}")
    await lease.release()
    assert len((await api.ok("GET", f"/v1/sessions/{ada}/messages"))["turns"]) == 2


async def test_an_erased_session_is_gone(api, ada) -> None:
    """After an erase the session is unknown, the receipt is complete, and the audit has it."""
    receipt = await api.ok("DELETE", f"/v1/sessions/{ada}")
    assert (receipt["complete"], receipt["erased"]) == (True, [ada])
    await api.refused(404, "GET", f"/v1/sessions/{ada}")
    assert await deeds(api) == ["session.erased"]


async def test_a_tenant_is_erased_by_its_name_only(api, ada) -> None:
    """Without its name nothing is erased; with it, what remains is the audit entry of the erase."""
    await api.refused(400, "DELETE", "/v1/tenant?confirm=other")
    assert (await api.ok("DELETE", "/v1/tenant?confirm=acme"))["complete"]
    assert (await api.ok("GET", "/v1/sessions"))["sessions"] == []
    assert await deeds(api) == ["tenant.erased"]


async def test_an_export_is_an_archive(api, ada) -> None:
    """Session, user and tenant are exported as archives that begin as zstd does."""
    for path in (f"/v1/sessions/{ada}/export", "/v1/users/ada/export", "/v1/tenant/export"):
        response = await api("GET", path)
        assert response.content[:4] == b"\x28\xb5\x2f\xfd"
        assert int(response.headers["content-length"]) == len(response.content)


async def test_state_is_patched_and_its_history_read(api, ada) -> None:
    """A patch is in the state and in its history, under the caller's name."""
    await api.ok("PATCH", f"/v1/sessions/{ada}/state", {"patch": {"extracted_context": {"a": 1}}})
    (change,) = (await api.ok("GET", f"/v1/sessions/{ada}/state/history"))["changes"]
    assert (change["put"], change["by"]) == ({"/extracted_context/a": 1}, "internal")
    original = await api.ok("GET", f"/state/sessions/{ada}")
    assert original["document"]["extracted_context"] == {"a": 1}


async def test_preferences_and_cache(api) -> None:
    """Preferences are patched and erased, and a tool without results has none."""
    await api.ok("PATCH", "/v1/preferences/ada", {"patch": {"tone": "dry"}})
    assert (await api.ok("GET", "/v1/preferences/ada"))["values"] == {"tone": "dry"}
    assert (await api.ok("DELETE", "/v1/preferences/ada"))["records"] == 1
    assert (await api.ok("GET", "/v1/cache/server%2Ftool"))["entries"] == 0
    assert (await api.ok("DELETE", "/state/cache/tool"))["invalidated"] == "every result"


async def died(api) -> str:
    """A message that was received too often."""
    queue = api.app.engine.queue
    await queue.send(Message("acme:api:x:default", "m1", b"not a message"))
    for _ in range(3):
        delivery = await queue.receive(visibility=30, wait=0)
        await queue.give_back(delivery, delay=0, reason="broken")
    assert await queue.receive(visibility=30, wait=0) is None
    return (await queue.dead_letters())[0].id


async def test_a_session_has_options_of_its_own(tmp_path) -> None:
    """A choice is stored and read back, what is not offered is refused by its name, and the audit has the deed."""
    async with served(tmp_path, models="haiku,opus") as api:
        await api.send("hello")
        path = "/v1/sessions/ada/options"
        assert await api.ok("GET", path) == {"model": "", "while_busy": None}
        await api.ok("PATCH", path, {"model": "opus", "while_busy": "steer"})
        assert await api.ok("GET", path) == {"model": "opus", "while_busy": "steer"}
        assert "'gpt'" in (await api.refused(400, "PATCH", path, {"model": "gpt"}))["message"]
        audit = await api.ok("GET", "/v1/audit")
        assert audit["entries"][0]["what"] == "session.options"


async def test_dead_letters(tmp_path) -> None:
    """A dead letter is seen by its tenant alone, sent again or removed; its own tenant's audit tells of it."""
    async with served(tmp_path, workers=0) as api:
        letter, stranger = await died(api), await api.key("admin", "globex")
        assert (await api.ok("GET", "/v1/queue/dead", headers=stranger))["dead_letters"] == []
        await api.refused(404, "DELETE", f"/v1/queue/dead/{letter}", headers=stranger)
        assert (await api.ok("GET", f"/v1/queue/dead/{letter}"))["body"] == "not a message"
        elsewhere = {"Authorization": f"Bearer {TOKEN}", "Outlive-Tenant": "globex"}
        await api.ok("POST", f"/v1/queue/dead/{letter}/redrive", headers=elsewhere)
        assert await api.ok("GET", "/v1/queue") == {"waiting": 1, "in_flight": 0, "dead": 0}
        assert await deeds(api) == ["letter.redriven"]


async def test_schedules_and_links(api, ada) -> None:
    """A schedule is added, listed and removed; a link code brings another key to the session."""
    made = await api.ok("POST", "/v1/schedules", {"session": ada, "text": "x", "cron": "0 9 * * *"})
    assert [s["id"] for s in (await api.ok("GET", "/v1/schedules"))["schedules"]] == [made["id"]]
    await api.ok("DELETE", f"/v1/schedules/{made['id']}")
    code = (await api.ok("POST", "/v1/sessions/ada/links"))["code"]
    linked = await api.ok("POST", "/v1/sessions/telegram:42:default/links/redeem", {"code": code})
    assert linked["session_id"] == ada
    assert len((await api.ok("GET", "/v1/sessions/ada/links"))["links"]) == 2


async def test_limits_and_the_kill_switch(api) -> None:
    """A limit is set and taken away, turns are stopped and started."""
    await api.ok("PATCH", "/v1/limits", {"max_usd_per_day": 5})
    done = await api.ok("PATCH", "/v1/limits", {"max_usd_per_day": None, "max_agent_turns": 3})
    assert (done["quotas"]["max_usd_per_day"], done["quotas"]["max_agent_turns"]) == (None, 3)
    await api.ok("POST", "/v1/limits/stop", {"reason": "test"})
    assert (await api.ok("GET", "/v1/limits"))["stopped"]["reason"] == "test"
    await api.ok("POST", "/v1/limits/start")
    await api.refused(404, "POST", "/v1/limits/start")


async def test_a_key_of_one_tenant_stops_nobody_else(api) -> None:
    """What concerns all tenants is refused to a key for one."""
    admin = await api.key("admin")
    await api.refused(403, "POST", "/v1/limits/stop?all=true", {"reason": "x"}, headers=admin)
    await api.refused(403, "POST", "/v1/tokens", {"name": "x", "everyone": True}, headers=admin)


async def test_a_session_by_its_old_id_gets_no_message(api, ada) -> None:
    """A session that its key has left gets no message by its id: that would answer in another one."""
    new = await api.ok("POST", "/v1/sessions/ada/new")
    assert new["session_id"] != ada
    await api.refused(409, "POST", f"/v1/sessions/{ada}/messages", {"text": "x"})
    assert await find_session(api.app.engine, api.app.engine.stores("acme"), _key()) == new["session_id"]


def _key():
    from outlive.core.keys import session_key

    return Inbound(session_key("acme", "api", "ada"), "m", "t", 0.0).key


async def test_numbers_of_a_tenant(api, ada) -> None:
    """Stats, usage by session and by day say the same."""
    stats = await api.ok("GET", "/state/stats")
    for by in ("session", "day"):
        total = (await api.ok("GET", f"/v1/usage?by={by}"))["total"]
        assert (total["turns"], total["usd"]) == (stats["turns"], stats["usd"]) == (2, pytest.approx(0.002))
