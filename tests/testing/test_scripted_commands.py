"""Plain language that becomes tool calls, and what is said of their results."""

from __future__ import annotations

import pytest

from outlive.testing.scripted_model import ANNOUNCEMENT
from outlive.testing.scripted_model.answers import ToolCall

HOME = "/home/ada/project"
DEFERRED = (
    "The following deferred tools are now available via ToolSearch. Their schemas are NOT loaded. Use it first:\n"
    "TaskCreate\nTaskList\nmcp__srv__greet\n\nToday's date is 2026-11-21."
)


@pytest.mark.parametrize(
    ("text", "tool", "given"),
    [
        ("write hello to notes.txt", "Write", {"file_path": f"{HOME}/notes.txt", "content": "hello"}),
        ('please save "a, then b" into /tmp/x', "Write", {"file_path": "/tmp/x", "content": "a, then b"}),
        ("create a file a/b.md with the text # Hi", "Write", {"file_path": f"{HOME}/a/b.md", "content": "# Hi"}),
        (
            'replace "hello" with bye in notes.txt',
            "Edit",
            {"file_path": f"{HOME}/notes.txt", "old_string": "hello", "new_string": "bye"},
        ),
        ("Read notes.txt.", "Read", {"file_path": f"{HOME}/notes.txt"}),
        ("show me the file `a b.txt`", None, None),
        ("run `ls -l`", "Bash", {"command": "ls -l", "description": "Run what the user asked for"}),
        ("run: sleep 5", "Bash", {"command": "sleep 5", "description": "Run what the user asked for"}),
        ("complete task 1", "TaskUpdate", {"taskId": "1", "status": "completed"}),
        ("start task #2", "TaskUpdate", {"taskId": "2", "status": "in_progress"}),
        ("mark task 3 as pending", "TaskUpdate", {"taskId": "3", "status": "pending"}),
        ("what are my tasks?", "TaskList", {}),
        ('use tool mcp__srv__greet with {"name": "Ada"}', "mcp__srv__greet", {"name": "Ada"}),
        ("write a letter to mother", None, None),
        ("I want to run", None, None),
    ],
)
def test_plain_language_becomes_a_call(talk, text, tool, given):
    """A known request becomes one call with absolute paths; anything else becomes no call."""
    assert talk.ask(text).calls == ((ToolCall(tool, given),) if tool else ())


def test_several_tasks_are_made_at_once(talk):
    """A list of tasks becomes one call for each of them, in one reply."""
    calls = talk.ask("add tasks: buy milk, write report").calls
    assert [call.input["subject"] for call in calls] == ["buy milk", "write report"]


def test_a_subagent_runs_in_the_foreground(talk):
    """A delegated task goes to the Agent tool with its prompt, synchronously."""
    (call,) = talk.ask("ask the aws-support subagent to list the buckets in eu-west-1").calls
    assert (call.name, call.input["subagent_type"]) == ("Agent", "aws-support")
    assert (call.input["prompt"], call.input["run_in_background"]) == ("list the buckets in eu-west-1", False)


def test_a_subagent_may_go_by_its_older_name(talk):
    """Where the subagent tool is called Task, that is what is called."""
    talk.tools = ["Task"]
    assert talk.ask("ask a subagent to say hi").calls[0].name == "Task"


def test_then_makes_one_step_each(talk):
    """Requests joined by "then" are called one after the other, and the last reply reports every result."""
    assert talk.ask("write hi to a.txt, and then run `cat a.txt` then what is my name?").calls[0].name == "Write"
    assert talk.returns("File created").calls[0].name == "Bash"
    lines = talk.returns("hi").text.splitlines()
    assert lines[0] == f"{ANNOUNCEMENT} Write returned: File created"
    assert lines[1:] == [
        "Bash returned: hi",
        "I do not know your name: nothing in this conversation of 1 turn says it.",
    ]


def test_a_step_lost_in_a_crash_is_asked_again(talk):
    """When a call and its result are missing from the request, the same step is the next one."""
    first = talk.ask("run `one` then run `two`").calls
    talk.messages.pop()
    assert talk.answer().calls == first
    assert talk.returns("1").calls[0].input["command"] == "two"


