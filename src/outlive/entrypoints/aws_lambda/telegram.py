"""The producer's part for Telegram: an update is verified, decided on and handed over. Standard library only.

A message goes into its session's group of the queue. What goes round the queue (commands, buttons, strangers, moved
groups) is handed to the control function, which can answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, assert_never

from outlive.channels.telegram.decisions import Control, Decision, Drop, Moved, Stranger, Turn
from outlive.channels.telegram.rules import CHANNEL, Rules, numbers
from outlive.channels.telegram.webhook import check_secret, read_webhook
from outlive.core.messages import encode_inbound
from outlive.core.queued import Message
from outlive.core.senders import moved_key, pairing_key
from outlive.entrypoints.aws_lambda.calling import Caller, needed
from outlive.entrypoints.aws_lambda.invoking import start
from outlive.entrypoints.aws_lambda.records import Records
from outlive.entrypoints.aws_lambda.sending import Sender
from outlive.errors import Invalid


def check_bot(env: Mapping[str, str]) -> None:
    """`Invalid` names what is missing before anything is answered."""
    check_secret(env.get("TELEGRAM_WEBHOOK_SECRET", ""))
    rules_of(env)


def take_update(sender: Sender, headers: Mapping[str, str], body: bytes, *, tenant: str) -> Mapping[str, str]:
    """Hand an update over; what becomes of it. `Refused` without the secret, `Unavailable` when nobody took it."""
    secret = os.environ["TELEGRAM_WEBHOOK_SECRET"]
    rules = rules_of(os.environ)
    decision = read_webhook(headers, body, secret=secret, rules=rules)
    if isinstance(decision, Drop):
        return {"dropped": decision.reason}
    update = json.loads(body)
    chat = _group_of(update)
    if chat is not None and (first := _records().read(tenant, moved_key(CHANNEL, chat))):
        rules = replace(rules, first_chats={chat: int(first["first"])})
        decision = read_webhook(headers, body, secret=secret, rules=rules)
    return _hand_over(sender, _known(decision, tenant), update)


def rules_of(env: Mapping[str, str]) -> Rules:
    """What the bot listens to; `Invalid` names what is missing. The bot's id begins its token."""
    bot = env.get("TELEGRAM_BOT_ID") or needed(env, "TELEGRAM_BOT_TOKEN").partition(":")[0]
    if not bot.isdigit():
        raise Invalid("TELEGRAM_BOT_ID is no number.", fix="Set it to the number before the colon of the bot's token.")
    return Rules(
        bot_id=int(bot),
        username=env.get("TELEGRAM_BOT_NAME", ""),
        allowed=numbers(env.get("OUTLIVE_TELEGRAM_ALLOW", "")),
        owners=numbers(env.get("OUTLIVE_TELEGRAM_OWNERS", "")),
        tenant=env.get("OUTLIVE_TENANT", "local") if env.get("OUTLIVE_TELEGRAM_TENANT") == "shared" else "",
        takes_edits=env.get("OUTLIVE_TELEGRAM_EDITS") == "ask",
        hears_all=env.get("OUTLIVE_TELEGRAM_GROUPS") == "all",
    )


def _group_of(update: Mapping[str, Any]) -> int | None:
    """The group's id, where the update comes from one: its sessions may have begun under another."""
    for kind in ("message", "edited_message"):
        if kind in update:
            chat = int(update[kind]["chat"]["id"])
            return chat if chat < 0 else None
    return None


def _known(decision: Decision, tenant: str) -> Decision:
    """A stranger who was let in by a code is none."""
    if not isinstance(decision, Stranger):
        return decision
    found = _records().read(tenant, pairing_key(CHANNEL, decision.sender))
    return decision.wants if found and found.get("paired_at") is not None else decision


def _hand_over(sender: Sender, decision: Decision, update: Mapping[str, Any]) -> Mapping[str, str]:
    match decision:
        case Turn(inbound=inbound):
            sender.send(Message(str(inbound.key), inbound.message_id, encode_inbound(inbound)))
            return {"queued": inbound.message_id}
        case Control() | Stranger() | Moved():
            start(_functions(), needed(os.environ, "CONTROL_FUNCTION"), {"update": update})
            return {"control": str(update.get("update_id"))}
        case Drop(reason):
            return {"dropped": reason}
        case _:
            assert_never(decision)


@cache
def _records() -> Records:
    return Records(os.environ)


@cache
def _functions() -> Caller:
    return Caller(os.environ, "lambda")
