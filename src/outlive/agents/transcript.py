"""What the agent's own files say about a turn: where it stands, what it answered, what the session has cost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from outlive.agents.files import read_file
from outlive.agents.tree import TURN_FILE
from outlive.errors import Corrupt, Invalid, NotFound

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNFINISHED = {None, "tool_use", "pause_turn"}
SYNTHETIC = "<synthetic>"
"""The model that the CLI names for messages it makes up itself, such as an error's text."""
_STOPPED = "[Request interrupted by user"


class Position(Enum):
    """How far a turn had come when its worker died."""

    UNHEARD = "the prompt is not in the transcript"
    OPEN = "the CLI can go on by itself: a prompt, a tool call or a tool result comes last"
    CUT = "half of a message, or the CLI's own word to go on, comes last: the CLI would stop there"
    STOPPED = "the user had stopped it"
    ANSWERED = "the answer is there; only the commit is missing"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a turn stands, and its answer if it has one."""

    position: Position
    text: str = ""


def transcript_path(root: Path, agent_session_id: str) -> Path:
    """Where the CLI keeps the session's transcript; `Invalid` for an id that is none of the CLI's."""
    if not _UUID.fullmatch(agent_session_id):
        raise Invalid(f"agent session id {agent_session_id!r} is not a UUID.", fix="Pass the id the agent gave.")
    return root / "config" / "projects" / "session" / f"{agent_session_id}.jsonl"


def read_transcript(root: Path, agent_session_id: str | None) -> bytes:
    """The transcript; empty for a session that is yet to be, `Corrupt` when one that is resumed has none."""
    if agent_session_id is None:
        return b""
    try:
        path = transcript_path(root, agent_session_id).relative_to(root)
        return read_file(root, str(path), 0, None)  # never through a link: it would be read with the worker's rights
    except NotFound as error:
        raise Corrupt(
            f"agent session {agent_session_id} has no transcript in its tree.",
            fix="Rewind the session to an older version.",
        ) from error


# ---------------------------------------------------------------------------------- the turn that is running


@dataclass(frozen=True, slots=True)
class StartedTurn:
    """What is written down before the CLI is started, so that any other machine can finish the turn."""

    prompt: str
    start: int
    """Bytes the transcript had."""


def note_turn(root: Path, turn: StartedTurn) -> None:
    """Write it down."""
    (root / TURN_FILE).write_text(json.dumps({"prompt": turn.prompt, "start": turn.start}))


def noted_turn(root: Path) -> StartedTurn | None:
    """The turn that was running; None when the last one came to its end."""
    try:
        fields = json.loads((root / TURN_FILE).read_text())
        return StartedTurn(prompt=fields["prompt"], start=fields["start"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"{TURN_FILE} cannot be read.", fix="Run the message again from the last commit.") from error


def forget_turn(root: Path) -> None:
    """The turn has come to its end."""
    (root / TURN_FILE).unlink(missing_ok=True)


# ----------------------------------------------------------------------------------------- where it stands


def standing(lines: bytes) -> Standing:
    """Where the turn stands whose transcript lines these are."""
    entries = list(_conversation(lines.splitlines()))
    if not entries:
        return Standing(Position.UNHEARD)
    last = entries[-1]
    blocks = _blocks(last)
    if last["type"] == "user":
        if any(str(block.get("text", "")).startswith(_STOPPED) for block in blocks):
            return Standing(Position.STOPPED)
        return Standing(Position.CUT if last.get("isMeta") else Position.OPEN)
    if any(block.get("type") == "tool_use" for block in blocks):
        return Standing(Position.OPEN)
    if last["message"].get("stop_reason") in _UNFINISHED:
        return Standing(Position.CUT)
    return Standing(Position.ANSWERED, _text_of(entries, last["message"].get("id")))


def _conversation(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The main conversation's messages; a line that was cut off, side chains and the CLI's own fillers are left out."""
    for entry in _entries(lines):
        is_message = entry.get("type") in {"user", "assistant"} and isinstance(entry.get("message"), dict)
        if is_message and not entry.get("isSidechain") and entry["message"].get("model") != SYNTHETIC:
            yield entry


def _entries(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _blocks(entry: dict[str, Any]) -> list[dict[str, Any]]:
    content = entry["message"].get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or [] if isinstance(block, dict)]


def _text_of(entries: Sequence[dict[str, Any]], message_id: object) -> str:
    """The text of one message, whose blocks are entries of their own."""
    same = [entry for entry in entries if entry["type"] == "assistant" and entry["message"].get("id") == message_id]
    blocks = [block for entry in same for block in _blocks(entry)]
    return "\n\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")


# -------------------------------------------------------------------------------------------------- cost


def cost_so_far(transcript: bytes) -> float:
    """US dollars the CLI will start counting from: what it wrote down when it last ended."""
    marker = b'{"type":"cost-state"'
    for line in reversed(transcript.splitlines()):
        if line.startswith(marker):
            try:
                return float(json.loads(line).get("totalCostUSD") or 0.0)
            except ValueError:
                continue
    return 0.0
