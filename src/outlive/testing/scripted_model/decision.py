"""The one decision of the scripted model: from a request to its answer, with no I/O and no state of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from outlive.testing.scripted_model.answers import Decision, Json, Refusal, Reply, ToolCall
from outlive.testing.scripted_model.commands import not_offered, wishes_in
from outlive.testing.scripted_model.directive import BadScript, Step, step_due, steps_in
from outlive.testing.scripted_model.request import Conversation, is_compaction, read_request, system_text
from outlive.testing.scripted_model.shapes import example_of, schema_of, title_for, wants_title
from outlive.testing.scripted_model.summary import Earlier, write_summary
from outlive.testing.scripted_model.talk import ANNOUNCEMENT, answer, report
from outlive.testing.scripted_model.usage import TOKEN_BYTES

_NOTHING_GIVEN: Mapping[str, int] = {}
_STRUCTURED = "StructuredOutput"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Kind(StrEnum):
    """What a request is for."""

    TURN = "turn"
    SUBAGENT = "subagent"
    SUMMARY = "summary"
    TITLE = "title"
    PROBE = "probe"


def kind_of(body: Json) -> Kind:
    """What the client wants with this request."""
    if body.get("max_tokens") == 1:
        return Kind.PROBE
    if is_compaction(body):
        return Kind.SUMMARY
    if wants_title(body):
        return Kind.TITLE
    return Kind.SUBAGENT if "cc_is_subagent=true" in system_text(body) else Kind.TURN


def decide(body: Json, given: Mapping[str, int] = _NOTHING_GIVEN) -> Decision:
    """The answer to a request body that has passed `read_call`.

    `given` counts the answers already given, by `Decision.counted_as`; it matters only to scripts that order
    errors or silences. Everything else follows from the body.
    """
    conversation = read_request(body)
    match kind_of(body):
        case Kind.SUMMARY:
            return Decision(Reply(_summary(conversation)))
        case Kind.TITLE:
            return Decision(Reply(_shaped(body, title_for(conversation, body))))
        case Kind.PROBE:
            return Decision(_clipped(Reply("Reachable."), body["max_tokens"]))
    try:
        steps = steps_in(conversation.request)
    except BadScript as error:
        return Decision(Refusal(400, str(error)))
    if steps is not None:
        return _scripted(steps, body, conversation, given)
    return Decision(_clipped(_plain(body, conversation), body["max_tokens"]))


# ---------------------------------------------------------------------------------------- exact scripts


def _scripted(steps: tuple[Step, ...], body: Json, conversation: Conversation, given: Mapping[str, int]) -> Decision:
    turn = _turn_id(body, conversation)
    due = step_due(steps, conversation.answered, lambda position: given.get(f"{turn}/{position}", 0))
    if due is None:
        return Decision(_finished(Reply(_reports(conversation) or "The script is over."), body, conversation))
    position, answer = due
    found = _callable(answer, conversation) if isinstance(answer, Reply) else answer
    return Decision(found, f"{turn}/{position}" if found == answer else "")


def _turn_id(body: Json, conversation: Conversation) -> str:
    """The same for every request of one turn, also after a resume elsewhere."""
    user = str((body.get("metadata") or {}).get("user_id"))
    # The CLI's user id also names the device, which is another one after a resume; the session's id comes last.
    session = (_UUID.findall(user) or [user])[-1]
    seed = f"{session}\n{conversation.turn}\n{conversation.request}"
    return hashlib.sha256(seed.encode(errors="surrogatepass")).hexdigest()[:16]


def _callable(reply: Reply, conversation: Conversation) -> Reply:
    """`reply` if its tools can be called now; else the look-up they need, or that they are not offered."""
    missing = sorted({call.name for call in reply.calls} - conversation.offered)
    if not missing:
        return reply
    if unknown := [tool for tool in missing if not conversation.reaches(tool)]:
        return Reply(not_offered(unknown))
    query = {"query": f"select:{','.join(missing)}", "max_results": len(missing)}
    return Reply(calls=(ToolCall("ToolSearch", query, loads=True),))


# --------------------------------------------------------------------------------------- plain language


def _plain(body: Json, conversation: Conversation) -> Reply:
    wishes = wishes_in(conversation)
    if conversation.notices:
        return Reply("A background task reported: " + "\n".join(conversation.notices))
    if conversation.answered < len(wishes.steps):
        return _callable(Reply(calls=wishes.steps[conversation.answered]), conversation)
    said = [_reports(conversation), *wishes.notes, *(answer(text, conversation) for text in wishes.talk)]
    text = "\n".join(filter(None, [*said, _heard(conversation)])) or "Done."
    return _finished(Reply(_announced(text, body, conversation)), body, conversation)


def _reports(conversation: Conversation) -> str:
    return "\n".join(report(result) for result in conversation.results if result.tool != _STRUCTURED)


def _heard(conversation: Conversation) -> str:
    asides = [said.text for said in conversation.asides if said.turn == conversation.turn]
    return f"While I was working you said: {'; '.join(asides)}" if asides else ""


def _announced(text: str, body: Json, conversation: Conversation) -> str:
    known = conversation.announced or ANNOUNCEMENT in text or kind_of(body) is Kind.SUBAGENT
    return text if known else f"{ANNOUNCEMENT} {text}"


# ---------------------------------------------------------------------------- shapes, summaries, limits


def _finished(reply: Reply, body: Json, conversation: Conversation) -> Reply:
    """The last reply of a turn, in the shape the request prescribes."""
    tool = next((tool for tool in body.get("tools") or () if tool["name"] == _STRUCTURED), None)
    if tool and not any(result.tool == _STRUCTURED for result in conversation.results):
        return Reply(calls=(ToolCall(_STRUCTURED, _object_of(tool, reply.text)),))
    return replace(reply, text=_shaped(body, reply.text))


def _object_of(tool: Json, text: str) -> Json:
    found = example_of(tool["input_schema"], text)
    return found if isinstance(found, dict) else {}


def _shaped(body: Json, text: str) -> str:
    schema = schema_of(body)
    return json.dumps(example_of(schema, text)) if schema else text


def _summary(conversation: Conversation) -> str:
    earlier = Earlier(conversation.turn, conversation.facts)
    return write_summary(earlier, ((said.turn, said.text) for said in conversation.said))


def _clipped(reply: Reply, max_tokens: int) -> Reply:
    """`reply` within the request's `max_tokens`, as the API would cut it."""
    longest = max_tokens * TOKEN_BYTES
    text = reply.text.encode(errors="surrogatepass")
    if reply.calls or len(text) <= longest:
        return reply
    return replace(reply, text=text[:longest].decode(errors="ignore"), stop="max_tokens")