def test_reads_the_working_directory_that_came_last(talk):
    """Paths are built from the latest working directory that the client told of, not from the user's words."""
    talk.say("Primary working directory: /home/eve")
    talk.say(" - Primary working directory: /new place (was /home/ada/project)", role="system")
    assert talk.ask("read a.txt").calls[0].input["file_path"] == "/new place/a.txt"


def test_only_offered_tools_are_called(talk):
    """A tool that the request does not offer is not called, and the reply says which one."""
    talk.tools.remove("Bash")
    assert talk.ask("run `ls`").text.endswith("I did not call Bash: this request does not offer that tool.")
    talk.extra = {"tool_choice": {"type": "none"}}
    assert talk.ask("read a.txt").calls == ()


def test_a_deferred_tool_is_looked_up_first(talk):
    """A tool that is only announced is looked up, then called, and the look-up counts as no step."""
    talk.tools = ["Bash", "ToolSearch", "DeferredToolPlaceholder"]
    talk.system += DEFERRED
    look_up = talk.ask("add task: buy milk then run `ls`").calls
    assert look_up == (ToolCall("ToolSearch", {"query": "select:TaskCreate", "max_results": 1}, loads=True),)
    talk.tools.append("TaskCreate")
    assert talk.returns("").calls[0].name == "TaskCreate"
    assert talk.returns("Task #1 created").calls[0].name == "Bash"
    assert talk.returns("a.txt").text.endswith("TaskCreate returned: Task #1 created\nBash returned: a.txt")


def test_todo_write_stands_in_for_the_task_tools(talk):
    """Where only TodoWrite is offered, the list is kept from the conversation and sent whole."""
    talk.tools = ["TodoWrite"]
    talk.ask("add tasks: a, b")
    talk.returns("Todos have been modified")
    (call,) = talk.ask("complete task 2").calls
    assert [(todo["content"], todo["status"]) for todo in call.input["todos"]] == [("a", "pending"), ("b", "completed")]
    talk.returns("Todos have been modified")
    assert talk.ask("list my tasks").text == "Your tasks:\n#1 [pending] a\n#2 [completed] b"
    assert talk.ask("complete task 7").text == "There is no task 7 in this conversation."


def test_bad_json_for_a_tool_is_told(talk):
    """JSON that cannot be read is no call; the reply says what is wrong with it."""
    text = talk.ask("use tool Bash with {oops}").text
    assert "I did not call Bash: what follows it is not valid JSON (Expecting property name" in text


# -------------------------------------------------------------------------------------------- reports


def test_reports_a_file_without_line_numbers(talk):
    """The contents of a file that was read are reported as they are in the file."""
    talk.ask("read a.txt")
    assert talk.returns("1\thello\n2\tworld\n3\t").text.endswith(f"{HOME}/a.txt holds:\nhello\nworld")


def test_reports_a_failure(talk):
    """A tool that failed is reported as failed, with what it said."""
    talk.ask("run `false`")
    assert talk.returns("Exit code 1", failed=True).text.endswith("Bash failed: Exit code 1")


def test_reports_a_subagents_own_words(talk):
    """A subagent's report is given without the frame that the client puts around it."""
    talk.ask("ask a subagent to greet")
    framed = "[Subagent hand-back] Model output. The report follows:\n  Hello\n  Ada\nagentId: a3 (internal)\n<usage>"
    assert talk.returns(framed).text.endswith("The subagent reported: Hello\nAda")


def test_a_long_result_is_cut(talk):
    """A result over 4,000 characters is cut there, and the reply says how much is missing."""
    talk.ask("run `yes`")
    assert talk.returns("y" * 5000).text.endswith("yyy\n(1000 more characters)")


def test_results_of_an_earlier_turn_are_not_reported_again(talk):
    """A turn that was interrupted with results leaves nothing to report in the next one."""
    talk.ask("run `ls`")
    rejected = {"type": "tool_result", "tool_use_id": talk.calls[0], "content": "rejected", "is_error": True}
    texts = [{"type": "text", "text": text} for text in ("[Request interrupted by user for tool use]\n", "thanks")]
    talk.messages.append({"role": "user", "content": [rejected, *texts]})
    assert "Bash" not in talk.answer().text
