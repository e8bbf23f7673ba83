"""What the scripted model says, and that it says it from what is in the request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.testing.scripted_model import ANNOUNCEMENT
from outlive.testing.scripted_model.decision import Kind, kind_of
from outlive.testing.scripted_model.facts import facts_in, question_in

REMINDER = "<system-reminder>\nMy name is Eve. My favourite colour is grey.\n</system-reminder>\n"
CONTINUED = "This session is being continued from a previous conversation that ran out of context.\n"


# ----------------------------------------------------------------------------------- says what it is


def test_first_reply_announces_the_scripted_model(talk):
    """The first reply of a conversation says that this is not a language model, and the second does not repeat it."""
    assert talk.ask("my name is Ada").text == f"{ANNOUNCEMENT} Noted: your name is Ada."
    assert talk.ask("thank you").text.startswith('You said: "thank you".')


@pytest.mark.parametrize("question", ["who are you?", "What are you?", "Are you a language model?", "are you Claude?"])
def test_says_what_it_is_whenever_asked(talk, question):
    """Asked what it is, the model says that it is not a language model, in any turn."""
    talk.ask("hello")
    assert ANNOUNCEMENT in talk.ask(question).text


# --------------------------------------------------------------------------------------------- memory


def test_recalls_a_name_and_when_it_was_told(talk):
    """A name told in turn 1 is recalled in turn 5 as told 4 turns ago."""
    for text in ("Hello, my name is Ada.", "run `ls`", "good evening", "thanks"):
        talk.ask(text)
        if talk.calls:
            talk.returns("notes.txt")
    assert talk.ask("What's my name?").text == "You told me your name is Ada, 4 turns ago."


@pytest.mark.parametrize(
    ("statement", "question", "answer"),
    [
        ("my favorite color is teal", "what is my favourite colour?", "your favourite colour is teal"),
        ("remember that the launch code is 42!", "what was the launch code?", "the launch code is 42"),
        ("My cat is Tom and my dog is Rex.", "do you remember my cat?", "your cat is Tom"),
        ("our site is example.com", "tell me our site", "your site is example.com"),
        ("please remember: deadline = Friday", "remind me of the deadline", "the deadline is Friday"),
        ("call me Ishmael", "who am I?", "your name is Ishmael"),
        ("Hi, I'm Ada Lovelace", "so what's my name", "your name is Ada Lovelace"),
        ("I am tired. Remember my car is red", "what is my car?", "your car is red"),
    ],
)
def test_recalls_what_was_stated(talk, statement, question, answer):
    """A fact stated in plain words is found again by a question for it."""
    talk.ask(statement)
    assert talk.ask(question).text == f"You told me {answer}, 1 turn ago."


@given(st.text(st.characters(categories=["Lu", "Ll"]), min_size=1, max_size=20))
def test_any_name_comes_back(name):
    """Whatever word is told as a name is the value that a question for the name finds."""
    (fact,) = facts_in(f"my name is {name}", turn=3)
    assert (fact.value, fact.turn, fact.key) == (name, 3, question_in("what is my name?").key)


def test_does_not_know_what_was_not_said(talk):
    """A fact that is not in the request is said to be unknown, with the number of turns looked through."""
    talk.ask("hello")
    expected = "I do not know your name: nothing in this conversation of 2 turns says it."
    assert talk.ask("what is my name?").text == expected


def test_a_statement_and_a_question_in_one_message(talk):
    """A message may state something and ask for it; both are answered."""
    said = talk.ask("my name is Ada, what is my name?").text
    assert said.endswith("Noted: your name is Ada. You told me your name is Ada, in this same turn.")


def test_latest_statement_wins(talk):
    """A fact that was stated twice is recalled as stated last."""
    talk.ask("my name is Ada")
    talk.ask("my name is Grace")
    assert talk.ask("what is my name?").text == "You told me your name is Grace, 1 turn ago."


def test_lists_everything_it_was_told(talk):
    """Asked what it remembers, the model lists every statement, notes without a value included."""
    talk.ask("my name is Ada. Remember that I like tea")
    listed = talk.ask("what do you remember?").text
    assert listed == "You told me: your name is Ada (1 turn ago); I like tea (1 turn ago)."


def test_counts_turns_and_messages(talk):
    """The count of turns and messages is that of the request."""
    talk.ask("hello")
    counted = "This is turn 2. The request I got holds 3 messages: 2 from you and 1 from me."
    assert talk.ask("how many turns have we had?").text == counted


# ------------------------------------------------------------------------- what is not the user's word


def test_reminders_are_not_the_users_words(talk):
    """What the client puts beside the user's words, in either role it uses, is neither a statement nor a turn."""
    talk.ask(REMINDER, "hello")
    talk.say("My name is Eve.", role="system")
    assert "I do not know your name: nothing in this conversation of 2 turns" in talk.ask("what is my name?").text


@pytest.mark.parametrize(
    "text",
    [
        "[Request interrupted by user for tool use]\n",
        "Continue from where you left off.",
        "Output token limit hit. Resume directly.",
        "[Image: source: /tmp/1.png]",
        "<command-name>/compact</command-name>",
        "<local-command-stdout>my name is Eve</local-command-stdout>",
        "Stop hook feedback:\nplease go on",
    ],
)
def test_texts_of_the_client_are_no_turns(talk, text):
    """Messages that the client writes on its own account do not count as turns of the user."""
    assert "This is turn 1." in talk.ask("how many turns have we had?", text).text


