"""How updates reach the bot: long polling with an offset, or a webhook that is called chat by chat, in order."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outlive.testing.telegram.forms import Call
from outlive.testing.telegram.refusals import HAS_WEBHOOK, OTHER_POLLER, bad
from outlive.testing.telegram.world import Json, World

NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
MAX_BATCH = 100
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}\Z")


@dataclass
class Intake:
    """The updates' way to the bot."""

    world: World
    retry_seconds: float = 0.05
    """Between two tries of a webhook that does not answer 2xx."""
    webhook: Json = field(default_factory=dict)
    """Parameters of `setWebhook`; empty without one."""
    last_error: str = ""
    attempts: int = 0
    """Requests made to the webhook."""
    _allowed: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _poll: asyncio.Future[None] | None = None
    _pushing: dict[object, asyncio.Task[None]] = field(default_factory=dict)

    def arrived(self) -> None:
        """There is a new update."""
        self._news.set()
        if self.webhook:
            self._push()

    # ------------------------------------------------------------------------------------- long polling

    async def get_updates(self, call: Call) -> list[Json]:
        """https://core.telegram.org/bots/api#getupdates: an offset confirms everything before it."""
        if self.webhook:
            raise HAS_WEBHOOK
        if self._poll is not None and not self._poll.done():
            self._poll.set_exception(OTHER_POLLER)
        if (offset := int(call.get("offset") or 0)) > 0:
            self.world.updates = [update for update in self.world.updates if update["update_id"] >= offset]
        if call.get("allowed_updates") is not None:
            self._allowed = call.get("allowed_updates")
        mine = self._poll = asyncio.get_running_loop().create_future()
        mine.add_done_callback(lambda future: future.exception())
        waiting = asyncio.ensure_future(self._some(float(call.get("timeout") or 0)))
        await asyncio.wait({mine, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if mine.done():
            mine.result()
        mine.set_result(None)
        return self._wanted()[: min(int(call.get("limit") or MAX_BATCH), MAX_BATCH)]

    async def _some(self, seconds: float) -> None:
        """Until there is an update, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                while not self._wanted():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def _wanted(self) -> list[Json]:
        return [update for update in self.world.updates if self._wants(update)]

    def _wants(self, update: Mapping[str, Any]) -> bool:
        (kind,) = update.keys() - {"update_id"}
        return kind in self._allowed if self._allowed else kind not in NOT_BY_DEFAULT

    # ------------------------------------------------------------------------------------------ webhook

    def set_webhook(self, call: Call) -> bool:
        """https://core.telegram.org/bots/api#setwebhook (loopback over plain HTTP is taken, unlike there)."""
        url, secret = str(call.get("url") or ""), call.get("secret_token")
        if url and not url.startswith(("https://", "http://127.0.0.1")):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if secret is not None and not _SECRET.match(secret):
            raise bad("secret token contains unallowed characters")
        if call.get("drop_pending_updates"):
            self.world.updates.clear()
        self._allowed = call.get("allowed_updates") or []
        self.webhook = dict(call.parameters) if url else {}
        self.arrived()
        return True

    def delete_webhook(self, call: Call) -> bool:
        """https://core.telegram.org/bots/api#deletewebhook."""
        if call.get("drop_pending_updates"):
            self.world.updates.clear()
        self.webhook = {}
        return True

    def webhook_info(self) -> Json:
        """https://core.telegram.org/bots/api#getwebhookinfo."""
        info = {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(self.world.updates),
            "max_connections": self.webhook.get("max_connections", 40),
        }
        return {**info, "last_error_message": self.last_error} if self.last_error else info

    def _push(self) -> None:
        """One chain per chat: a chat's next update waits for the one before it, other chats do not."""
        for chat in {chat_of(update) for update in self._wanted()}:
            if chat not in self._pushing or self._pushing[chat].done():
                self._pushing[chat] = asyncio.create_task(self._push_chat(chat))

    async def _push_chat(self, chat: object) -> None:
        while self.webhook and (mine := [update for update in self._wanted() if chat_of(update) == chat]):
            self.attempts += 1
            status = await asyncio.to_thread(_post, self.webhook, mine[0])
            if 200 <= status < 300:
                self.world.updates = [update for update in self.world.updates if update is not mine[0]]
            else:
                self.last_error = f"Wrong response from the webhook: {status}"
                await asyncio.sleep(self.retry_seconds)

    async def close(self) -> None:
        """Stop calling the webhook."""
        self.webhook = {}
        for task in self._pushing.values():
            task.cancel()
        await asyncio.gather(*self._pushing.values(), return_exceptions=True)


def chat_of(update: Mapping[str, Any]) -> object:
    """The chat that an update belongs to; the update's own id for one that belongs to none."""
    for kind, content in update.items():
        if kind != "update_id":
            inner = content.get("message") or content
            return (inner.get("chat") or {}).get("id", update["update_id"])
    return update["update_id"]


def _post(webhook: Mapping[str, Any], update: Json) -> int:
    """The webhook's answer as a status; 0 when there is none."""
    headers = {"Content-Type": "application/json"}
    if secret := webhook.get("secret_token"):
        headers["X-Telegram-Bot-Api-Secret-Token"] = secret
    request = urllib.request.Request(webhook["url"], json.dumps(update).encode(), headers)  # noqa: S310 - a test's own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0
