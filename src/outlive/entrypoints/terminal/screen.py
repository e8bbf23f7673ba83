"""A turn as a person, or a program, sees it while it runs: text as it comes, one line per tool."""

from __future__ import annotations

import sys

from outlive.entrypoints.terminal.output import print_error, print_json, say, visible
from outlive.entrypoints.terminal.questions import asked_in
from outlive.errors import OutliveError
from outlive.flows.run_turn import Turn
from outlive.flows.turn.outgoing_files import named
from outlive.protocols import AgentEvent, TextPart, ToolFinished, ToolStarted, TurnDone

NOTES = {
    "continued": "That turn was interrupted; it is finished now.",
    "adopted": "That turn had ended but was not committed; it is now.",
    "repeat": "That message was answered before; this is the answer.",
    "refused": "The agent was not asked.",
}
ENDS = {
    "interrupted": "Interrupted; what there is of this turn is kept.",
    "stopped": "Stopped by the operator; what there is of this turn is kept.",
    "max_turns": "The turn ended at its limit of model calls.",
    "max_budget": "The turn ended at its limit of money.",
}


class Screen:
    """The agent's words on stdout, the rest on stderr; or JSON lines on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._shown = ""
        """The agent's latest words: what was streamed since something else was shown."""
        self._is_line_open = self._is_cut = False
        self._tools: dict[str, str] = {}

    async def on_event(self, event: AgentEvent) -> None:
        """Show what is new."""
        match event:
            case TextPart(text):
                self._stream(text)
            case ToolStarted(tool_use_id, name, summary):
                self._tools[tool_use_id] = name
                self.tell("tool", f"  [{name}] {summary}", name=name, summary=summary)
            case ToolFinished(tool_use_id, is_error=True):
                name = self._tools.get(tool_use_id, "tool")
                self.tell("tool_failed", f"  [{name}] failed", name=name)
            case TurnDone(notices=notices):
                for text in notices:
                    self.tell("notice", f"note: {text}", notice=text)

    def tell(self, event: str, text: str, **fields: object) -> None:
        """Something beside the agent's words, on a line of its own."""
        self._end_line()
        if self._as_json:
            print_json({"event": event} | fields)
        elif text:
            say(text)

    def note(self, text: str) -> None:
        """A line for people."""
        self._end_line()
        say(text)

    def answered(self, turn: Turn) -> None:
        """The committed end of a turn: what was not streamed is shown now."""
        line = turn.line
        if not self._as_json and not self._shown.strip().endswith(line.reply.strip()):
            self._stream(line.reply)
        self.tell(
            "turn",
            "",
            how=turn.how,
            session_id=turn.session_id,
            message_id=line.message_id,
            turn=line.turn,
            version=turn.after,
            reply=line.reply,
            stop_reason=line.stop_reason,
            usd=line.usd,
            question=asked_in(line),
            files=[f"work/{file.path}" for file in line.files],
        )
        self._shown = ""
        for text in (named(line.files).strip(), NOTES.get(turn.how), ENDS.get(line.stop_reason)):
            if text:
                self.note(text)

    def failed(self, error: OutliveError) -> None:
        """A turn of which nothing counts."""
        self._end_line()
        self._shown = ""
        print_error(error, as_json=self._as_json)

    def _stream(self, text: str) -> None:
        if self._as_json or not text:
            return
        sys.stdout.write(visible(text))
        sys.stdout.flush()
        self._shown = text if self._is_cut else self._shown + text
        self._is_line_open, self._is_cut = not text.endswith("\n"), False

    def _end_line(self) -> None:
        if self._is_line_open:
            sys.stdout.write("\n")
            sys.stdout.flush()
        self._is_line_open, self._is_cut = False, True
