"""Answers in a shape the request prescribes: session titles and any JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from outlive.testing.scripted_model.answers import Json
from outlive.testing.scripted_model.request import Conversation, system_text

_TITLE = re.compile(r"\b(?:write|generate|create|return)\b[^.\n]{0,60}\btitle\b", re.IGNORECASE)
_SESSION = re.compile(r"<(session|conversation)>\s*(.*?)\s*</\1>", re.DOTALL)
_WORDS_IN_A_TITLE = 5
_SCHEMA_FIELDS = {
    "properties": dict,
    "enum": list,
    "anyOf": list,
    "oneOf": list,
    "allOf": list,
    "minItems": int,
    "maxLength": int,
}


def wants_title(body: Json) -> bool:
    """True for the CLI's side requests that name a session: one message, no tools, and a title or name to fill in."""
    if body.get("tools") or len(body["messages"]) > 1:
        return False
    fields = (schema_of(body) or {}).get("properties", {}).keys()
    return fields in ({"title"}, {"name"}) or bool(_TITLE.search(system_text(body)))


def title_for(conversation: Conversation, body: Json) -> str:
    """The first words of what the user said, as a title; with hyphens where the CLI asks for a name."""
    found = _SESSION.search(conversation.request)
    words = re.findall(r"[\w'-]+", found[2] if found else conversation.request)[:_WORDS_IN_A_TITLE]
    if (schema_of(body) or {}).get("properties", {}).keys() == {"name"}:
        return "-".join(words).lower() or "scripted-session"
    title = " ".join(words) or "Scripted session"
    return title[0].upper() + title[1:]


def schema_of(body: Json) -> Json | None:
    """The JSON schema that the reply's text has to follow, if the request sets one."""
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema: Json | None = wanted.get("schema") if wanted.get("type") == "json_schema" else None
    return schema


def schema_problem(schema: object, where: str = "") -> str | None:
    """What keeps a JSON schema from being followed, starting with the path to it; None if nothing does."""
    if not isinstance(schema, dict):
        return f"{where}: Input should be an object"
    for name, kind in _SCHEMA_FIELDS.items():
        if name in schema and not (isinstance(schema[name], kind) and (schema[name] or name == "properties")):
            return f"{where}.{name}: Input should be a valid {kind.__name__}"
    if unknown := sorted(set(map(str, _kinds(schema))) - _EXAMPLES.keys()):
        return f"{where}.type: {unknown[0]} is not a JSON type"
    return next(filter(None, (schema_problem(part, f"{where}.{name}") for name, part in _parts(schema))), None)


def _kinds(schema: Json) -> list[object]:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return kind if isinstance(kind, list) and kind else [kind]


def _parts(schema: Json) -> Iterator[tuple[str, object]]:
    for name, part in schema.get("properties", {}).items():
        yield f"properties.{name}", part
    for name in ("anyOf", "oneOf", "allOf"):
        yield from ((f"{name}.{n}", part) for n, part in enumerate(schema.get(name, [])))
    if isinstance(schema.get("items"), dict):
        yield "items", schema["items"]


def example_of(schema: Json, text: str) -> object:
    """The plainest value that `schema` allows, with `text` wherever a free string is wanted."""
    fixed = [schema["const"]] if "const" in schema else schema.get("enum")
    if fixed:
        return fixed[0]
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example_of(choices[0], text)
    return _EXAMPLES[str(_kinds(schema)[0])](schema, text)


def _object(schema: Json, text: str) -> object:
    return {name: example_of(part, text) for name, part in schema.get("properties", {}).items()}


def _array(schema: Json, text: str) -> object:
    items = schema.get("items")
    part = items if isinstance(items, dict) else {}
    return [example_of(part, text) for _ in range(schema.get("minItems", 0))]


_EXAMPLES: dict[str, Callable[[Json, str], object]] = {
    "string": lambda schema, text: text[: schema.get("maxLength", len(text))],
    "object": _object,
    "array": _array,
    "number": lambda schema, _: schema.get("minimum", 0),
    "integer": lambda schema, _: schema.get("minimum", 0),
    "boolean": lambda _, __: False,
    "null": lambda _, __: None,
}
