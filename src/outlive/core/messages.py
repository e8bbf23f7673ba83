"""An inbound message as every channel hands it over, checked, and its queue form."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace

from outlive.core.answers import Answer, check_answer
from outlive.core.keys import MAX_MESSAGE_ID_BYTES, SessionKey, check_part, parse_session_key
from outlive.errors import Corrupt, Invalid, SchemaTooNew, TooLarge

SCHEMA = 1
EXTRAS = {"answer", "task_id", "joined", "files", "traceparent"}
"""Fields that few messages have: by name behind the others, and only where they are set."""
MAX_JOINED = 16
"""Messages answered by one turn: a few of the head's window of 64."""
MAX_TEXT_BYTES = 192 * 1024
"""Of the text in its JSON form: a message has to fit into one queue entry of 256 KB (SQS) with its envelope."""
MAX_REF_BYTES = 2048
"""Of one file; some are addresses with a signature."""
MAX_REFS_BYTES = 10 * 1024
"""Of all files of one message."""
MAX_FILES = 20
"""Of one message; an album of Telegram has 10 at most."""


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that came with a message, still with the channel: `Channel.fetch` gets its bytes."""

    name: str
    """What it is called below `work/inbox/`: one path segment, safe on every machine."""
    mime: str
    """As the sender's side declares it; nothing depends on its truth."""
    size: int
    """In bytes, as the channel declares it; 0 when it does not."""
    ref: str
    """The channel's own name for it."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A message that came while the session was busy, and is answered together with the one before it."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message for one session."""

    key: SessionKey
    message_id: str
    """The channel's own id for it: repeats of one message carry the same id."""
    text: str
    sent_at: float
    sender: str = ""
    answer: Answer | None = None
    """To a question of the agent; `text` says the same in words."""
    task_id: str = ""
    """The caller's own id for the work this message is part of; empty for none."""
    joined: tuple[Joined, ...] = ()
    """Further messages that the same turn answers, in their order."""
    files: tuple[FileRef, ...] = ()
    traceparent: str = ""
    """Of the span that took the message in, in W3C form; empty without tracing."""


def check_inbound(inbound: Inbound) -> None:
    """`Invalid` or `TooLarge`, naming the field, unless the message can be accepted."""
    check_part("message_id", inbound.message_id, MAX_MESSAGE_ID_BYTES)
    if inbound.sender:
        check_part("sender", inbound.sender, MAX_MESSAGE_ID_BYTES)
    if inbound.task_id:
        check_part("task_id", inbound.task_id, MAX_MESSAGE_ID_BYTES)
    if not inbound.text.strip():
        raise Invalid("text is empty.", fix="Send at least one visible character.")
    if inbound.answer is not None:
        check_answer(inbound.answer)
    _check_files(inbound.files)
    size = len(json.dumps(whole_text(inbound))) - 2
    if size > MAX_TEXT_BYTES:
        fix = f"Send {MAX_TEXT_BYTES:,} bytes at most, or a file."
        raise TooLarge(f"text is {size:,} bytes long in JSON.", fix=fix)


def whole_text(inbound: Inbound) -> str:
    """What the agent is asked: the message, and what was joined to it, a paragraph each."""
    return "\n\n".join([inbound.text, *(each.text for each in inbound.joined)])


def join(first: Inbound, others: Iterable[Inbound]) -> Inbound:
    """The first message with as many of the next ones as belong into one turn with it.

    They end before one of another sender, one that carries more than text (an answer, a file), and one that would make
    the whole too large.
    """
    if not _is_plain(first):
        return first
    for other in others:
        longer = replace(first, joined=(*first.joined, Joined(other.message_id, other.text)))
        same = (other.key, other.sender) == (first.key, first.sender)
        if not (same and _is_plain(other) and _is_acceptable(longer)):
            break
        first = longer
    return first


def _is_plain(inbound: Inbound) -> bool:
    bare = Inbound(inbound.key, inbound.message_id, inbound.text, inbound.sent_at, inbound.sender)
    return replace(inbound, joined=(), traceparent="") == bare


def _is_acceptable(inbound: Inbound) -> bool:
    try:
        check_inbound(inbound)
    except Invalid:
        return False
    return len(inbound.joined) < MAX_JOINED


def _check_files(files: tuple[FileRef, ...]) -> None:
    if len(files) > MAX_FILES:
        raise TooLarge(f"files: {len(files)} come with one message.", fix=f"Send {MAX_FILES} at most.")
    for file in files:
        check_part("files.name", file.name)
        check_part("files.ref", file.ref, MAX_REF_BYTES)
        if "/" in file.name or file.name.startswith("."):
            raise Invalid(
                f"files.name {file.name!r} is not a plain file name.", fix="Use one without '/' and first dot."
            )
    if (size := sum(len(file.ref.encode()) for file in files)) > MAX_REFS_BYTES:
        fix = f"Send fewer files: {MAX_REFS_BYTES:,} bytes of references at most."
        raise TooLarge(f"files.ref: {size:,} bytes in all.", fix=fix)
    if len({file.name for file in files}) < len(files):
        raise Invalid("files.name: two files have one name.", fix="Number them.")


def encode_inbound(inbound: Inbound) -> bytes:
    """The message as it travels in a queue or lies in a flush."""
    fields: list[object] = [SCHEMA, str(inbound.key), inbound.message_id, inbound.text, inbound.sent_at, inbound.sender]
    extras = _extras(inbound)
    fields += [extras] if extras else []
    return json.dumps(fields, separators=(",", ":")).encode()


def _extras(inbound: Inbound) -> dict[str, object]:
    """Fields that few messages have: by name behind the others, and only where they are set."""
    extras: dict[str, object] = {}
    if inbound.answer is not None:
        extras["answer"] = astuple(inbound.answer)
    if inbound.task_id:
        extras["task_id"] = inbound.task_id
    if inbound.joined:
        extras["joined"] = [astuple(each) for each in inbound.joined]
    if inbound.files:
        extras["files"] = [astuple(file) for file in inbound.files]
    if inbound.traceparent:
        extras["traceparent"] = inbound.traceparent
    return extras


def decode_inbound(body: bytes) -> Inbound:
    """The message back; `SchemaTooNew` when a newer outlive wrote it, `Corrupt` when it is none."""
    try:
        schema, *fields = json.loads(body)
        if schema > SCHEMA:
            raise SchemaTooNew(f"the queued message has schema {schema}.", fix="Upgrade outlive on this worker.")
        key, message_id, text, sent_at, sender, *more = fields
        (extras,) = more or [{}]
        if unknown := extras.keys() - EXTRAS:
            raise SchemaTooNew(f"the queued message has {sorted(unknown)}.", fix="Upgrade outlive on this worker.")
        answer = Answer(*extras["answer"]) if "answer" in extras else None
        task_id = extras.get("task_id", "")
        files = tuple(FileRef(*file) for file in extras.get("files", ()))
        joined = tuple(Joined(*each) for each in extras.get("joined", ()))
        return Inbound(
            parse_session_key(key), message_id, text, sent_at, sender, answer, task_id, joined, files,
            str(extras.get("traceparent", "")),
        )  # fmt: skip
    except (ValueError, TypeError, AttributeError, Invalid, RecursionError) as error:
        fix = "See the dead letter for its bytes, and send the message anew."
        raise Corrupt("the queued message cannot be read.", fix=fix) from error
