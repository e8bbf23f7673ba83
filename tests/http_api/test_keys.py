"""Keys, sign-in and what is refused before any route."""

from __future__ import annotations

from tests.http_api.conftest import TOKEN, served


async def signed_in(api, key=TOKEN):
    """The cookie."""
    response = await api("POST", "/v1/sign-in", {"key": key}, headers={})
    assert response.status_code == 200, response.text
    return response


async def test_the_secret_is_not_stored(api) -> None:
    """The table holds a digest of a key and not its secret."""
    made = await api.ok("POST", "/v1/tokens", {"name": "ci", "role": "viewer"})
    rows = await api.app.engine.table.scan("_api_keys/")
    secret = made["key"].rsplit("_", 1)[1]
    assert len(rows) == 1
    assert all(secret.encode() not in row.body for row in rows)


async def test_a_key_works_until_it_is_revoked(api) -> None:
    """A key that was handed out works, and answers 401 once it is revoked."""
    made = await api.ok("POST", "/v1/tokens", {"name": "ci", "role": "viewer"})
    headers = {"Authorization": f"Bearer {made['key']}"}
    me = await api.ok("GET", "/v1/me", headers=headers)
    assert (me["tenant"], me["role"], me["everyone"]) == ("acme", "viewer", False)
    await api.ok("DELETE", f"/v1/tokens/{made['token']['id']}")
    await api.refused(401, "GET", "/v1/me", headers=headers)


async def test_a_key_that_has_run_out_counts_no_more(api) -> None:
    """A key for a millisecond answers 401 after it."""
    made = await api.ok("POST", "/v1/tokens", {"name": "ci", "seconds": 0.001})
    await api.refused(401, "GET", "/v1/me", headers={"Authorization": f"Bearer {made['key']}"})


async def test_wrong_keys(api) -> None:
    """What is no key, or has a wrong secret, answers 401 and says how to sign in."""
    made = await api.ok("POST", "/v1/tokens", {"name": "ci"})
    for text in ("", "x", made["key"][:-1] + "z", made["key"][:-1], "olk_" + "0" * 12 + "_" + "0" * 64, TOKEN + "x"):
        response = await api("GET", "/v1/me", headers={"Authorization": f"Bearer {text}"})
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_the_cookie_is_closed_to_pages(api) -> None:
    """The cookie is HttpOnly and SameSite=Strict, and stands for the key; the hint beside it can be read."""
    cookie, hint = (text.lower() for text in (await signed_in(api)).headers.get_list("set-cookie"))
    assert ("httponly" in cookie, "httponly" in hint) == (True, False)
    assert "samesite=strict" in cookie
    assert hint.startswith("outlive-signed-in=1;")
    assert (await api.ok("GET", "/v1/me", headers={}))["role"] == "admin"


async def test_another_site_cannot_change_anything(api) -> None:
    """A change by cookie needs the page to be our own; another site's, or one that does not say, is refused."""
    await signed_in(api)
    wrong = [{}, {"Origin": "http://evil"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    for headers in wrong:
        await api.refused(403, "PATCH", "/v1/limits", {"max_agent_turns": 3}, headers=headers)
    right = {"Origin": "http://test", "Sec-Fetch-Site": "same-origin"}
    await api.ok("PATCH", "/v1/limits", {"max_agent_turns": 3}, headers=right)


async def test_signed_out(api) -> None:
    """After signing out the cookie counts no more, also for whoever has kept it."""
    kept = (await signed_in(api)).cookies["outlive"]
    await api.ok("POST", "/v1/sign-out", headers={"Origin": "http://test"})
    await api.refused(401, "GET", "/v1/me", headers={"Cookie": f"outlive={kept}"})


async def test_a_revoked_key_ends_its_sign_ins(api) -> None:
    """A browser that signed in with a key is out once the key is revoked."""
    made = await api.ok("POST", "/v1/tokens", {"name": "ci"})
    await signed_in(api, made["key"])
    await api.ok("DELETE", f"/v1/tokens/{made['token']['id']}")
    await api.refused(401, "GET", "/v1/me", headers={})


async def test_guessing_is_slowed(api) -> None:
    """After twenty wrong keys in a minute the sign-in answers 429 and says when to come back."""
    for _ in range(20):
        await api.refused(401, "POST", "/v1/sign-in", {"key": "x"}, headers={})
    response = await api("POST", "/v1/sign-in", {"key": "x"}, headers={})
    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 60


async def test_a_body_over_the_limit_is_refused(tmp_path) -> None:
    """A body over the limit answers 413, whether its length is stated or it comes in pieces."""
    async with served(tmp_path, workers=0, http_max_body=2000) as api:
        await api.refused(413, "POST", "/v1/sessions/ada/messages", {"text": "x" * 3000})

        async def pieces():
            for _ in range(10):
                yield b" " * 1000

        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        response = await api.http.post("/v1/sessions/ada/messages", content=pieces(), headers=headers)
        assert response.status_code == 413


async def test_errors_have_one_shape(api) -> None:
    """Unknown paths, wrong methods, broken JSON and wrong fields are told in the same shape."""
    bad = await api.http.post("/v1/sign-in", content=b"{", headers={"Content-Type": "application/json"})
    answers = [await api("GET", "/nothing"), await api("PUT", "/v1/sessions"), await api("GET", "/v1/%ff"), bad]
    assert [each.status_code for each in answers] == [404, 405, 400, 400]
    for each in answers:
        assert each.json()["error"].keys() == {"type", "message", "fix", "field"}
    assert bad.json()["error"]["message"].startswith("the body is not JSON: ")
    error = await api.refused(400, "POST", "/v1/sessions/ada/messages", {"text": 5})
    assert error["field"] == "text"


async def test_health_and_readiness(api, monkeypatch) -> None:
    """Health asks nobody; readiness names the backend that does not answer in time, with 503."""
    assert (await api.ok("GET", "/health", headers={}))["status"] == "ok"
    assert (await api.ok("GET", "/ready", headers={}))["ready"]
    monkeypatch.setattr("outlive.entrypoints.http_api.health.PING_SECONDS", 0.0)
    response = await api("GET", "/ready", headers={})
    assert (response.status_code, response.json()["ready"]) == (503, False)
