"""From one callback of a WeCom AI bot to what becomes of it. Standard library only.

https://developer.work.weixin.qq.com/document/path/100719
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outlive.channels.wechat.decisions import Control, Decision, Drop, Poll, Say, Stranger, Turn, command
from outlive.channels.wechat.parse_account import HELLO
from outlive.channels.wechat.rules import BOT, Rules, key_of
from outlive.core.answers import answer_in, answer_text
from outlive.core.keys import message_digest
from outlive.core.messages import FileRef, Inbound, check_inbound
from outlive.errors import Invalid

EMPTY = "There is nothing in it that I can read."
MEDIA = {"image": ".jpg", "file": "", "video": ".mp4"}
"""Message types that are one file, and how its name ends: WeCom does not say what it is called."""
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
    elif kind not in {"text", "voice", "mixed", *MEDIA}:
        return Drop(f"a callback of type {kind}: {callback.get('event')}")
    else:
        wants = _said(callback, Inbound(key, message_id, "", now, sender), kind, is_group=chat != sender)
    return wants if rules.knows(sender, chat) else Stranger(sender, wants)


def _said(callback: Json, empty: Inbound, kind: str, *, is_group: bool) -> Turn | Control | Say:
    words, files = _words(callback, kind, is_group=is_group), _files(callback, kind, empty.message_id)
    if not words and not files:
        return Say(EMPTY, empty.message_id)
    if said := command(words):
        return Control(*said, empty.key, empty.message_id, empty.sender)
    answer = answer_in(words)
    told = answer_text(answer) if answer else _told(callback, words, empty.sender, is_group=is_group)
    lines = [told, *(f"[file: inbox/{file.name}]" for file in files)]
    inbound = replace(empty, text="\n".join(filter(None, lines)), answer=answer, files=files)
    check_inbound(inbound)
    return Turn(inbound, str(callback.get("response_url") or ""))


def _files(callback: Json, kind: str, message_id: str) -> tuple[FileRef, ...]:
    """The files of a message, each behind an address of its own."""
    items = callback["mixed"]["msg_item"] if kind == "mixed" else [callback]
    found = [(item["msgtype"], _text(item[item["msgtype"]], "url")) for item in items if item["msgtype"] in MEDIA]
    name = message_digest(message_id)
    return tuple(FileRef(f"{name}-{n}{MEDIA[kind]}", kind, 0, url) for n, (kind, url) in enumerate(found, start=1))


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
    return "\n".join([*lines, f"{sender}: {words}".strip() if is_group else words])


def _text(fields: Json, name: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is no text")
    return value
