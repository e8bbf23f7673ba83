"""The Bot API over HTTP: one call at a time, errors by name, and never a word of the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from outlive.channels.telegram.faults import ChatMoved, fault
from outlive.channels.telegram.rules import GENERAL_TOPIC, Place
from outlive.errors import Invalid, NotFound, RateLimited, Refused, TooLarge, Unavailable
from outlive.protocols import Clock

OFFICIAL = "https://api.telegram.org"
TIMEOUT = 30.0
"""Seconds for an ordinary call."""
PATIENCE = 30.0
"""Seconds of `retry_after` that one call waits through by itself, in all; more is the caller's business."""


class BotClient:
    """Calls methods of one bot."""

    def __init__(self, token: str, clock: Clock, *, base_url: str = OFFICIAL) -> None:
        """`base_url` is another one for a local Bot API server."""
        number, colon, secret = token.partition(":")
        if not (number.isdigit() and colon and secret):
            raise Invalid("the bot's token is not one.", fix="Copy it from @BotFather: a number, a colon, letters.")
        self.bot_id = int(number)
        self._token, self._clock, self._base = token, clock, base_url.rstrip("/")
        self._http = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
        self._moved: dict[int, int] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        parameters: Mapping[str, object] | None = None,
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - of the HTTP request
        patience: float = PATIENCE,
    ) -> Any:  # noqa: ANN401 - JSON
        """The method's result. `None` among the parameters is left out.

        A 429 is waited through up to `patience` seconds and raised as `RateLimited` beyond; a group that has moved is
        followed. `Unavailable` when there is no answer: whether the call took effect is then not known. Everything else
        that Telegram refuses is an error of `faults`.
        """
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        waited = 0.0
        while True:
            try:
                return await self._once(method, self._redirected(given), files or {}, timeout)
            except RateLimited as error:
                waited += error.retry_after
                if waited > patience:
                    raise
                await self._clock.sleep(error.retry_after)
            except ChatMoved as error:
                if given.get("chat_id") is None or self._moved.get(int(str(given["chat_id"]))) == error.new_chat:
                    raise
                self._moved[int(str(given["chat_id"]))] = error.new_chat

    def _redirected(self, given: Mapping[str, object]) -> dict[str, object]:
        chat = given.get("chat_id")
        return {**given, "chat_id": self._moved.get(chat, chat)} if isinstance(chat, int) else dict(given)

    async def _once(
        self,
        method: str,
        given: Mapping[str, object],
        files: Mapping[str, tuple[str, bytes]],
        timeout: float,  # noqa: ASYNC109
    ) -> Any:  # noqa: ANN401 - JSON
        url = f"{self._base}/bot{self._token}/{method}"
        try:
            if files:
                form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
                response = await self._http.post(url, data=form, files=dict(files), timeout=timeout)
            else:
                response = await self._http.post(url, json=dict(given), timeout=timeout)
        except httpx.HTTPError as error:
            raise self._no_answer(method, error) from None
        return _result(method, response)

    def _no_answer(self, method: str, error: httpx.HTTPError) -> Unavailable:
        """Without the original error: its request names the token."""
        fix = f"Check the way to {self._base}."
        return Unavailable(f"Telegram does not answer {method} ({type(error).__name__}).", fix=fix)

    async def download(self, file_id: str, limit: int) -> bytes:
        """A file's bytes, through a fresh link; `NotFound` when Telegram has it no more, `TooLarge` over the limit."""
        path = (await self.call("getFile", {"file_id": file_id})).get("file_path")
        if not path:
            raise NotFound("Telegram gives no link to the file.")
        url, found = f"{self._base}/file/bot{self._token}/{path}", bytearray()
        try:
            async with self._http.stream("GET", url) as response:
                if response.status_code != 200:
                    raise _no_file(response.status_code)
                async for part in response.aiter_bytes():
                    found += part
                    if len(found) > limit:
                        raise TooLarge(f"the file is larger than {limit:,} bytes.")
        except httpx.HTTPError as error:
            raise self._no_answer("a download", error) from None
        return bytes(found)


def _no_file(status: int) -> NotFound | Refused | Unavailable:
    if status >= 500 or status == 429:
        return Unavailable(f"Telegram answers a download with {status}.")
    return NotFound(f"Telegram answers a download with {status}: the file or its link is gone.")


def _result(method: str, response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    if isinstance(answer, dict) and answer.get("ok"):
        return answer.get("result")
    raise fault(method, response.status_code, answer if isinstance(answer, dict) else {})


def address(place: Place, *, action: bool = False) -> dict[str, object]:
    """The parameters that name a place; a General topic is left out, but for chat actions."""
    thread = place.thread_id if action or place.thread_id != GENERAL_TOPIC else None
    return {"chat_id": place.chat_id, "message_thread_id": thread}
