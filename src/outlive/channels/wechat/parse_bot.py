"""From one callback of a WeCom AI bot to what becomes of it. Standard library only.

https://developer.work.weixin.qq.com/document/path/100719
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from outlive.channels.wechat.decisions import Control, Decision, Drop, Poll, Say, Stranger, Turn, command
from outlive.channels.wechat.parse_account import HELLO
from outlive.channels.wechat.rules import BOT, Rules, key_of
from outlive.core.answers import answer_in, answer_text
from outlive.core.messages import Inbound, check_inbound
from outlive.errors import Invalid

NO_TEXT = "I can read text here, no files."
FILES = frozenset({"image", "file", "video", "mixed"})
QUOTE_LENGTH = 1000
_MENTION = re.compile(r"@\S+\s+")

Json = Mapping[str, Any]


def parse_bot(body: bytes, rules: Rules, now: float) -> Decision:
    """What becomes of a callback, whatever it is."""
    try:
        callback = json.loads(body)
        return _parse(callback, rules, now) if isinstance(callback, Mapping) else Drop("the callback is no object")
    except Invalid as error:
        return Drop(f"refused: {error.message}")
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        return Drop(f"the callback cannot be read: {type(error).__name__}: {error}")


def _parse(callback: Json, rules: Rules, now: float) -> Decision:
    sender = _text(callback["from"], "userid")
    chat = _text(callback, "chatid") if callback.get("chattype") == "group" else sender
    key = key_of(rules, BOT, chat)
    kind = callback["msgtype"]
    if kind == "stream":
        return Poll(key, _text(callback["stream"], "id"))
    message_id = f"{BOT}:{_text(callback, 'aibotid')}:{_text(callback, 'msgid')}"
    wants: Turn | Control | Say
    if kind == "event" and callback["event"]["eventtype"] == "enter_chat":
        wants = Say(HELLO, message_id)
    elif kind not in {"text", "voice", *FILES}:
        return Drop(f"a callback of type {kind}: {callback.get('event')}")
    elif not (words := _words(callback, kind, is_group=chat != sender)):
        wants = Say(NO_TEXT, message_id)
    elif said := command(words):
        wants = Control(*said, key, message_id, sender)
    else:
        answer = answer_in(words)
        text = answer_text(answer) if answer else _told(callback, words, sender, is_group=chat != sender)
        inbound = Inbound(key, message_id, text, now, sender, answer)
        check_inbound(inbound)
        wants = Turn(inbound, str(callback.get("response_url") or ""))
    return wants if rules.knows(sender, chat) else Stranger(sender, wants)


def _words(callback: Json, kind: str, *, is_group: bool) -> str:
    """What was written or said; in a group without the bot's name in front."""
    match kind:
        case "text" | "voice":
            words = _text(callback[kind], "content")
        case "mixed":
            items = callback["mixed"]["msg_item"]
            words = "\n".join(_text(item["text"], "content") for item in items if item["msgtype"] == "text")
        case _:
            return ""
    return (_MENTION.sub("", words.strip(), count=1) if is_group and words.strip().startswith("@") else words).strip()


def _told(callback: Json, words: str, sender: str, *, is_group: bool) -> str:
    quote = callback.get("quote") or {}
    quoted = (quote.get("text") or {}).get("content") if quote.get("msgtype") == "text" else None
    lines = [f"[in answer to: {str(quoted)[:QUOTE_LENGTH]}]"] if quoted else []
    return "\n".join([*lines, f"{sender}: {words}" if is_group else words])


def _text(fields: Json, name: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is no text")
    return value
