"""Buttons and slash commands: what becomes of them. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping

from outlive.channels.slack import commands
from outlive.channels.slack.content import Json
from outlive.channels.slack.decisions import Control, Decision, Drop, Turn
from outlive.channels.slack.parse import UNREADABLE, let_in
from outlive.channels.slack.rules import CHANNEL, Place, Rules, key_of
from outlive.core.answers import CHOICES, answer_in, answer_text
from outlive.core.messages import Inbound, check_inbound
from outlive.errors import Invalid

STOP = "outlive_stop"
ANSWER = "outlive_answer_"
LABELS = dict(zip(CHOICES, ("Allow once", "Always", "Deny"), strict=True))


def parse_interaction(body: object, rules: Rules) -> Decision:
    """What becomes of a pressed button, whatever it is."""
    try:
        return _button(body, rules) if isinstance(body, Mapping) else Drop("the interaction is no object")
    except Invalid as error:
        return Drop(f"refused: {error.message}")
    except UNREADABLE as error:
        return Drop(f"the interaction cannot be read: {type(error).__name__}: {error}")


def parse_slash(fields: object, rules: Rules) -> Decision:
    """What becomes of a slash command, whatever it is."""
    try:
        return _slash(fields, rules) if isinstance(fields, Mapping) else Drop("the command is no object")
    except Invalid as error:
        return Drop(f"refused: {error.message}")
    except UNREADABLE as error:
        return Drop(f"the command cannot be read: {type(error).__name__}: {error}")


def _button(body: Json, rules: Rules) -> Decision:
    if body.get("type") != "block_actions":
        return Drop(f"an interaction of type {body.get('type')}")
    action, message = body["actions"][0], body["message"]
    place = Place(str(body["channel"]["id"]), str(message.get("thread_ts") or ""))
    team, user = str((body.get("team") or {}).get("id") or rules.team_id), body["user"]
    if not place.is_private and not rules.admits(place.channel, team):
        return Drop(f"channel {place.channel} is not in the allow-list")
    key, sender = key_of(rules, place, team), str(user["id"])
    message_id = f"{CHANNEL}:{team}:{place.channel}:{message['ts']}:{action['action_ts']}"
    home = str(user.get("team_id") or team)
    if action["action_id"] == STOP:
        return let_in(rules, sender, home, place, Control("stop", "", key, message_id, sender, place))
    answer = answer_in(str(action.get("value") or ""))
    if not str(action["action_id"]).startswith(ANSWER) or answer is None:
        return Drop(f"button {action['action_id']} is none of ours")
    inbound = Inbound(key, message_id, answer_text(answer), float(action["action_ts"]), sender, answer)
    check_inbound(inbound)
    return let_in(rules, sender, home, place, Turn(inbound, place))


def _slash(fields: Json, rules: Rules) -> Decision:
    place, team, sender = Place(str(fields["channel_id"])), str(fields["team_id"]), str(fields["user_id"])
    if rules.team_id and team != rules.team_id:
        return Drop(f"workspace {team} is not the app's")
    if not place.is_private and not rules.admits(place.channel, team):
        return Drop(f"channel {place.channel} is not in the allow-list")
    said = commands.typed(str(fields.get("text") or ""))
    message_id = f"{CHANNEL}:{team}:{place.channel}:{fields['trigger_id']}"
    key, url = key_of(rules, place, team), str(fields["response_url"])
    return let_in(rules, sender, team, place, Control(said.name, said.argument, key, message_id, sender, place, url))
