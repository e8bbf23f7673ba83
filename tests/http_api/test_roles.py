"""Every route for every role and for another tenant's key, from the API's own description."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from outlive.core.api_keys import ROLES
from outlive.entrypoints.http_api.app import ROUTERS

OPEN = {("get", "/health"), ("get", "/ready"), ("post", "/v1/sign-in")}
"""Routes that need no key."""
RANK = {"viewer": 0, "operator": 1, "admin": 2}
"""Said here once more: a test that asks the code under test would believe whatever it says."""
BODIES = {
    "/v1/sessions/{session}/messages": {"text": "hello"},
    "/v1/sessions/{session}/approval": {"choice": "once"},
    "/v1/sessions/{session}/options": {"while_busy": "collect"},
    "/v1/sessions/{session}/fork": {},
    "/v1/sessions/{session}/rewind": {"version": 1},
    "/v1/sessions/{session}/state": {"patch": {"extracted_context": {"a": 1}}},
    "/v1/sessions/{session}/links/redeem": {"code": "12345678"},
    "/v1/preferences/{user}": {"patch": {"a": 1}},
    "/v1/cache/{tool}/invalidate": {},
    "/v1/schedules": {"session": "ada", "text": "hello", "every": 3600},
    "/v1/limits": {"max_usd_per_day": 5},
    "/v1/limits/stop": {"reason": "test"},
    "/v1/tokens": {"name": "test"},
    "/sessions/{session}/messages": {"prompt": "hello"},
}
QUERIES = {"/v1/sessions/{session}/diff": "?older=0&newer=1", "/v1/tenant": "?confirm=acme",
           "/v1/sessions/{session}/messages": "?wait=0"}  # fmt: skip
STREAMS = {"/v1/sessions/{session}/events", "/sessions/{session}/messages"}
"""They end when their server does."""


def operations(document):
    """Method, path and description of each."""
    return [(method, path, each) for path, item in document["paths"].items() for method, each in item.items()]


def url(path, session):
    """A path filled in."""
    return re.sub(r"\{[a-z]+\}", "nothing", path.replace("{session}", session).replace("{turn}", "1")) + QUERIES.get(
        path, ""
    )


async def document_of(api):
    """The description."""
    return await api.ok("GET", "/openapi.json")


async def test_every_route_has_a_role(api) -> None:
    """Every operation says which role it takes, but those that are open to everybody."""
    for method, path, each in operations(await document_of(api)):
        assert ("x-role" in each) != ((method, path) in OPEN), path
        assert path in BODIES or "requestBody" not in each or (method, path) in OPEN, f"{path} needs a body here"


async def test_every_change_names_its_deed(api) -> None:
    """Every operation that changes anything says what the audit calls it; messages are in the ledger instead."""
    unnamed = {"/v1/sign-out", "/v1/sessions/{session}/messages", "/sessions/{session}/messages"}
    for method, path, each in operations(await document_of(api)):
        if method != "get" and (method, path) not in OPEN and path not in unnamed:
            assert each["x-deed"] != "none", path


@pytest.mark.defect(41)
@pytest.mark.defect(18)
async def test_nobody_without_a_key(api) -> None:
    """Without a key every operation answers 401, whatever it is asked."""
    for method, path, each in operations(await document_of(api)):
        if "x-role" in each:
            response = await api(method, url(path, "ada"), BODIES.get(path) if method != "get" else None, headers={})
            assert response.status_code == 401, path


async def test_every_role_can_do_what_its_routes_say(api) -> None:
    """A role below the one that a route takes answers 403, as does a tenant's key where it is about all of them."""
    await api.send("hello", "ada")
    api.http._transport.app.state.api.closing.set()
    headers = {role: await api.key(role) for role in ROLES}
    for method, path, each in operations(await document_of(api)):
        for role in ROLES if "x-role" in each else ():
            body = BODIES.get(path) if method != "get" else None
            response = await api(method, url(path, "nobody"), body, headers=headers[role])
            is_refused = response.status_code == 403
            for_one = RANK[role] >= RANK[each["x-role"]] and not each["x-everyone"]
            assert is_refused == (not for_one), (path, role, response.text)


@pytest.mark.defect(18)
async def test_another_tenants_session_is_an_unknown_one(api) -> None:
    """For another tenant's key every route answers for a session that exists exactly as for one that does not."""
    real = (await api.send("hello"))["session_id"]
    api.http._transport.app.state.api.closing.set()
    stranger = await api.key("admin", "globex")
    for method, path, each in operations(await document_of(api)):
        if "{session}" not in path or path.startswith("/sessions"):
            continue
        body = BODIES.get(path) if method != "get" else None
        answers = [await api(method, url(path, name), body, headers=stranger) for name in (real, "0" * 32)]
        first, second = [(each.status_code, each.text.replace(real, "0" * 32)) for each in answers]
        assert first == second, path
        assert first[0] in {404, 200}, (path, first)


async def test_another_tenants_key_names_nothing(api) -> None:
    """A session key that begins with another tenant answers 404, though there is such a session."""
    await api.send("hello")
    stranger = await api.key("admin", "globex")
    for path in ("", "/messages", "/status", "/versions"):
        await api.refused(404, "GET", f"/v1/sessions/acme:api:ada:default{path}", headers=stranger)
    body = {"text": "hello"}
    await api.refused(404, "POST", "/v1/sessions/acme:api:ada:default/messages", body, headers=stranger)


async def test_another_tenant_cannot_be_asked_for(api) -> None:
    """The header that names a tenant is refused with a key of another one."""
    headers = await api.key("admin", "globex") | {"Outlive-Tenant": "acme"}
    await api.refused(403, "GET", "/v1/sessions", headers=headers)


async def test_lists_hold_the_tenants_own(api) -> None:
    """Listings of another tenant's key hold nothing of this one's."""
    await api.send("hello")
    await api.ok("POST", "/v1/schedules", {"session": "ada", "text": "x", "every": 3600})
    stranger = await api.key("admin", "globex")
    assert (await api.ok("GET", "/v1/sessions", headers=stranger))["sessions"] == []
    assert (await api.ok("GET", "/v1/schedules", headers=stranger))["schedules"] == []
    assert (await api.ok("GET", "/v1/tenants", headers=stranger))["tenants"] == ["globex"]
    assert (await api.ok("GET", "/v1/stats", headers=stranger))["sessions"] == 0


async def test_another_tenants_things_are_unknown_ones(api) -> None:
    """A schedule and a key of another tenant answer as ones that do not exist do, and stay."""
    made = await api.ok("POST", "/v1/schedules", {"session": "ada", "text": "x", "every": 3600})
    token = (await api.ok("POST", "/v1/tokens", {"name": "mine"}))["token"]
    stranger = await api.key("admin", "globex")
    for path, name in (("schedules", made["id"]), ("tokens", token["id"])):
        real = await api.refused(404, "DELETE", f"/v1/{path}/{name}", headers=stranger)
        other = await api.refused(404, "DELETE", f"/v1/{path}/{'0' * len(name)}", headers=stranger)
        assert real["type"] == other["type"]
    assert len((await api.ok("GET", "/v1/schedules"))["schedules"]) == 1
    assert token["id"] in [each["id"] for each in (await api.ok("GET", "/v1/tokens"))["tokens"]]


async def test_no_route_is_forgotten(api) -> None:
    """Every route of the application is in its description."""
    described = {path for _, path, _ in operations(await document_of(api))}
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {route.path_format for route in routes} == described
