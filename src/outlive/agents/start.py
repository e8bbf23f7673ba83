"""How a turn begins: the tree made ready, and what is to be asked of the CLI, or of nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from outlive.agents.equipment import Equipment, lay_out
from outlive.agents.files import empty_folder, remove_files
from outlive.agents.profiles import Profile
from outlive.agents.transcript import (
    Position,
    StartedTurn,
    cost_so_far,
    note_turn,
    noted_turn,
    read_transcript,
    standing,
    transcript_path,
)
from outlive.agents.users import hand_over
from outlive.agents.workspace import make_folders
from outlive.errors import Invalid, NotFound
from outlive.protocols import AgentTurn, TurnDone

CONTINUE = "Continue from where you left off."
"""What the CLI itself adds when it goes on with a turn."""
RESUME = {"CLAUDE_CODE_RESUME_INTERRUPTED_TURN": "1"}


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with."""

    turn: AgentTurn
    equipment: Equipment
    """The profile, laid out in the tree."""
    prompt: str | None = None
    """The message to send; None when the CLI goes on by itself."""
    variables: Mapping[str, str] = field(default_factory=dict)
    done: TurnDone | None = None
    """The end, when nothing is left to do."""
    usd_before: float = 0.0


def prepare(turn: AgentTurn, profile: Profile) -> Start:
    """Make the tree ready and find out what is to be asked; `Invalid`, `NotFound` or `Corrupt` when it cannot be.

    Written down before the CLI starts: what was asked. So a turn can be finished anywhere, from wherever it broke off.
    """
    make_folders(turn.root)
    tidy(turn.root)
    try:
        equipment = lay_out(profile, turn.root)
        hand_over(equipment.folder, (turn.root / "work").lstat().st_uid)
        return _begin(equipment.turn(turn), equipment)
    except BaseException:
        tidy(turn.root)  # nobody is started who would need the servers' secrets
        raise


def _begin(turn: AgentTurn, equipment: Equipment) -> Start:
    if turn.prompt is None:
        return _go_on(turn, equipment)
    if not turn.prompt.strip():
        raise Invalid("the message is empty.", fix="Send some text.")
    transcript = read_transcript(turn.root, turn.agent_session_id)
    note_turn(turn.root, StartedTurn(turn.prompt, len(transcript)))
    return Start(turn, equipment, turn.prompt, usd_before=cost_so_far(transcript))


def tidy(root: Path) -> None:
    """Empty what no turn keeps."""
    empty_folder(root / "tmp")
    empty_folder(root / "home")


def _go_on(turn: AgentTurn, equipment: Equipment) -> Start:
    """Where the turn that was running stands, and how to finish it."""
    if turn.agent_session_id is None:
        raise Invalid("a turn cannot be continued without the agent's session id.", fix="Run the message again.")
    noted = noted_turn(turn.root)
    begun = noted.start if noted else 0
    if noted and begun == 0 and not transcript_path(turn.root, turn.agent_session_id).exists():
        return Start(replace(turn, agent_session_id=None), equipment, noted.prompt)
    transcript = read_transcript(turn.root, turn.agent_session_id)
    found = standing(transcript[begun:])
    start = Start(turn, equipment, usd_before=cost_so_far(transcript))
    match found.position:
        case Position.UNHEARD:
            return _ask_again(start, noted)
        case Position.OPEN:
            return replace(start, variables=RESUME)
        case Position.CUT:
            return replace(start, prompt=CONTINUE)
        case Position.STOPPED:
            return replace(start, done=TurnDone("", turn.agent_session_id, stop_reason="interrupted"))
        case Position.ANSWERED:
            return replace(start, done=TurnDone(found.text, turn.agent_session_id))
        case _:
            assert_never(found.position)


def _ask_again(start: Start, noted: StartedTurn | None) -> Start:
    """The prompt never reached the transcript: it is sent as if for the first time."""
    turn = start.turn
    if noted is None or turn.agent_session_id is None:
        raise NotFound("there is no interrupted turn to continue.", fix="Run the message again from the last commit.")
    if noted.start == 0:  # lines without a conversation cannot be resumed
        path = transcript_path(turn.root, turn.agent_session_id)
        remove_files(turn.root, [str(path.relative_to(turn.root))])
        turn = replace(turn, agent_session_id=None)
    return replace(start, turn=turn, prompt=noted.prompt)
