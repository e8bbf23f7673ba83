"""Where a cut-off turn stands, read from transcript lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from outlive.agents.transcript import (
    Position,
    StartedTurn,
    cost_so_far,
    forget_turn,
    note_turn,
    noted_turn,
    read_transcript,
    standing,
    transcript_path,
)
from outlive.errors import Corrupt, Invalid

ID = "1111aaaa-2222-4333-8444-555555555555"
PROMPT = {"type": "user", "message": {"role": "user", "content": "do it"}}
RESULT = {"type": "user", "message": {"role": "user", "content": [{"type": "tool_result", "content": "x"}]}}
STOP = {
    "type": "user",
    "message": {"content": [{"type": "text", "text": "[Request interrupted by user for tool use]"}]},
}
QUEUE = {"type": "queue-operation", "operation": "enqueue"}
GO_ON = {"type": "user", "isMeta": True, "message": {"content": [{"type": "text", "text": "Continue."}]}}
FILLER = {"type": "assistant", "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "No."}]}}


def says(text: str, reason: str | None = "end_turn", **more: object) -> dict[str, object]:
    """An assistant entry with one text block."""
    blocks = [{"type": "text", "text": text}]
    return {"type": "assistant", "message": {"id": "msg_1", "stop_reason": reason, "content": blocks}, **more}


CALL = {
    "type": "assistant",
    "message": {"id": "msg_1", "stop_reason": "tool_use", "content": [{"type": "tool_use", "id": "t", "name": "Bash"}]},
}


def lines(*entries: object) -> bytes:
    """The entries as transcript lines."""
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


@pytest.mark.parametrize(
    ("entries", "position"),
    [
        ([], Position.UNHEARD),
        ([QUEUE], Position.UNHEARD),
        ([QUEUE, PROMPT], Position.OPEN),
        ([PROMPT, says("I will", "tool_use"), CALL], Position.OPEN),
        ([PROMPT, CALL, RESULT], Position.OPEN),
        ([PROMPT, says("I will", "tool_use")], Position.CUT),
        ([PROMPT, says("I wi", None)], Position.CUT),
        ([PROMPT, CALL, RESULT, GO_ON], Position.CUT),
        ([PROMPT, CALL, STOP], Position.STOPPED),
        ([PROMPT, says("done")], Position.ANSWERED),
        ([PROMPT, says("done"), {"type": "cost-state"}], Position.ANSWERED),
        ([PROMPT, FILLER], Position.OPEN),
        ([PROMPT, says("side", isSidechain=True)], Position.OPEN),
    ],
)
def test_position(entries: list[object], position: Position) -> None:
    """The last message of the main conversation decides how a turn goes on."""
    assert standing(lines(*entries)).position is position


def test_a_torn_line_does_not_count() -> None:
    """A last line that was cut off is passed over."""
    whole = lines(PROMPT, says("done"))
    assert standing(whole[:-20]).position is Position.OPEN


def test_the_answer_is_all_text_of_the_last_message() -> None:
    """Text blocks of one message are entries of their own, and together the answer."""
    assert standing(lines(PROMPT, says("one"), says("two"))).text == "one\n\ntwo"


def test_cost_is_what_the_cli_wrote_down_last() -> None:
    """The last whole cost entry counts, a torn one behind it does not."""
    costs = [{"type": "cost-state", "totalCostUSD": usd} for usd in (0.1, 0.25)]
    content = b"".join(json.dumps(cost, separators=(",", ":")).encode() + b"\n" for cost in costs)
    assert cost_so_far(content + b'{"type":"cost-state","totalC') == 0.25
    assert cost_so_far(lines(PROMPT)) == 0.0


@pytest.mark.parametrize("name", ["../../etc/passwd", "x", "", ID.upper(), ID + "/.."])
def test_a_session_id_is_never_a_path(name: str) -> None:
    """Only the CLI's own kind of id names a transcript."""
    with pytest.raises(Invalid, match="is not a UUID"):
        transcript_path(Path("/root"), name)


def test_a_missing_transcript_is_damage(tmp_path: Path) -> None:
    """A session that is to be resumed and has no transcript is reported, never begun anew."""
    with pytest.raises(Corrupt, match=ID):
        read_transcript(tmp_path, ID)


def test_the_running_turn_is_written_down_and_forgotten(tmp_path: Path) -> None:
    """What was asked comes back exactly, lone surrogates and NUL too, until the turn has ended."""
    turn = StartedTurn("a\0b\ud800 Ü", 17)
    note_turn(tmp_path, turn)
    assert noted_turn(tmp_path) == turn
    forget_turn(tmp_path)
    assert noted_turn(tmp_path) is None


def test_a_damaged_note_is_reported(tmp_path: Path) -> None:
    """A note that cannot be read is no missing note."""
    (tmp_path / "turn.json").write_text("{")
    with pytest.raises(Corrupt, match=r"turn\.json"):
        noted_turn(tmp_path)
