"""From one message of an official account to what becomes of it. Standard library only.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html
"""

from __future__ import annotations

from collections.abc import Mapping

from outlive.channels.wechat.decisions import Control, Decision, Drop, Say, Stranger, Turn, command
from outlive.channels.wechat.rules import ACCOUNT, Rules, key_of
from outlive.core.answers import answer_in, answer_text
from outlive.core.messages import FileRef, Inbound, check_inbound
from outlive.errors import Invalid

HELLO = "Hello. Write to me, and I remember it here. /help lists what I understand beside."
MEDIA = {"image": "jpg", "voice": "amr", "video": "mp4", "shortvideo": "mp4"}
"""Message types with a file, and what the file is."""


def parse_account(fields: Mapping[str, str], rules: Rules) -> Decision:
    """What becomes of a message or event, whatever it is."""
    try:
        return _parse(fields, rules)
    except Invalid as error:
        return Drop(f"refused: {error.message}")
    except (LookupError, ValueError) as error:
        return Drop(f"the message cannot be read: {type(error).__name__}: {error}")


def _parse(fields: Mapping[str, str], rules: Rules) -> Decision:
    sender = fields["FromUserName"]
    wants = _wants(fields, rules, sender)
    if isinstance(wants, Drop) or rules.knows(sender):
        return wants
    return Stranger(sender, wants)


def _wants(fields: Mapping[str, str], rules: Rules, sender: str) -> Turn | Control | Say | Drop:
    kind = fields["MsgType"].lower()
    if kind == "event":
        return _event(fields, rules, sender)
    message_id = f"{ACCOUNT}:{fields['ToUserName']}:{int(fields['MsgId'])}"
    text, files = _words(fields, kind), _files(fields, kind)
    if not text and not files:
        return Drop(f"a message of type {kind}")
    return _asked(text, files, message_id, rules, sender, float(int(fields["CreateTime"])))


def _event(fields: Mapping[str, str], rules: Rules, sender: str) -> Turn | Control | Say | Drop:
    """Events carry no MsgId: sender and time stand for it."""
    name, stamp = fields["Event"].lower(), int(fields["CreateTime"])
    message_id = f"{ACCOUNT}:{fields['ToUserName']}:{sender}:{stamp}:{name}"
    if name == "subscribe":
        return Say(HELLO, message_id)
    if name == "click" and fields.get("EventKey", "").strip():
        return _asked(fields["EventKey"], (), message_id, rules, sender, float(stamp))
    return Drop(f"an event of type {name}")


def _asked(
    text: str, files: tuple[FileRef, ...], message_id: str, rules: Rules, sender: str, sent_at: float
) -> Turn | Control:
    key = key_of(rules, ACCOUNT, sender)
    if said := command(text):
        return Control(*said, key, message_id, sender)
    answer = answer_in(text)
    words = answer_text(answer) if answer else text
    lines = [words, *(f"[file: inbox/{file.name}]" for file in files)]
    inbound = Inbound(key, message_id, "\n".join(filter(None, lines)), sent_at, sender, answer, files=files)
    check_inbound(inbound)
    return Turn(inbound)


def _words(fields: Mapping[str, str], kind: str) -> str:
    match kind:
        case "text":
            return fields["Content"].strip()
        case "voice" if fields.get("Recognition", "").strip():
            return f"[as the machine heard it] {fields['Recognition'].strip()}"
        case "location":
            return f"[location: {fields['Location_X']}, {fields['Location_Y']} {fields.get('Label', '')}]"
        case "link":
            told = fields.get("Description", "")
            return f"[link: {fields.get('Title', '')} {fields['Url']}]\n{told}".strip()
        case _:
            return ""


def _files(fields: Mapping[str, str], kind: str) -> tuple[FileRef, ...]:
    if kind not in MEDIA or not fields.get("MediaId"):
        return ()
    name = f"{int(fields['MsgId'])}.{MEDIA[kind]}"
    return (FileRef(name, kind, 0, fields["MediaId"]),)
