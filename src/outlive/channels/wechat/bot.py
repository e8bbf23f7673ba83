"""Replies of a WeCom AI bot: the vendor pulls them; what comes after the stream's end goes to its response URL.

https://developer.work.weixin.qq.com/document/path/101031
"""

from __future__ import annotations

from dataclasses import replace

import httpx

from outlive.channels.wechat.bot_files import fetch_file
from outlive.channels.wechat.sealing import Sealer
from outlive.channels.wechat.split import split_bytes
from outlive.channels.wechat.streams import MAX_KEPT, Stream, Streams, stream_id
from outlive.core.keys import SessionKey, parse_session_key
from outlive.errors import Refused, Unavailable, Undelivered
from outlive.protocols import Clock, FileRef, Reply, Table

OFFICIAL = "https://qyapi.weixin.qq.com"
MAX_CONTENT = 20480
"""Bytes of a stream's text, and of a late answer's."""
STREAM_SECONDS = 330.0
"""WeCom asks for six minutes after the message; the stream is ended by us before that."""
LATE_SECONDS = 3600.0
"""How long a response URL counts; it takes one answer."""
PULL_PAUSE = 2.0
WAITING = "\n\n(The answer is not ready yet; it follows as a message of its own.)"
WITHOUT_URL = "\n\n(The answer is not ready in time; it stays in the session.)"
CUT = "\n\n(The rest does not fit here.)"
TIMEOUT = 15.0


class BotChannel:
    """Implements `protocols.Channel` for one bot."""

    pulls = True
    """Its turns' live text is kept in the table."""

    def __init__(self, table: Table, clock: Clock, sealer: Sealer, *, base_url: str = OFFICIAL) -> None:
        """`sealer` opens files; `base_url` is where response URLs have to lead."""
        self._sealer = sealer
        self.streams, self._clock, self._base = Streams(table, clock), clock, base_url.rstrip("/")
        self._http = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def deliver(self, reply: Reply) -> None:
        """Put the reply where the vendor pulls it from: delivered once it has, or once the late answer was taken.

        `Undelivered` until then. `Refused` when there is no way left: WeCom's bots only ever answer.
        """
        key, name = parse_session_key(reply.session_key), stream_id(reply.message_id)
        final = reply.text[:MAX_KEPT]
        stream = await self.streams.change(key, name, lambda known: replace(known, final=known.final or final))
        if stream is None:
            raise Refused("a WeCom bot can only answer, and there is no message to be answered.")
        if stream.final != final:  # a word about a failure went out before, and the message was sent again by hand
            await self._send_late(key, name, stream, final)
            return
        rest = rest_of(stream)
        if stream.seen and not rest:
            return
        if not stream.seen and not stream.ended and self._clock.now() < stream.asked_at + STREAM_SECONDS:
            raise Undelivered("WeCom has not asked for the answer yet.", retry_after=PULL_PAUSE)
        await self._send_late(key, name, stream, rest if stream.seen else final)

    async def _send_late(self, key: SessionKey, name: str, stream: Stream, text: str) -> None:
        """One answer to the response URL; an attempt whose outcome is not known is made again."""
        if self._clock.now() > stream.asked_at + LATE_SECONDS:
            raise Refused("the answer came after the hour that WeCom takes one.", fix="The text is in the session.")
        if not stream.response_url.startswith(self._base + "/"):
            raise Refused("the message named no response URL of WeCom's.", fix="The text is in the session.")
        body = {"msgtype": "markdown", "markdown": {"content": fitted(text)}}
        try:
            answer = await self._http.post(stream.response_url, json=body)
            code = int(answer.json().get("errcode", 0)) if answer.status_code < 500 else -1
        except (httpx.HTTPError, ValueError, AttributeError) as error:
            raise Unavailable(f"WeCom does not take a late answer ({type(error).__name__}).") from None
        if code == -1:
            raise Unavailable(f"WeCom answers a late answer with HTTP {answer.status_code}.")
        if code:
            raise Refused(f"WeCom refuses a late answer: {code}.", fix="The text is in the session.")
        whole = stream.final if stream.final is not None and stream.final.endswith(text) else text
        done = replace(stream, seen=True, ended=True, response_url="", final=whole)
        await self.streams.change(key, name, lambda _: done)

    async def fetch(self, file: FileRef) -> bytes:
        """See `protocols.Channel.fetch`; as of `fetch_file`."""
        return await fetch_file(self._http, file.ref, self._sealer, base=self._base)


def rest_of(stream: Stream) -> str:
    """What did not fit into the stream and can still be sent."""
    if not stream.response_url or stream.final is None:
        return ""
    return "".join(split_bytes(stream.final, MAX_CONTENT)[1:])


def fitted(text: str) -> str:
    """As much as one message takes."""
    first, *rest = split_bytes(text, MAX_CONTENT)
    return split_bytes(text, MAX_CONTENT - len(CUT.encode()))[0] + CUT if rest else first


def shown(stream: Stream, live: str, now: float) -> tuple[str, bool]:
    """What the vendor is to show now, and whether that is the end of the stream."""
    if stream.final is not None and not (stream.ended and not stream.seen):
        return (split_bytes(stream.final, MAX_CONTENT)[0] if rest_of(stream) else fitted(stream.final)), True
    if stream.ended or now >= stream.asked_at + STREAM_SECONDS:
        note = WAITING if stream.response_url else WITHOUT_URL
        return split_bytes(live, MAX_CONTENT - len(note.encode()))[0] + note, True
    return split_bytes(live, MAX_CONTENT)[0], False


def after_end(known: Stream, given: Stream) -> Stream:
    """The answer once the vendor was given the end of its stream, made from `given`.

    A reply that came in between was not in it: that one goes out late.
    """
    return known if known.ended else replace(known, ended=True, seen=given.final is not None)
