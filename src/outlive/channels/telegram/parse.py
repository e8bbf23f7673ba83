"""From one Telegram update to what becomes of it. Standard library only: it runs where a webhook is answered.

Whatever is not understood is a `Drop` with its reason, never an error: Telegram would send it again, and hold back the
chat's later updates until it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outlive.channels.telegram.addressing import is_addressed, is_for_other, without_mention
from outlive.channels.telegram.commands import COMMANDS, spoken
from outlive.channels.telegram.content import Json, files_of, name_of, origin_of, quote_of, words_of
from outlive.channels.telegram.decisions import Control, Decision, Drop, Moved, Stranger, Turn
from outlive.channels.telegram.rules import CHANNEL, Place, Rules, key_of
from outlive.core.answers import answer_in, answer_text
from outlive.core.messages import Inbound, check_inbound
from outlive.errors import Invalid

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "stopped_message_generation")
"""What the bot asks Telegram to send."""
FROM_CHANNELS = frozenset({777000, 1087968824, 136817688})
"""Telegram's own accounts behind channel posts and anonymous administrators: nobody in particular."""


def parse_update(update: object, rules: Rules) -> Decision:
    """What becomes of an update, whatever it is."""
    try:
        return _parse(update, rules) if isinstance(update, Mapping) else Drop("the update is no object")
    except Invalid as error:
        return Drop(f"refused: {error.message}")
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        return Drop(f"the update cannot be read: {type(error).__name__}: {error}")


def _parse(update: Json, rules: Rules) -> Decision:
    message_id = f"{CHANNEL}:{rules.bot_id}:{_number(update, 'update_id')}"
    if message := update.get("message"):
        return _message(message, message_id, rules, prefix="")
    if message := update.get("edited_message"):
        edited = _message(message, message_id, rules, prefix="[edited]")
        return edited if rules.takes_edits and not isinstance(edited, Control) else Drop("an edited message")
    if press := update.get("callback_query"):
        return _button(press, message_id, rules)
    if stopped := update.get("stopped_message_generation"):
        return _stop(stopped, message_id, rules)
    kinds = sorted(update.keys() - {"update_id"})
    return Drop(f"an update of type {', '.join(kinds) or 'nothing'}")


# ---------------------------------------------------------------------------------------------- messages


def _message(message: Json, message_id: str, rules: Rules, *, prefix: str) -> Decision:
    if moved := _moved(message):
        return moved
    place = _place(message)
    sender = message.get("from") or {}
    if sender.get("is_bot") or "id" not in sender or sender["id"] in FROM_CHANNELS:
        return Drop("nobody in particular wrote it")
    if not place.is_private and not rules.lets_in(place.chat_id):
        return Drop(f"group {place.chat_id} is not in the allow-list")
    if not (place.is_private or rules.hears_all or is_addressed(rules, message)):
        return Drop("not said to the bot")
    wants = _command(message, message_id, rules, place) or _turn(message, message_id, rules, place, prefix)
    return wants if isinstance(wants, Drop) else _let_in(rules, sender, place, wants)


def _moved(message: Json) -> Moved | None:
    chat = message["chat"]["id"]
    if new := message.get("migrate_to_chat_id"):
        return Moved(int(chat), int(new))
    if old := message.get("migrate_from_chat_id"):
        return Moved(int(old), int(chat))
    return None


def _place(message: Json) -> Place:
    chat = message["chat"]
    thread = message.get("message_thread_id") if message.get("is_topic_message") else None
    return Place(_number(chat, "id"), int(thread) if thread else None, is_private=chat.get("type") == "private")


def _command(message: Json, message_id: str, rules: Rules, place: Place) -> Control | Drop | None:
    said = spoken(without_mention(rules, words_of(message)))
    if said is None or said.name not in COMMANDS:
        return None
    if is_for_other(rules, said):
        return Drop("a command for another bot")
    return Control(said.name, said.argument, key_of(rules, place), message_id, str(message["from"]["id"]), place)


def _turn(message: Json, message_id: str, rules: Rules, place: Place, prefix: str) -> Turn | Drop:
    files, too_large = files_of(message)
    words = without_mention(rules, words_of(message))
    answer = answer_in(words)
    if not words.strip() and not files and not too_large:
        return Drop("a sticker" if "sticker" in message else "nothing to read in it")
    if not place.is_private and words and answer is None:
        words = f"{name_of(message['from'])}: {words}"
    origin = origin_of(message)
    lines = [prefix, origin, quote_of(message), words, *(f"[file: inbox/{file.name}]" for file in files), *too_large]
    inbound = Inbound(
        key_of(rules, place),
        message_id,
        "\n".join(line for line in lines if line) if answer is None else answer_text(answer),
        float(_number(message, "date")),
        str(message["from"]["id"]),
        answer,
        files=tuple(files),
    )
    check_inbound(inbound)
    return Turn(inbound, place, str(message.get("media_group_id", "")), bool(origin))


# ------------------------------------------------------------------------------- buttons, stops, strangers


def _button(press: Json, message_id: str, rules: Rules) -> Decision:
    message, sender = press.get("message"), press["from"]
    if not message or not isinstance(press.get("data"), str):
        return Drop("a button of a message that is out of reach")
    place = _place(message)
    name, argument = ("stop", "") if press["data"] == "stop" else ("button", press["data"])
    control = Control(name, argument, key_of(rules, place), message_id, str(sender["id"]), place, str(press["id"]))
    return _let_in(rules, sender, place, control)


def _stop(stopped: Json, message_id: str, rules: Rules) -> Decision:
    """Somebody pressed Stop at a draft."""
    chat = stopped["chat"]
    sender = stopped.get("from") or chat
    thread = stopped.get("message_thread_id")
    place = Place(_number(chat, "id"), int(thread) if thread else None, is_private=chat.get("type") == "private")
    return _let_in(
        rules, sender, place, Control("stop", "", key_of(rules, place), message_id, str(sender["id"]), place)
    )


def _let_in(rules: Rules, sender: Json, place: Place, wants: Turn | Control) -> Decision:
    if not place.is_private and not rules.lets_in(place.chat_id):
        return Drop(f"group {place.chat_id} is not in the allow-list")
    if rules.knows(_number(sender, "id")):
        return wants
    return Stranger(str(sender["id"]), name_of(sender), place, wants)


def _number(fields: Json, name: str) -> int:
    value: Any = fields[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is no number")
    return value


# ------------------------------------------------------------------------------------ albums and bursts


def joined(first: Turn, second: Turn) -> Turn:
    """Two parts of one album or burst as one message, with the first one's id."""
    texts = [part.inbound.text for part in (first, second)]
    inbound = replace(first.inbound, text="\n".join(texts), files=first.inbound.files + second.inbound.files)
    check_inbound(inbound)
    return replace(first, inbound=inbound, is_forwarded=second.is_forwarded)
