"""The exact way to tell the scripted model what to do: a JSON script inside the user's message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outlive.testing.scripted_model.answers import ERROR_TYPES, Answer, Break, Json, Refusal, Reply, ToolCall

_OPENS = re.compile(r"\[\[script\]\]\s*(?:```\w*\s*)?")
_CLOSES = re.compile(r"\s*(?:```\s*)?\[\[/script\]\]")
_CALL_FIELDS = {"tool", "input"}
_REPLY_FIELDS = {"text", "tools", "thinking", "stop", "delay", "stall", "disconnect", "times"} | _CALL_FIELDS
_ERROR_FIELDS = {"error", "message", "retry_after", "times"}
_STOPS = ("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a script; what goes wrong in it does so `times` times."""

    answer: Answer
    times: int = 1

    def answer_after(self, given: int) -> Answer | None:
        """The answer when it was given `given` times before; None if the step is over without a message."""
        if given < self.times:
            return self.answer
        match self.answer:
            case Refusal():
                return None
            case Break(reply=reply) | (Reply() as reply):
                return replace(reply, stall=0.0, delay=0.0)


class BadScript(ValueError):
    """A script that cannot be followed; the message names the field."""


def script(*steps: Mapping[str, Any]) -> str:
    """The directive for `steps`, to be sent as (part of) a user message."""
    return f"[[script]] {json.dumps({'steps': steps})} [[/script]]"


def steps_in(text: str) -> tuple[Step, ...] | None:
    """The steps of the script in `text`, or None if there is none. Raises BadScript."""
    opened = _OPENS.search(text)
    if not opened:
        return None
    try:
        found, end = json.JSONDecoder().raw_decode(text, opened.end())
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadScript(f"script: not valid JSON: {error}") from None
    if not _CLOSES.match(text, end):
        raise BadScript("script: [[/script]] is missing after the JSON")
    if not isinstance(found, dict) or not isinstance(found.get("steps"), list) or found.keys() != {"steps"}:
        raise BadScript('script: it must be {"steps": [...]}')
    return tuple(_step(step, f"script.steps.{n}") for n, step in enumerate(found["steps"]))


def step_due(steps: tuple[Step, ...], answered: int, given: Callable[[int], int]) -> tuple[int, Answer] | None:
    """The position of the next step and its answer, or None when the script is over.

    A step is over when its assistant message is in the request (`answered` counts those), so a script goes on
    after a crash, on any machine. Faults leave no message: for those, `given` says how often the server has
    given the step at a position.
    """
    for position, step in enumerate(steps):
        if answered == 0 and (answer := step.answer_after(given(position))):
            return position, answer
        answered -= not isinstance(step.answer, Refusal)
    return None


def _step(step: object, where: str) -> Step:
    if not isinstance(step, dict) or not step:
        raise BadScript(f"{where}: a step is an object with at least one field")
    allowed = _ERROR_FIELDS if "error" in step else _REPLY_FIELDS
    if unknown := sorted(step.keys() - allowed):
        raise BadScript(f"{where}.{unknown[0]}: unknown field; use one of {', '.join(sorted(allowed))}")
    times = step.get("times", 1)
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise BadScript(f"{where}.times: a whole number from 1 on")
    return Step(_refusal(step, where) if "error" in step else _answer(step, where), times)


def _refusal(step: Json, where: str) -> Refusal:
    status = step["error"]
    if not isinstance(status, int) or status not in ERROR_TYPES:
        raise BadScript(f"{where}.error: use one of {', '.join(map(str, ERROR_TYPES))}")
    wait = _seconds(step, "retry_after", where) if "retry_after" in step else None
    return Refusal(status, str(step.get("message", f"Scripted error {status}.")), wait)


def _answer(step: Json, where: str) -> Answer:
    reply = _reply(step, where)
    return Break(reply) if step.get("disconnect") else reply


def _reply(step: Json, where: str) -> Reply:
    stop = step.get("stop", "")
    if stop and stop not in _STOPS:
        raise BadScript(f"{where}.stop: use one of {', '.join(_STOPS)}")
    calls = _calls(step, where)
    text = step.get("text", "" if calls else "Done, as the script says.")
    return Reply(
        text=_string(text, f"{where}.text"),
        calls=calls,
        thinking=_string(step.get("thinking", ""), f"{where}.thinking"),
        stop=stop,
        delay=_seconds(step, "delay", where),
        stall=_seconds(step, "stall", where),
    )


def _calls(step: Json, where: str) -> tuple[ToolCall, ...]:
    if "tool" in step and "tools" in step:
        raise BadScript(f"{where}.tools: give either tool or tools")
    if "tool" in step:
        return (_call({field: step[field] for field in _CALL_FIELDS & step.keys()}, where),)
    listed = step.get("tools", [])
    if not isinstance(listed, list):
        raise BadScript(f"{where}.tools: a list of objects with tool and input")
    return tuple(_call(call, f"{where}.tools.{n}") for n, call in enumerate(listed))


def _call(call: object, where: str) -> ToolCall:
    if not isinstance(call, dict) or not isinstance(call.get("tool"), str) or call.keys() - _CALL_FIELDS:
        raise BadScript(f"{where}.tool: a call is an object with tool (a name) and input")
    if not isinstance(call.get("input", {}), dict):
        raise BadScript(f"{where}.input: an object")
    return ToolCall(call["tool"], call.get("input", {}))


def _string(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BadScript(f"{where}: a string")
    return value


def _seconds(step: Json, field: str, where: str) -> float:
    value = step.get(field, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadScript(f"{where}.{field}: seconds, 0 or more")
    return float(value)
