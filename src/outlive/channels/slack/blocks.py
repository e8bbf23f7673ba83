"""A message as Slack takes it: Markdown in a block with plain text beside it, and buttons below."""

from __future__ import annotations

import re

from outlive.channels.slack.interactive import ANSWER, LABELS, STOP
from outlive.core.approvals import Approval

Message = dict[str, object]
NOTICE_LENGTH = 1000
"""Characters of the plain text beside blocks: notifications and screen readers use it."""

_BROADCAST = re.compile(r"<(?=!(?:channel|here|everyone|subteam))")
_STYLES = {"once": "primary", "deny": "danger"}


def harmless(text: str) -> str:
    """The text without what would call a whole channel; NULs and halves of characters replaced."""
    text = re.sub("[\x00\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    return _BROADCAST.sub("&lt;", text)


def escaped(text: str) -> str:
    """Plain text in Slack's own markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(text: str, *more: Message) -> Message:
    """The parameters of a message of Markdown."""
    return {"blocks": [{"type": "markdown", "text": text}, *more], "text": escaped(text[:NOTICE_LENGTH])}


def plain(text: str, *more: Message) -> Message:
    """The parameters of a message that is shown as it is written."""
    return {"text": escaped(text), "mrkdwn": False, **({"blocks": _plain_blocks(text, more)} if more else {})}


def _plain_blocks(text: str, more: tuple[Message, ...]) -> list[Message]:
    """Sections hold 3,000 characters each."""
    parts = [text[at : at + 3000] for at in range(0, len(text), 3000)]
    sections: list[Message] = [{"type": "section", "text": {"type": "plain_text", "text": part}} for part in parts]
    return [*sections, *more]


def typed(text: str, question: Approval | None) -> str:
    """A question's text with the answers as people can type them here: Slack keeps the slash for itself."""
    if question is not None:
        for choice in LABELS:
            text = text.replace(f"/{choice} {question.id}", f"!{choice} {question.id}")
    return text


def choices(question: Approval) -> Message:
    """The buttons below a question; each carries the answer in words."""
    buttons: list[Message] = []
    for choice, label in LABELS.items():
        words: Message = {"type": "plain_text", "text": label}
        button: Message = {"type": "button", "action_id": f"{ANSWER}{choice}", "text": words}
        styled: Message = {"style": _STYLES[choice]} if choice in _STYLES else {}
        buttons.append({**button, "value": f"/{choice} {question.id}", **styled})
    return {"type": "actions", "elements": buttons}


def stop_button() -> Message:
    """Below the text of a running turn."""
    words: Message = {"type": "plain_text", "text": "Stop"}
    return {"type": "actions", "elements": [{"type": "button", "action_id": STOP, "text": words, "style": "danger"}]}
