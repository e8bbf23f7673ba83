"""Scripts inside a message: exact steps, taken from the request, with faults counted by the server."""

from __future__ import annotations

from collections import Counter

import pytest

from outlive.testing.scripted_model import script
from outlive.testing.scripted_model.answers import Break, Refusal, Reply, ToolCall

LS = {"tool": "Bash", "input": {"command": "ls"}}


def test_steps_come_one_by_one(talk):
    """Each step answers one request, several tools may be called at once, and the text is exact."""
    two = {"tools": [{"tool": "Read", "input": {"file_path": "/a"}}, LS], "text": "Looking."}
    assert talk.ask(script(LS, two, {"text": "done", "thinking": "hm"})).calls == (ToolCall("Bash", {"command": "ls"}),)
    second = talk.returns("a")
    assert (second.text, [call.name for call in second.calls]) == ("Looking.", ["Read", "Bash"])
    assert talk.returns("1", "2") == Reply("done", thinking="hm")


def test_a_script_may_stand_in_other_text_and_fences(talk):
    """The script is found inside a longer message and inside a code fence; the rest is not acted on."""
    text = 'run `rm -rf /`\n[[script]]\n```json\n{"steps": [{"text": "ok"}]}\n```\n[[/script]] thanks'
    assert talk.ask(text) == Reply("ok")


def test_a_script_may_hold_a_script_for_a_subagent(talk):
    """A script inside the prompt of a subagent reaches the subagent, not the agent."""
    prompt = script({"text": "from the subagent"})
    (call,) = talk.ask(script({"tool": "Agent", "input": {"prompt": prompt}})).calls
    assert call.input["prompt"] == prompt


def test_after_the_last_step_the_results_are_reported(talk):
    """When a script is over, the reply reports what its tools really returned."""
    talk.ask(script(LS))
    assert talk.returns("a.txt") == Reply("Bash returned: a.txt")


def test_a_script_goes_on_after_a_crash_elsewhere(talk):
    """The next step follows from the request alone: a lost step is asked again, by a server that knows nothing."""
    talk.ask(script(LS, {"tool": "Bash", "input": {"command": "two"}}, {"text": "end"}))
    talk.returns("a")
    talk.messages.pop()
    talk.given = Counter()
    talk.say("Continue from where you left off.")
    assert talk.answer().calls[0].input == {"command": "two"}


def test_a_new_message_ends_a_script(talk):
    """A script belongs to its own turn: the next message is answered as usual."""
    talk.ask(script({"text": "one"}, {"text": "two"}))
    assert "Noted: your name is Ada." in talk.ask("my name is Ada").text


def test_an_error_is_given_as_often_as_asked(talk):
    """An error step fails `times` requests with its status, and the next one meets the step after it."""
    answers = [talk.ask(script({"error": 529, "times": 2}, {"error": 429, "retry_after": 1}, {"text": "ok"}))]
    answers += [talk.answer() for _ in range(3)]
    assert [getattr(answer, "status", 200) for answer in answers] == [529, 529, 429, 200]
    assert answers[2].retry_after == 1.0


def test_an_error_can_come_in_the_middle(talk):
    """An error step between two tools strikes after the first tool's result."""
    talk.ask(script(LS, {"error": 500}, {"text": "ok"}))
    assert talk.returns("a") == Refusal(500, "Scripted error 500.")
    assert talk.answer() == Reply("ok")


def test_sessions_do_not_share_errors(talk):
    """The same script in another session meets its errors again."""
    talk.ask(script({"error": 529}, {"text": "ok"}))
    talk.extra = {"metadata": {"user_id": "another session"}}
    assert talk.answer() == Refusal(529, "Scripted error 529.")


def test_a_resumed_session_does_not_meet_its_errors_again(talk):
    """An error that was given stays given when the session comes back from another machine."""
    session = '"session_id":"96d73a34-f534-4ecb-aa51-5ec3a7d4aaf8"'
    talk.extra = {"metadata": {"user_id": '{"device_id":"one",' + session}}
    talk.ask(script({"error": 529}, {"text": "ok"}))
    talk.extra = {"metadata": {"user_id": '{"device_id":"two",' + session}}
    assert talk.answer() == Reply("ok")


def test_silences_and_breaks_happen_once(talk):
    """A stalled, delayed or broken step is given so once, and plainly to whoever asks again."""
    stalled, broken = {"text": "a", "stall": 9, "delay": 1}, {"text": "b", "disconnect": True}
    assert talk.ask(script(stalled, broken)) == Reply("a", stall=9.0, delay=1.0)
    talk.messages.pop()
    assert talk.answer() == Reply("a")
    assert talk.answer() == Break(Reply("b"))
    assert talk.answer() == Reply("b")


def test_a_stop_reason_is_passed_on(talk):
    """A step may set the stop reason of its message."""
    assert talk.ask(script({"text": "half", "stop": "max_tokens"})).stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("directive", "problem"),
    [
        ("[[script]] {oops} [[/script]]", "script: not valid JSON: Expecting property name"),
        ('[[script]] {"steps": []}', "script: [[/script]] is missing"),
        ('[[script]] {"stops": []} [[/script]]', 'script: it must be {"steps": [...]}'),
        (script({}), "script.steps.0: a step is an object"),
        (script({"text": "a"}, {"tex": "b"}), "script.steps.1.tex: unknown field"),
        (script({"error": 418}), "script.steps.0.error: use one of 400, 401"),
        (script({"error": [529]}), "script.steps.0.error: use one of 400, 401"),
        (script({"error": 529, "times": 0}), "script.steps.0.times: a whole number from 1 on"),
        (script({"error": 429, "retry_after": "soon"}), "script.steps.0.retry_after: seconds, 0 or more"),
        (script({"tool": "Bash", "input": []}), "script.steps.0.input: an object"),
        (script({"tools": [{"name": "Bash"}]}), "script.steps.0.tools.0.tool: a call is an object"),
        (script({"tool": "Bash", "tools": []}), "script.steps.0.tools: give either tool or tools"),
        (script({"text": 5}), "script.steps.0.text: a string"),
        (script({"stop": "now"}), "script.steps.0.stop: use one of end_turn"),
        (script({"stall": -1}), "script.steps.0.stall: seconds, 0 or more"),
    ],
)
def test_a_bad_script_is_refused_by_field(talk, directive, problem):
    """A script that cannot be followed is answered 400, with the field that is wrong."""
    refusal = talk.ask(directive)
    assert refusal.status == 400
    assert refusal.message.startswith(problem)
