"""How a turn begins: the tree made ready, and what is to be asked of the CLI, or of nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from outlive.agents.approval_rules import Rule, parse_rules
from outlive.agents.deferred_calls import WaitingCall, question_about, refusals, waiting_calls
from outlive.agents.equipment import Equipment, lay_out
from outlive.agents.files import empty_folder, remove_files, write_files
from outlive.agents.profiles import Profile
from outlive.agents.transcript import (
    Position,
    Standing,
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
from outlive.core.approvals import TOOL_DEFERRED
from outlive.errors import Invalid, NotFound
from outlive.protocols import AgentTurn, FileContent, TurnDone

CONTINUE = "Continue from where you left off."
"""What the CLI itself adds when it goes on with a turn."""
NOT_ASKED_FOR = "The user did not allow this call, and it was not made: they wrote the message that follows instead."
AMBIGUOUS = "This call could not be shown to the user as it stands. It was not made."
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
    rules: tuple[Rule, ...] = ()
    """The calls that a person has to allow."""
    allowed: WaitingCall | None = None
    """The waiting call that a person has allowed: the CLI makes it and goes on."""


def prepare(turn: AgentTurn, profile: Profile, ask: Sequence[str] = ()) -> Start:
    """Make the tree ready and find out what is to be asked; `Invalid`, `NotFound` or `Corrupt` when it cannot be.

    Written down before the CLI starts: what was asked. So a turn can be finished anywhere, from wherever it broke off.
    """
    with _equipped(turn, profile) as equipment:
        start = _begin(equipment.turn(turn), equipment, parse_rules((*ask, *profile.ask)))
        traced = {"TRACEPARENT": turn.traceparent} if turn.traceparent else {}
        return replace(start, variables={**start.variables, **traced})


def prepare_ahead(turn: AgentTurn, profile: Profile, ask: Sequence[str] = ()) -> Start:
    """The same for a process that no turn has come to yet: nothing is asked, and nothing written down."""
    with _equipped(turn, profile) as equipment:
        return Start(equipment.turn(turn), equipment, rules=parse_rules((*ask, *profile.ask)))


@contextmanager
def _equipped(turn: AgentTurn, profile: Profile) -> Iterator[Equipment]:
    """The profile in the turn's tree, as its user may read it."""
    make_folders(turn.root)
    tidy(turn.root)
    try:
        equipment = lay_out(profile, turn.root)
        hand_over(equipment.folder, (turn.root / "work").lstat().st_uid)
        yield equipment
    except BaseException:
        tidy(turn.root)  # nobody is started who would need the servers' secrets
        raise


def _begin(turn: AgentTurn, equipment: Equipment, rules: tuple[Rule, ...]) -> Start:
    if turn.decision is not None:
        return _decided(turn, equipment, rules)
    if turn.prompt is None:
        return _go_on(turn, equipment, rules)
    if not turn.prompt.strip():
        raise Invalid("the message is empty.", fix="Send some text.")
    transcript = read_transcript(turn.root, turn.agent_session_id)
    refused = refusals(transcript, waiting_calls(transcript), NOT_ASKED_FOR)
    note_turn(turn.root, StartedTurn(turn.prompt, len(transcript) + len(refused)))
    _add(turn, refused)
    return Start(turn, equipment, turn.prompt, usd_before=cost_so_far(transcript), rules=rules)


def prepare_again(before: Start, turn: AgentTurn, usd_before: float) -> Start:
    """The same for the process that `before` began with: it holds the conversation, and its places are not touched."""
    if turn.prompt is None:
        raise Invalid("a turn without a prompt cannot go to a process at rest.")
    size = transcript_path(turn.root, turn.agent_session_id).stat().st_size if turn.agent_session_id else 0
    note_turn(turn.root, StartedTurn(turn.prompt, size))
    return replace(before, turn=before.equipment.turn(turn), prompt=turn.prompt, variables={}, usd_before=usd_before)


def tidy(root: Path) -> None:
    """Empty what no turn keeps."""
    empty_folder(root / "tmp")
    empty_folder(root / "home")


