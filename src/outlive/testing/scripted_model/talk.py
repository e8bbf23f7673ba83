"""What the scripted model says: small talk about what is in the request, and reports of what tools returned."""

from __future__ import annotations

import re
from collections.abc import Iterable

from outlive.testing.scripted_model.facts import Fact, Question, facts_in, latest, question_in
from outlive.testing.scripted_model.request import Conversation, ToolResult
from outlive.testing.scripted_model.summary import excerpt

ANNOUNCEMENT = (
    "I am a scripted model, not a language model: I follow fixed rules and answer only from what is in this "
    "conversation."
)
ABILITIES = (
    'I remember what you state ("my name is Ada", "remember that the code is 42") and answer questions about '
    'it, count our turns, and call tools: "write hello to notes.txt", "read notes.txt", "run `ls -l`", '
    '"add tasks: buy milk, write report", "complete task 1", "what are my tasks?", "ask a subagent to ...", '
    '"use tool NAME with {json}", several of them joined by "then".'
)
_WHO = re.compile(r"\b(?:who|what) are you\b|\bare you (?:a |an )?(?:real |language |ai |claude)", re.IGNORECASE)
_HELP = re.compile(r"\s*help[.!?]*\s*|.*\bwhat can you do\b.*", re.IGNORECASE | re.DOTALL)
_COUNT = re.compile(r"\bhow many (?:messages|turns)\b", re.IGNORECASE)
_ALL = re.compile(r"\bwhat (?:do you (?:know|remember)|did i (?:tell you|ask you to remember|say))\b", re.IGNORECASE)
_GREETING = re.compile(r"\s*(?:hi|hello|hey|good (?:morning|evening))\b[\w ]{0,20}[.!]*\s*", re.IGNORECASE)
_LONGEST_RESULT = 4000
_LONGEST_ECHO = 120


def answer(text: str, conversation: Conversation) -> str:
    """What is said to `text`, the user's latest words."""
    if not text:
        return "There is no request of yours left to answer."
    if _WHO.search(text):
        return f"{ANNOUNCEMENT} {ABILITIES}"
    if _HELP.fullmatch(text):
        return ABILITIES
    if _COUNT.search(text):
        return _count(conversation)
    if _ALL.search(text):
        return _everything(conversation)
    stated = facts_in(text, conversation.turn)
    question = question_in(text)
    parts = [_noted(stated)] if stated else []
    parts += [_recalled(question, conversation)] if question else []
    return " ".join(parts) or _echo(text)


def _count(conversation: Conversation) -> str:
    asked, replied = len(conversation.said), conversation.replies
    before = conversation.earlier.turns
    return (
        f"This is turn {conversation.turn}. The request I got holds {asked + replied} messages: "
        f"{asked} from you and {replied} from me." + (f" Turns summarised before: {before}." if before else "")
    )


def _everything(conversation: Conversation) -> str:
    facts = [f"{fact.sentence} ({_when(fact, conversation)})" for fact in conversation.facts]
    if not facts:
        return f"You have not told me anything to remember in this conversation of {_turns(conversation.turn)}."
    return "You told me: " + "; ".join(facts) + "."


def _noted(facts: Iterable[Fact]) -> str:
    return "Noted: " + "; ".join(fact.sentence for fact in facts) + "."


def _recalled(question: Question, conversation: Conversation) -> str:
    fact = latest(conversation.facts, question.key)
    if fact:
        return f"You told me {fact.sentence}, {_when(fact, conversation)}."
    subject = f"{question.whose} {question.words}"
    return f"I do not know {subject}: nothing in this conversation of {_turns(conversation.turn)} says it."


def _when(fact: Fact, conversation: Conversation) -> str:
    ago = conversation.turn - fact.turn
    return f"{_turns(ago)} ago" if ago else "in this same turn"


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def _echo(text: str) -> str:
    if _GREETING.fullmatch(text):
        return 'Hello. Ask me "what can you do?".'
    said = excerpt(text, _LONGEST_ECHO)
    return f'You said: "{said}". I am a scripted model and have no rule for that; ask me "what can you do?".'


def report(result: ToolResult) -> str:
    """What one tool really returned, in words."""
    text = result.text.strip() or "(nothing)"
    if result.failed:
        return f"{result.tool} failed: {_cut(text)}"
    if result.tool == "Read":
        return f"{result.input.get('file_path', 'The file')} holds:\n{_cut(_without_line_numbers(result.text))}"
    if result.tool in ("Agent", "Task"):
        return f"The subagent reported: {_cut(_hand_back(text))}"
    return f"{result.tool} returned: {_cut(text)}"


def _without_line_numbers(text: str) -> str:
    return re.sub(r"^ *\d+(?:\t|→)", "", text, flags=re.MULTILINE).rstrip("\n")


def _hand_back(text: str) -> str:
    """A subagent's own words, without the frame the CLI puts around them."""
    framed = re.search(r"The report follows:\n(.*?)(?:\nagentId: |\n<usage>|\Z)", text, re.DOTALL)
    return re.sub(r"^  ", "", framed[1], flags=re.MULTILINE) if framed else text


def _cut(text: str) -> str:
    rest = len(text) - _LONGEST_RESULT
    return text if rest <= 0 else f"{text[:_LONGEST_RESULT]}\n({rest} more characters)"
