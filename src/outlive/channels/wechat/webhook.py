"""Requests of both kinds: who sent them, whether they can be read, what becomes of them, how they are answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from outlive.channels.wechat.decisions import Decision, Drop
from outlive.channels.wechat.parse_account import parse_account
from outlive.channels.wechat.parse_bot import parse_bot
from outlive.channels.wechat.plain_xml import read_xml, write_xml
from outlive.channels.wechat.rules import Rules
from outlive.channels.wechat.sealing import Sealer
from outlive.channels.wechat.signing import check_signature, check_time, signature
from outlive.errors import Invalid, Refused, TooLarge

MAX_BODY = 1024 * 1024
"""Bytes of a request; WeChat's own are some kilobytes long."""
TAKEN = b"success"
"""What an official account answers when it has nothing to say now; anything else is shown as a fault."""

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is to be answered with, once there is a text."""

    to: str = ""
    by: str = ""
    """The account's and the sender's name, as the request had them."""
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class AccountDoor:
    """An official account's side of the webhook."""

    token: str
    sealer: Sealer | None
    """None while the account is in plain mode."""

    def verify(self, query: Query, now: float) -> bytes:
        """What the console's check is answered with; `Refused` when it is not WeChat that asks."""
        check_signature(query, "signature", self.token)
        check_time(query, now)
        return query.get("echostr", "").encode()

    def read(self, query: Query, body: bytes, rules: Rules, now: float) -> tuple[Decision, Answer]:
        """`Refused` (403) for a wrong or old signature, `TooLarge` (413); whatever else cannot be read is dropped.

        With a sealer nothing that is not sealed is taken: plain requests sign no body.
        """
        check_size(body)
        if self.sealer is None:
            check_signature(query, "signature", self.token)
            check_time(query, now)
            return self._decide(body, rules, sealed=False)
        sealed = _sealed_xml(body)
        check_signature(query, "msg_signature", self.token, sealed)
        check_time(query, now)
        return self._decide(self.sealer.open(sealed), rules, sealed=True)

    def _decide(self, body: bytes, rules: Rules, *, sealed: bool) -> tuple[Decision, Answer]:
        try:
            fields = read_xml(body)
        except Invalid as error:
            return Drop(error.message), Answer()
        by, to = fields.get("ToUserName", ""), fields.get("FromUserName", "")
        return parse_account(fields, rules), Answer(to, by, sealed)

    def write(self, answer: Answer, text: str, now: float, nonce: str) -> bytes:
        """A passive reply with this text."""
        names = {"ToUserName": answer.to, "FromUserName": answer.by}
        plain = write_xml({**names, "CreateTime": int(now), "MsgType": "text", "Content": text})
        if not answer.sealed or self.sealer is None:
            return plain.encode()
        sealed, stamp = self.sealer.seal(plain.encode()), str(int(now))
        signed = signature(self.token, stamp, nonce, sealed)
        return write_xml({"Encrypt": sealed, "MsgSignature": signed, "TimeStamp": stamp, "Nonce": nonce}).encode()


@dataclass(frozen=True, slots=True)
class BotDoor:
    """A WeCom AI bot's side of the webhook: always sealed."""

    token: str
    sealer: Sealer

    def verify(self, query: Query, now: float) -> bytes:
        """What the console's check is answered with; `Refused` when it is not WeCom that asks."""
        sealed = query.get("echostr", "")
        check_signature(query, "msg_signature", self.token, sealed)
        check_time(query, now)
        return self.sealer.open(sealed)

    def read(self, query: Query, body: bytes, rules: Rules, now: float) -> Decision:
        """As for an account."""
        check_size(body)
        sealed = _sealed_json(body)
        check_signature(query, "msg_signature", self.token, sealed)
        check_time(query, now)
        return parse_bot(self.sealer.open(sealed), rules, now)

    def write(self, content: Mapping[str, object], now: float, nonce: str) -> bytes:
        """An answer, sealed."""
        sealed, stamp = self.sealer.seal(json.dumps(content, ensure_ascii=False).encode(errors="replace")), int(now)
        signed = signature(self.token, str(stamp), nonce, sealed)
        return json.dumps({"encrypt": sealed, "msgsignature": signed, "timestamp": stamp, "nonce": nonce}).encode()


def check_size(body: bytes) -> None:
    """`TooLarge` for what nobody sends."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"the request is longer than {MAX_BODY:,} bytes.", fix=f"Send {MAX_BODY:,} bytes at most.")


def _sealed_xml(body: bytes) -> str:
    """What cannot be read was not signed either."""
    try:
        return read_xml(body)["Encrypt"]
    except (Invalid, KeyError) as error:
        raise Refused("the request is not encrypted.", fix="Choose the safe mode in the console.") from error


def _sealed_json(body: bytes) -> str:
    try:
        sealed = json.loads(body)["encrypt"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Refused("the request is not encrypted.") from error
    if not isinstance(sealed, str):
        raise Refused("the request is not encrypted.")
    return sealed
