"""What the scripted model needs of a protocol: to read its calls, and to write answers and errors in its forms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from outlive.testing.scripted_model.answers import Json, Refusal
from outlive.testing.scripted_model.checks import read_call
from outlive.testing.scripted_model.http import HttpRequest, HttpResponse
from outlive.testing.scripted_model.wire import error_headers, error_json


class Face(Protocol):
    """One protocol in which the model can be called."""

    @property
    def stream_type(self) -> str:
        """The content type of a streamed answer."""

    def read(self, request: HttpRequest, *, counting: bool) -> Json | Refusal:
        """The call as a body of the Messages API with `model` and `stream`, or why it is refused."""

    def model_name(self, body: Json) -> str:
        """What an answer calls the model."""

    def encode(self, event: Json) -> bytes:
        """One event of a stream."""

    def encode_error(self, refusal: Refusal, request_id: str) -> bytes:
        """The event that ends a stream with an error."""

    def counted(self, tokens: int) -> Json:
        """The answer to a call to count tokens."""

    def refuse(self, refusal: Refusal, identity: Mapping[str, str]) -> HttpResponse:
        """An error answer; `identity` are the headers every answer has."""


@dataclass(frozen=True, slots=True)
class MessagesFace:
    """Implements `Face`: the Messages API. `models` refuses every other model name."""

    models: Sequence[str] | None
    stream_type: str = "text/event-stream"

    def read(self, request: HttpRequest, *, counting: bool) -> Json | Refusal:
        return read_call(request.headers, request.body, models=self.models, counting=counting)

    def model_name(self, body: Json) -> str:
        return str(body["model"])

    def encode(self, event: Json) -> bytes:
        return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()

    def encode_error(self, refusal: Refusal, request_id: str) -> bytes:
        return self.encode(error_json(refusal, request_id))

    def counted(self, tokens: int) -> Json:
        return {"input_tokens": tokens}

    def refuse(self, refusal: Refusal, identity: Mapping[str, str]) -> HttpResponse:
        body = json.dumps(error_json(refusal, identity["request-id"])).encode()
        headers = {"content-type": "application/json", **identity, **error_headers(refusal)}
        return HttpResponse(refusal.status, body, headers)
