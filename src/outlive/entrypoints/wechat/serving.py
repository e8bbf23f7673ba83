"""The webhook as a web application: one path for the official account, one for the bot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from outlive.channels.wechat.account import AccountChannel
from outlive.channels.wechat.decisions import Drop, Poll, Stranger, Turn
from outlive.channels.wechat.passive import Offer
from outlive.channels.wechat.rules import ACCOUNT, BOT
from outlive.channels.wechat.webhook import MAX_BODY, TAKEN, AccountDoor, Answer, BotDoor
from outlive.clock import new_id
from outlive.entrypoints.wechat.intake import Intake, name_of
from outlive.errors import Invalid, OutliveError, Refused, TooLarge, Unavailable

ACCOUNT_PATH = "/wechat"
BOT_PATH = "/wecom"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Both paths, as far as they are set up."""

    intake: Intake
    waits: bool = True
    """Whether an account's reply may come in time: without workers in this process none does."""

    def application(self) -> Starlette:
        """The ASGI application."""
        routes: list[Route] = []
        if self.intake.desk.account:
            routes.append(Route(ACCOUNT_PATH, self._guarded(self._account), methods=["GET", "POST"]))
        if self.intake.desk.bot:
            routes.append(Route(BOT_PATH, self._guarded(self._bot), methods=["GET", "POST"]))
        return Starlette(routes=routes)

    def _guarded(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Refusals as statuses: only a hand-over that failed asks the vendor to send again."""

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except ClientDisconnect:
                return Response(status_code=400)
            except OutliveError as error:
                self.intake.tell(f"not taken: {error.message}")
                return Response(status_code=_status(error))

        return guarded

    # -------------------------------------------------------------------------------- the official account

    async def _account(self, request: Request) -> Response:
        assert self.intake.desk.account is not None  # noqa: S101 - the route is there only then
        door, channel = self.intake.desk.account
        query, now = request.query_params, self._now()
        if request.method == "GET":
            return Response(door.verify(query, now), media_type="text/plain")
        decision, answer = door.read(query, await _body(request), self.intake.desk.rules, now)
        decision = await self.intake.admitted(decision, ACCOUNT)
        if isinstance(decision, Poll | Stranger):
            raise Invalid("a request of this kind does not come to an account.")
        if isinstance(decision, Turn):
            return await self._passive(request, channel, decision, lambda text: self._said(door, answer, text))
        said = await self.intake.take(decision)
        return self._said(door, answer, said) if said and not isinstance(decision, Drop) else Response(TAKEN)

    async def _passive(
        self, request: Request, channel: AccountChannel, turn: Turn, said: Callable[[str], Response]
    ) -> Response:
        """Queue it, and wait for the reply as long as WeChat does."""
        if not self.waits:
            await self.intake.take(turn)
            return Response(TAKEN)
        with channel.desk.offered(turn.inbound.message_id) as offer:
            await self.intake.take(turn)
            text = await offer.taken()
        if text is None:
            return Response(TAKEN)
        if await request.is_disconnected():  # the server would write into the void, and say nothing
            offer.settle(is_written=False)
            return Response(TAKEN)
        return _Watched(said(text).body, offer)

    def _said(self, door: AccountDoor, answer: Answer, text: str) -> Response:
        return Response(door.write(answer, text, self._now(), new_id()[:10]), media_type="text/xml")

    # --------------------------------------------------------------------------------------------- the bot

    async def _bot(self, request: Request) -> Response:
        assert self.intake.desk.bot is not None  # noqa: S101 - the route is there only then
        door, channel = self.intake.desk.bot
        query, now = request.query_params, self._now()
        if request.method == "GET":
            return Response(door.verify(query, now), media_type="text/plain")
        decision = door.read(query, await _body(request), self.intake.desk.rules, now)
        decision = await self.intake.admitted(decision, BOT)
        match decision:
            case Turn():
                await self.intake.begin_stream(channel, decision)
                await self.intake.take(decision)
                return self._stream(door, name_of(decision), "", is_end=False)
            case Poll(_, name):
                text, is_end = await self.intake.show_stream(channel, decision)
                return self._stream(door, name, text, is_end=is_end)
            case Stranger():
                raise Invalid("a stranger was not asked for a code.")
            case _:
                said = await self.intake.take(decision)
        return self._stream(door, new_id(), said, is_end=True) if said else Response()

    def _stream(self, door: BotDoor, name: str, text: str, *, is_end: bool) -> Response:
        content: Mapping[str, object] = {
            "msgtype": "stream",
            "stream": {"id": name, "finish": is_end, "content": text},
        }
        return Response(door.write(content, self._now(), new_id()[:10]), media_type="application/json")

    def _now(self) -> float:
        return self.intake.desk.app.engine.clock.now()


class _Watched(Response):
    """An answer whose worker waits to hear whether it was written."""

    def __init__(self, content: bytes | memoryview, offer: Offer) -> None:
        super().__init__(content, media_type="text/xml")
        self._offer = offer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write it."""
        is_written = False
        try:
            await super().__call__(scope, receive, send)
            is_written = True
        finally:
            self._offer.settle(is_written=is_written)


async def _body(request: Request) -> bytes:
    """The body, read no further than a vendor's could go."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MAX_BODY:
            raise TooLarge(f"the request is longer than {MAX_BODY:,} bytes.")
    return bytes(found)


def _status(error: OutliveError) -> int:
    match error:
        case Refused():
            return 403
        case TooLarge():
            return 413
        case Invalid():
            return 400
        case Unavailable():
            return 503
        case _:
            return 500
