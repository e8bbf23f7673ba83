"""Whether a group's message is meant for the bot, and its words without the bot's name; standard library only."""

from __future__ import annotations

from collections.abc import Iterator

from outlive.channels.telegram.commands import COMMANDS, Spoken, spoken
from outlive.channels.telegram.content import Json, is_topic_root
from outlive.channels.telegram.rules import Rules
from outlive.core.answers import answer_in


def is_addressed(rules: Rules, message: Json) -> bool:
    """A mention by entity, a reply to the bot (not to a topic's root), or a command of ours."""
    text = message.get("text") or message.get("caption") or ""
    command = spoken(text)
    if command is not None and is_for_other(rules, command):
        return False
    if command is not None and (command.bot or command.name in COMMANDS or answer_in(text)):
        return True
    return _answers_bot(rules, message) or any(_mentions(rules, kind, said) for kind, said in _entities(message))


def is_for_other(rules: Rules, command: Spoken) -> bool:
    """A command that names another bot."""
    return bool(command.bot) and command.bot.lower() != rules.username.lower()


def without_mention(rules: Rules, text: str) -> str:
    """The text without the bot's name at its beginning."""
    name = f"@{rules.username}"
    if not rules.username or text[: len(name)].lower() != name.lower():
        return text
    rest = text[len(name) :]
    return text if rest[:1].isalnum() or rest[:1] == "_" else rest.lstrip(" ,:\n\t")


def _answers_bot(rules: Rules, message: Json) -> bool:
    replied = message.get("reply_to_message")
    if not replied or is_topic_root(message):
        return False
    return bool((replied.get("from") or {}).get("id") == rules.bot_id)


def _mentions(rules: Rules, entity: Json, said: str) -> bool:
    match entity.get("type"):
        case "mention":
            return bool(rules.username) and said.lower() == f"@{rules.username.lower()}"
        case "text_mention":
            return bool((entity.get("user") or {}).get("id") == rules.bot_id)
        case _:
            return False


def _entities(message: Json) -> Iterator[tuple[Json, str]]:
    """Each entity with its words; offsets count UTF-16 units."""
    for text, entities in (("text", "entities"), ("caption", "caption_entities")):
        units = (message.get(text) or "").encode("utf-16-le", "surrogatepass")
        for entity in message.get(entities) or ():
            start = 2 * entity["offset"]
            yield entity, units[start : start + 2 * entity["length"]].decode("utf-16-le", "replace")