def _add(turn: AgentTurn, lines: bytes) -> None:
    """Behind what the transcript has; never through a link, for the folder is the agent's."""
    if lines and turn.agent_session_id is not None:
        path = transcript_path(turn.root, turn.agent_session_id).relative_to(turn.root)
        added = FileContent(str(path), "append", 0o600, [lines], append=True)
        write_files(turn.root, [added], (turn.root / "work").lstat().st_uid)


def _decided(turn: AgentTurn, equipment: Equipment, rules: tuple[Rule, ...]) -> Start:
    """A person has answered: the call that was meant is made or refused; the same when the turn is gone on with.

    A call that is not the very one that was asked about is a question of its own.
    """
    decision = turn.decision
    assert decision is not None  # noqa: S101 - why this was called
    transcript = read_transcript(turn.root, turn.agent_session_id)
    meant = [call for call in waiting_calls(transcript) if call.digest == decision.digest]
    if meant and decision.allowed:
        return Start(turn, equipment, usd_before=cost_so_far(transcript), rules=rules, allowed=meant[-1])
    _add(turn, refusals(transcript, meant, decision.reason))
    return _go_on(turn, equipment, rules)


def _go_on(turn: AgentTurn, equipment: Equipment, rules: tuple[Rule, ...]) -> Start:
    """Where the turn that was running stands, and how to finish it."""
    if turn.agent_session_id is None:
        raise Invalid("a turn cannot be continued without the agent's session id.", fix="Run the message again.")
    noted = noted_turn(turn.root)
    begun = noted.start if noted else 0
    if noted and begun == 0 and not transcript_path(turn.root, turn.agent_session_id).exists():
        return Start(replace(turn, agent_session_id=None), equipment, noted.prompt, rules=rules)
    transcript = read_transcript(turn.root, turn.agent_session_id)
    start = Start(turn, equipment, usd_before=cost_so_far(transcript), rules=rules)
    if waiting_calls(transcript):
        return _ask_people(start, noted, transcript)
    return _from_position(start, noted, standing(transcript[begun:]))


def _from_position(start: Start, noted: StartedTurn | None, found: Standing) -> Start:
    """Finish the turn from where it stands."""
    agent_session_id = start.turn.agent_session_id or ""
    match found.position:
        case Position.UNHEARD:
            return _ask_again(start, noted)
        case Position.OPEN:
            # by itself the CLI would go on before the gate stands
            return replace(start, prompt=CONTINUE) if start.rules else replace(start, variables=RESUME)
        case Position.CUT:
            return replace(start, prompt=CONTINUE)
        case Position.STOPPED:
            return replace(start, done=TurnDone("", agent_session_id, stop_reason="interrupted"))
        case Position.ANSWERED:
            return replace(start, done=TurnDone(found.text, agent_session_id))
        case _:
            assert_never(found.position)


def _ask_people(start: Start, noted: StartedTurn | None, transcript: bytes) -> Start:
    """The turn had come to a call that a person has to allow, or to the refusal of one that waited before it."""
    turn = start.turn
    if noted is not None and len(transcript) <= noted.start:
        _add(turn, refusals(transcript, waiting_calls(transcript), NOT_ASKED_FOR))
        return _ask_again(start, noted)
    return replace(start, done=with_question(TurnDone("", turn.agent_session_id or ""), start))


def with_question(done: TurnDone, start: Start) -> TurnDone:
    """The end of a run that was deferred, with the call it is about; a call that cannot be shown is refused."""
    turn = replace(start.turn, agent_session_id=done.agent_session_id)
    transcript = read_transcript(turn.root, turn.agent_session_id)
    waiting = waiting_calls(transcript)
    asked = next((call for call in reversed(waiting) if call.digest), None)
    _add(turn, refusals(transcript, [call for call in waiting if call is not asked], AMBIGUOUS))
    if asked is None:
        return done
    question = question_about(asked, start.rules, str(turn.root / "work"))
    return replace(done, stop_reason=TOOL_DEFERRED, deferred=question)


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