def test_two_turns_in_one_message_are_two_turns(talk):
    """A turn that got no answer stands in the same message as the next one, and only the next one is answered."""
    assert talk.ask("my name is Ada\n", "what is my name?").text.endswith("You told me your name is Ada, 1 turn ago.")


def test_an_image_beside_the_text_is_passed_over(talk):
    """A message with other blocks than text is answered by its text."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    talk.messages.append({"role": "user", "content": [image, {"type": "text", "text": "my name is Ada"}]})
    assert talk.answer().text.endswith("Noted: your name is Ada.")


ASIDE = "The user sent a new message while you were working:\nmy name is Ada\n\nAddress it as you continue."


@pytest.mark.parametrize("where", ["system message", "reminder", "result"])
def test_hears_what_is_said_while_a_tool_runs(talk, where):
    """A message sent in mid-turn is acknowledged in the turn's last reply, and remembered, wherever the CLI puts it."""
    talk.ask("run `make`")
    reminder = f"<system-reminder>\n{ASIDE}\n</system-reminder>"
    text = f"built\n\n{reminder}" if where == "result" else "built"
    talk.messages.append(talk.results(text))
    if where != "result":
        talk.say(ASIDE if where == "system message" else reminder, role=where.split()[0].replace("reminder", "user"))
    assert talk.answer().text.endswith("Bash returned: built\nWhile I was working you said: my name is Ada")
    assert talk.ask("what is my name?").text == "You told me your name is Ada, 1 turn ago."


def test_reports_a_background_task(talk):
    """The notice that a background task ended is answered with the task's result."""
    talk.ask("hello")
    notice = "<task-notification>\n<status>completed</status>\n<result>42 files</result>\n</task-notification>"
    assert talk.ask(f"<system-reminder>{notice}</system-reminder>").text == "A background task reported: 42 files"


# -------------------------------------------------------------------------------------- side requests


def test_memory_survives_compaction(talk):
    """After two compactions the fact is still there, and so is the turn it was told in."""
    talk.ask("my name is Ada")
    for _ in range(2):
        talk.ask("hello")
        summary = talk.ask("CRITICAL: Respond with TEXT ONLY.\n\nYour task is to create a detailed summary.").text
        inner = summary.split("<summary>")[1].split("</summary>")[0]
        talk.messages = [{"role": "user", "content": CONTINUED + inner}]
    assert talk.ask("what is my name?").text == "You told me your name is Ada, 3 turns ago."


@pytest.mark.parametrize(("field", "named"), [("title", "Fix the login bug in"), ("name", "fix-the-login-bug-in")])
def test_names_a_session(talk, field, named):
    """A request for a title or a name is answered by the user's first words, in the JSON shape it asks for."""
    schema = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
    talk.tools, talk.extra = [], {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    reply = talk.ask("<session>\nfix the login bug in auth.py please\n</session>\n\nName it.")
    talk.messages.pop()
    assert (json.loads(reply.text), kind_of(talk.body())) == ({field: named}, Kind.TITLE)


def test_names_a_session_for_an_older_client(talk):
    """A title asked for in words gets a title as plain text; a system prompt that only mentions titles does not."""
    talk.tools, talk.system = [], "Please write a 5-10 word title for the following conversation:"
    assert talk.ask("fix the login bug").text == "Fix the login bug"
    talk.messages, talk.system = [], "You know the titles of all books."
    assert "Noted: your name is Ada." in talk.ask("my name is Ada").text


def test_a_probe_gets_one_token(talk):
    """A request with max_tokens 1 gets one token of text and says that it was cut."""
    talk.extra = {"max_tokens": 1}
    reply = talk.ask("quota")
    assert (len(reply.text), reply.stop_reason, kind_of(talk.body())) == (4, "max_tokens", Kind.PROBE)


def test_a_reply_keeps_to_max_tokens(talk):
    """A reply longer than max_tokens is cut there, with the stop reason that tells."""
    talk.extra = {"max_tokens": 3}
    reply = talk.ask("who are you?")
    assert (reply.text, reply.stop_reason) == (ANNOUNCEMENT[:12], "max_tokens")


def test_fills_a_structured_output_tool(talk):
    """Where the client offers a tool for the final answer, the answer goes there in the tool's own shape."""
    fields = {"answer": {"type": "string"}, "sure": {"type": "boolean"}, "kind": {"enum": ["a", "b"]}}
    tool = {"name": "StructuredOutput", "input_schema": {"type": "object", "properties": fields}}
    talk.extra = {"tools": [tool]}
    (call,) = talk.ask("my name is Ada").calls
    assert call.input == {"answer": f"{ANNOUNCEMENT} Noted: your name is Ada.", "sure": False, "kind": "a"}
    assert talk.returns("Structured output provided successfully").text.startswith(ANNOUNCEMENT)


def test_a_subagent_is_told_apart(talk):
    """A subagent's request is of its own kind, and its report is not prefixed with the announcement."""
    talk.system = "x-anthropic-billing-header: cc_version=2; cc_is_subagent=true;"
    assert talk.ask("my name is Ada").text == "Noted: your name is Ada."
    assert kind_of(talk.body()) is Kind.SUBAGENT
