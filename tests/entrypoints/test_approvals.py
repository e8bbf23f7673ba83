"""`outlive approvals list` and `answer`, and questions in `chat` and `sessions show`."""

from __future__ import annotations

import pytest

from outlive.flows.work_queue import work_one
from outlive.wiring import App
from tests.engine.asking import RULE, AskingAgent
from tests.entrypoints.conftest import Outlive


@pytest.fixture
def agent(outlive: Outlive) -> AskingAgent:
    """The agent of `chat`, which asks."""
    agent = AskingAgent()
    outlive.agent(agent)
    return agent


def ask(outlive: Outlive) -> str:
    """The id of the question that a chat ends with."""
    turn = outlive("chat", "--json", "--session", "ada", stdin="push 1\n").events[-1]
    return turn["question"]["id"]


async def work(app: App) -> None:
    """Answer what the queue holds."""
    while delivery := await app.engine.queue.receive(visibility=30, wait=0):
        await work_one(app.engine, delivery)


@pytest.mark.parametrize(("letter", "allowed", "lifted"), [("y", 1, 0), ("a", 1, 1), ("n", 0, 0)])
def test_one_letter_answers_in_the_chat(
    outlive: Outlive, agent: AskingAgent, letter: str, allowed: int, lifted: int
) -> None:
    """The question and its letters are shown; `y` allows it, `a` for the session, `n` refuses."""
    done = outlive("chat", "--session", "ada", stdin=f"push 1\n{letter}\n")
    assert "May I use Bash?" in done.out
    assert "y: this once" in done.err
    assert (len(agent.pushed), len(agent.runs[-1].lifted_rules)) == (allowed, lifted)


def test_a_letter_without_a_question_is_a_message(outlive: Outlive, agent: AskingAgent) -> None:
    """`y` to nothing is said to the agent."""
    assert "Message 1: y" in outlive("chat", stdin="y\n").out
    assert agent.pushed == []


def test_the_question_is_shown_when_the_chat_is_opened_again(outlive: Outlive, agent: AskingAgent) -> None:
    """A later conversation starts with what waits, and a letter answers it."""
    ask(outlive)
    done = outlive("chat", "--session", "ada", stdin="y\n")
    assert "waits for your word on Bash: git push" in done.err
    assert len(agent.pushed) == 1


def test_what_waits_is_listed_and_shown(outlive: Outlive, agent: AskingAgent) -> None:
    """The listing and `sessions show` name the question, the call and the rule."""
    question = ask(outlive)
    (line,) = outlive.ok("approvals", "list")
    assert (line["approval"]["id"], line["approval"]["rule"], line["has_expired"]) == (question, RULE, False)
    assert question in outlive("approvals", "list").out
    assert f"question {question} to anybody in the chat" in outlive("sessions", "show", "ada").out
    assert agent.pushed == []


def test_an_answer_is_queued_and_closes_the_question(outlive: Outlive, agent: AskingAgent) -> None:
    """The answer waits in the queue like a message, and a worker takes it."""
    ask(outlive)
    sent = outlive.ok("approvals", "answer", "ada", "always", "--note", "fine")
    assert (sent["session_key"], outlive.ok("queue", "depth")["waiting"]) == ("local:console:ada:default", 1)
    outlive.inside(work)
    assert outlive.ok("approvals", "list") == []
    assert outlive.ok("sessions", "show", "ada")["session"]["lifted_rules"] == [RULE]
    assert agent.pushed == []


def test_an_answer_to_another_question_changes_nothing(outlive: Outlive, agent: AskingAgent) -> None:
    """`--question` guards against answering what has been asked since."""
    question = ask(outlive)
    outlive.ok("approvals", "answer", "ada", "once", "--question", "00000000")
    outlive.inside(work)
    assert outlive.ok("approvals", "list")[0]["approval"]["id"] == question
    assert agent.pushed == []


def test_a_malformed_question_id_is_refused(outlive: Outlive, agent: AskingAgent) -> None:
    """It is an input error, and nothing is queued."""
    ask(outlive)
    assert "question id" in outlive.refused(2, "approvals", "answer", "ada", "deny", "--question", "x")["message"]
    assert (outlive.ok("queue", "depth")["waiting"], agent.pushed) == (0, [])


def test_nothing_to_answer_is_an_error(outlive: Outlive, agent: AskingAgent) -> None:
    """Without a question the command fails before anything is queued, as it does for a choice that is none."""
    outlive.say("hello")
    assert "nothing waits" in outlive.refused(1, "approvals", "answer", "ada", "once")["message"]
    outlive.refused(2, "approvals", "answer", "ada", "perhaps")
    assert outlive.ok("queue", "depth")["waiting"] == 0
    assert agent.pushed == []
