"""From one event of Slack to what becomes of it. Standard library only: it runs where a webhook is answered.

Whatever is not understood is a `Drop` with its reason, never an error: Slack would send it again. A message's id is its
channel and its `ts`, not the `event_id`: it is the same for every retry, and also for the two events, `message` and
`app_mention`, that one mention in a channel makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outlive.channels.slack import commands
from outlive.channels.slack.content import Json, files_of, mentions, words_of
from outlive.channels.slack.decisions import Challenge, Control, Decision, Drop, Overheard, Stranger, Turn
from outlive.channels.slack.rules import CHANNEL, Place, Rules, key_of
from outlive.core.answers import answer_text
from outlive.core.messages import Inbound, check_inbound
from outlive.errors import Invalid

UNREADABLE = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError)
PLAIN_SUBTYPES = frozenset({"", "file_share", "thread_broadcast", "me_message"})


def parse_callback(body: object, rules: Rules) -> Decision:
    """What becomes of an Events API body, whatever it is."""
    try:
        return _parse(body, rules) if isinstance(body, Mapping) else Drop("the body is no object")
    except Invalid as error:
        return Drop(f"refused: {error.message}")
    except UNREADABLE as error:
        return Drop(f"the event cannot be read: {type(error).__name__}: {error}")


def _parse(body: Json, rules: Rules) -> Decision:
    match body.get("type"):
        case "url_verification":
            return Challenge(_text(body, "challenge"))
        case "event_callback":
            return _event(body, body["event"], rules)
        case other:
            return Drop(f"a request of type {other}")


def _event(body: Json, event: Json, rules: Rules) -> Decision:
    if event.get("type") not in {"message", "app_mention"}:
        return Drop(f"an event of type {event.get('type')}")
    subtype = event.get("subtype") or ""
    if subtype not in PLAIN_SUBTYPES:
        return Drop(f"a message of subtype {subtype}")
    bot = bot_of(body, rules)
    if event.get("bot_id") or event.get("bot_profile") or "user" not in event or event["user"] in {bot, "USLACKBOT"}:
        return Drop("no person wrote it")
    team = team_of(body, rules)
    if rules.team_id and team != rules.team_id:
        return Drop(f"workspace {team} is not the app's")
    return _message(event, rules, bot, team)


def _message(event: Json, rules: Rules, bot: str, team: str) -> Decision:
    channel = _text(event, "channel")
    is_private = event.get("channel_type") == "im" or channel.startswith("D")
    thread = event.get("thread_ts") or ("" if is_private else event["ts"])
    place, home = Place(channel, str(thread)), sender_team(event, team)
    if not is_private and not rules.admits(channel, team):
        return Drop(f"channel {channel} is not in the allow-list")
    wants = _wanted(event, rules, place, bot, team)
    if isinstance(wants, Drop):
        return wants
    if is_private or _is_addressed(event, rules, bot) or (event.get("thread_ts") and _is_command(wants)):
        return let_in(rules, str(event["user"]), home, place, wants)
    if rules.hears == "thread" and event.get("thread_ts") and isinstance(wants, Turn):
        return let_in(rules, str(event["user"]), home, place, Overheard(wants))
    return Drop("not said to the app")


def _is_addressed(event: Json, rules: Rules, bot: str) -> bool:
    return event["type"] == "app_mention" or rules.hears == "all" or mentions(event, bot)


def _is_command(wants: Turn | Control) -> bool:
    """In a thread it needs no mention."""
    return isinstance(wants, Control) or wants.inbound.answer is not None


def _wanted(event: Json, rules: Rules, place: Place, bot: str, team: str) -> Turn | Control | Drop:
    key, sender = key_of(rules, place, team), _text(event, "user")
    message_id = f"{CHANNEL}:{team}:{place.channel}:{_text(event, 'ts')}"
    words = words_of(event, bot)
    answer = commands.answer(words)
    if answer is None and (said := commands.spoken(words)):
        return Control(said.name, said.argument, key, message_id, sender, place)
    files, left = files_of(event)
    if not words and not files and not left:
        return Drop("nothing to read in it")
    if words and answer is None and not place.is_private:
        words = f"<@{sender}>: {words}"
    text = "\n".join([*([words] if words else []), *(f"[file: inbox/{file.name}]" for file in files), *left])
    if answer is not None:
        text = answer_text(answer)
    inbound = Inbound(key, message_id, text, float(event["ts"]), sender, answer, files=tuple(files))
    check_inbound(inbound)
    return Turn(inbound, place)


def let_in(rules: Rules, sender: str, home: str, place: Place, wants: Turn | Overheard | Control) -> Decision:
    """What somebody wants, if the settings know them."""
    return wants if rules.knows(sender, home) else Stranger(sender, place, wants)


def bot_of(body: Json, rules: Rules) -> str:
    """The app's own user id."""
    return rules.bot_user or next((str(each["user_id"]) for each in _authorized(body)), "")


def team_of(body: Json, rules: Rules) -> str:
    """The workspace in which the app was told of it; in a shared channel, the author may be of another."""
    named = next((str(each["team_id"]) for each in _authorized(body) if each.get("team_id")), None)
    return named or str(body.get("team_id") or rules.team_id)


def sender_team(event: Json, team: str) -> str:
    """The author's own workspace."""
    return str(event.get("user_team") or event.get("source_team") or event.get("team") or team)


def _authorized(body: Json) -> list[Json]:
    return [each for each in body.get("authorizations") or () if each.get("is_bot", True)]


def _text(fields: Json, name: str) -> str:
    value: Any = fields[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is no text")
    return value
