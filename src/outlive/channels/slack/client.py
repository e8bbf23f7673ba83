"""The Web API over HTTP: one call at a time, errors by name, and never a word of the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from outlive.channels.slack.faults import fault
from outlive.errors import Invalid, NotFound, OutliveError, RateLimited, Refused, TooLarge, Unavailable
from outlive.protocols import Clock

OFFICIAL = "https://slack.com/api"
HOSTS = (".slack.com", ".slack-edge.com", ".slack-files.com")
TIMEOUT = 30.0
PATIENCE = 30.0
"""Seconds of `Retry-After` that one call waits through by itself, in all; more is the caller's business."""

Answer = Mapping[str, Any]


class SlackClient:
    """Calls methods as one app."""

    def __init__(self, token: str, clock: Clock, *, app_token: str = "", base_url: str = OFFICIAL) -> None:
        """`token` is the bot's, `app_token` the app's own, which Socket Mode needs."""
        if not token.startswith(("xoxb-", "xoxe.xoxb-")):
            raise Invalid("SLACK_BOT_TOKEN is no bot token.", fix="Copy the one that begins with xoxb- from the app.")
        if app_token and not app_token.startswith("xapp-"):
            raise Invalid("SLACK_APP_TOKEN is no app token.", fix="Make one with the scope connections:write (xapp-).")
        self._token, self._app_token, self._clock = token, app_token, clock
        self._base = base_url.rstrip("/")
        self._http = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self, method: str, parameters: Mapping[str, object] | None = None, *, patience: float = PATIENCE
    ) -> Answer:
        """The method's answer. `None` among the parameters is left out; what is no text is sent as JSON.

        A rate limit is waited through up to `patience` seconds and raised as `RateLimited` beyond. `Unavailable` when
        there is no answer: whether the call took effect is then not known. Everything else that Slack refuses is an
        error of `faults`.
        """
        form = {name: _field(value) for name, value in (parameters or {}).items() if value is not None}
        waited = 0.0
        while True:
            try:
                return await self._once(method, form, self._token)
            except RateLimited as error:
                waited += error.retry_after
                if waited > patience:
                    raise
                await self._clock.sleep(error.retry_after)

    async def open_socket(self) -> str:
        """A fresh address for Socket Mode; it serves one connection."""
        if not self._app_token:
            raise Invalid("there is no app token.", fix="Set SLACK_APP_TOKEN, or serve the Events API instead.")
        return str((await self._once("apps.connections.open", {}, self._app_token))["url"])

    async def respond(self, url: str, text: str) -> None:
        """Answer a slash command where Slack asked for it; for the sender's eyes only."""
        self._check_host(url)
        body = {"response_type": "ephemeral", "text": text}
        response = await self._sent("an answer", self._http.build_request("POST", url, json=body))
        if response.status_code != 200:
            raise fault("an answer", response.status_code, {}, response.headers.get("retry-after", ""))

    async def _once(self, method: str, form: Mapping[str, str], token: str) -> Answer:
        headers = {"authorization": f"Bearer {token}"}
        request = self._http.build_request("POST", f"{self._base}/{method}", data=dict(form), headers=headers)
        response = await self._sent(method, request)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if isinstance(answer, dict) and answer.get("ok") and response.status_code == 200:
            return answer
        if response.status_code == 200 and not isinstance(answer, dict):
            raise Unavailable(f"Slack answers {method} with something that is no JSON object.")
        given = answer if isinstance(answer, dict) else {}
        raise fault(method, response.status_code, given, response.headers.get("retry-after", ""))

    async def _sent(self, what: str, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request)
        except httpx.HTTPError as error:
            raise self._no_answer(what, error) from None

    def _no_answer(self, what: str, error: httpx.HTTPError) -> Unavailable:
        """Without the original error: its request carries the token."""
        fix = f"Check the way to {self._base}."
        return Unavailable(f"Slack does not answer {what} ({type(error).__name__}).", fix=fix)

    def _check_host(self, url: str) -> None:
        """Tokens and answers go to Slack only, whatever an event says."""
        parts, ours = urlsplit(url), urlsplit(self._base)
        if (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc):
            return
        if parts.scheme != "https" or not f".{parts.hostname or ''}".endswith(HOSTS):
            raise Refused(f"{parts.hostname} is no host of Slack.")

    async def upload(self, name: str, data: bytes) -> str:
        """A file on Slack's side, not shared with anybody yet; its id."""
        place = await self.call("files.getUploadURLExternal", {"filename": name, "length": len(data)})
        self._check_host(place["upload_url"])
        request = self._http.build_request("POST", place["upload_url"], files={"filename": (name, data)})
        response = await self._sent("an upload", request)
        if response.status_code != 200:
            raise fault("an upload", response.status_code, {}, response.headers.get("retry-after", ""))
        return str(place["file_id"])

    async def download(self, file_id: str, limit: int) -> bytes:
        """A file's bytes; `NotFound` when Slack has it no more, `TooLarge` over the limit."""
        file = (await self.call("files.info", {"file": file_id}))["file"]
        url = file.get("url_private_download") or file.get("url_private")
        if not url:
            raise NotFound("Slack gives no link to the file.")
        self._check_host(url)
        found = bytearray()
        try:
            async with self._http.stream("GET", url, headers={"authorization": f"Bearer {self._token}"}) as response:
                if error := _not_the_file(response, str(file.get("mimetype") or "")):
                    raise error
                async for part in response.aiter_bytes():
                    found += part
                    if len(found) > limit:
                        raise TooLarge(f"the file is larger than {limit:,} bytes.")
        except httpx.HTTPError as error:
            raise self._no_answer("a download", error) from None
        return bytes(found)


def _not_the_file(response: httpx.Response, mime: str) -> OutliveError | None:
    """Slack shows its login page, with status 200 or a redirect, to a token that may not read files."""
    status = response.status_code
    if status >= 500 or status == 429:
        return Unavailable(f"Slack answers a download with {status}.")
    is_page = response.headers.get("content-type", "").startswith("text/html") and mime != "text/html"
    if is_page or status in {301, 302, 303, 307, 308, 401, 403}:
        return Refused("Slack does not give the file.", fix="Give the app the scope files:read, and install it again.")
    return None if status == 200 else NotFound(f"Slack answers a download with {status}: the file is gone.")


def _field(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
