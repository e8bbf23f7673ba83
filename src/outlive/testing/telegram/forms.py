"""The parameters of a call, however they are sent: JSON, a form, or multipart with files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

from outlive.testing.scripted_model.http import HttpRequest
from outlive.testing.telegram.refusals import bad

NUMBERS = frozenset(
    {"chat_id", "message_id", "message_thread_id", "draft_id", "offset", "limit", "timeout", "max_connections"}
)
OBJECTS = frozenset(
    {"entities", "caption_entities", "reply_markup", "commands", "scope", "allowed_updates", "link_preview_options"}
)
SWITCHES = frozenset({"drop_pending_updates", "can_stop", "keep_on_stop", "disable_notification", "show_alert"})


@dataclass(frozen=True)
class Upload:
    """A file in a multipart body."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Call:
    """One call as it was understood."""

    method: str
    parameters: Mapping[str, Any]
    files: Mapping[str, Upload] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - JSON
        """A parameter, or the default."""
        return self.parameters.get(name, default)


def read_call(method: str, request: HttpRequest) -> Call:
    """The call; `ApiError` 400 when its body cannot be read."""
    kind = request.headers.get("content-type", "")
    try:
        if kind.startswith("application/json"):
            return Call(method, {**request.query, **json.loads(request.body or b"{}")})
        if kind.startswith("multipart/form-data"):
            fields, files = _multipart(kind, request.body)
            return Call(method, _typed({**request.query, **fields}), files)
        return Call(method, _typed({**request.query, **dict(parse_qsl(request.body.decode(), keep_blank_values=True))}))
    except (ValueError, TypeError) as error:
        raise bad(f"can't parse the request: {error}") from error


def _multipart(kind: str, body: bytes) -> tuple[dict[str, str], dict[str, Upload]]:
    whole = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    for part in whole.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        if (file_name := part.get_filename()) is not None:
            files[name] = Upload(file_name, content)
        else:
            fields[name] = content.decode()
    return fields, files


def _typed(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: _value(name, text) for name, text in fields.items()}


def _value(name: str, text: str) -> Any:  # noqa: ANN401 - JSON
    if name in OBJECTS:
        return json.loads(text)
    if name in SWITCHES:
        return text.lower() == "true"
    return int(text) if name in NUMBERS and text.lstrip("-").isdigit() else text
