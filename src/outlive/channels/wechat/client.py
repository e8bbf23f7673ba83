"""The official-account API over HTTP: an access token kept fresh, errors by name, and never a word of the secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from outlive.channels.wechat.faults import TokenOver, fault
from outlive.errors import Invalid, NotFound, TooLarge, Unavailable
from outlive.protocols import Clock

OFFICIAL = "https://api.weixin.qq.com"
TIMEOUT = 15.0
EARLY_SECONDS = 300.0
"""How long before its end a token is changed: the old one is taken for as long beside the new one."""
MAX_MEDIA = 20 * 1024 * 1024


class AccountClient:
    """Calls the API of one account."""

    def __init__(self, app_id: str, secret: str, clock: Clock, *, base_url: str = OFFICIAL) -> None:
        """`base_url` is another one for a proxy with a fixed address."""
        if not (app_id and secret):
            raise Invalid("the account's app id or secret is missing.", fix="Set WECHAT_APP_ID and WECHAT_APP_SECRET.")
        self.app_id = app_id
        self._secret, self._clock, self._base = secret, clock, base_url.rstrip("/")
        self._http = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
        self._token, self._until = "", 0.0
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send_text(self, to: str, text: str) -> None:
        """A customer-service message.

        https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
        """
        body = {"touser": to, "msgtype": "text", "text": {"content": text}}
        await self._call("message/custom/send", body)

    async def media(self, media_id: str) -> bytes:
        """The bytes of a file that somebody sent, kept by WeChat for three days.

        https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/Get_temporary_materials.html
        """
        found = await self._with_token(lambda token: self._media(media_id, token))
        if not isinstance(found, bytes):
            raise NotFound("WeChat gives no file for this media id.")
        return found

    # ------------------------------------------------------------------------------------------- inside

    async def _call(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        return await self._with_token(lambda token: self._post(path, body, {"access_token": token}))

    async def _with_token(self, call: Any) -> Any:  # noqa: ANN401 - JSON
        """With the token we have; when it is not taken, once more with another."""
        token = await self._fresh("")
        try:
            return await call(token)
        except TokenOver:
            return await call(await self._fresh(token))

    async def _fresh(self, refused: str) -> str:
        """A token that is not the refused one. `stable_token` gives every process the same, so none ends another's.

        https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
        """
        async with self._renewing:
            if self._token and self._token != refused and self._clock.now() < self._until:
                return self._token
            await self._renew(force=False)
            if self._token == refused:
                await self._renew(force=True)
            return self._token

    async def _renew(self, *, force: bool) -> None:
        asked = {"grant_type": "client_credential", "appid": self.app_id, "secret": self._secret}
        answer = await self._post("stable_token", {**asked, "force_refresh": force}, {})
        self._token = str(answer["access_token"])
        self._until = self._clock.now() + max(float(answer["expires_in"]) - EARLY_SECONDS, 1.0)

    async def _post(self, path: str, body: Mapping[str, object], query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """Text goes out as UTF-8 itself: an escaped one is shown with its escapes."""
        content = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        try:
            response = await self._http.post(f"{self._base}/cgi-bin/{path}", content=content, params=dict(query))
        except httpx.HTTPError as error:
            raise self._no_answer(path, error) from None
        return _result(path, response)

    async def _media(self, media_id: str, token: str) -> Any:  # noqa: ANN401 - bytes, or an error in JSON
        query, found = {"access_token": token, "media_id": media_id}, bytearray()
        try:
            async with self._http.stream("GET", f"{self._base}/cgi-bin/media/get", params=query) as response:
                async for part in response.aiter_bytes():
                    found += part
                    if len(found) > MAX_MEDIA:
                        raise TooLarge(f"the file is larger than {MAX_MEDIA:,} bytes.")
                if response.status_code == 200 and "json" not in response.headers.get("content-type", "json"):
                    return bytes(found)
        except httpx.HTTPError as error:
            raise self._no_answer("media/get", error) from None
        return _result("media/get", httpx.Response(response.status_code, content=bytes(found)))

    def _no_answer(self, path: str, error: httpx.HTTPError) -> Unavailable:
        """Without the original error: its request names the token."""
        fix = f"Check the way to {self._base}."
        return Unavailable(f"WeChat does not answer {path} ({type(error).__name__}).", fix=fix)


def _result(path: str, response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    try:
        answer = json.loads(response.content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or response.status_code >= 400:
        raise Unavailable(f"WeChat answers {path} with HTTP {response.status_code}.")
    if code := answer.get("errcode"):
        raise fault(path, int(code), str(answer.get("errmsg", "")))
    return answer
