"""The scripted model's second face: Amazon Bedrock, with signed calls, binary streams and Bedrock's own errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from outlive.testing.scripted_model.answers import Json, Refusal
from outlive.testing.scripted_model.checks import read_body
from outlive.testing.scripted_model.eventstream import CONTENT_TYPE, event_frame, exception_frame
from outlive.testing.scripted_model.http import HttpRequest, HttpResponse
from outlive.testing.scripted_model.sigv4 import AwsKey, check_signature
from outlive.testing.scripted_model.wire import error_headers

VERSION = "bedrock-2023-05-31"
"""What `anthropic_version` in a body has to be."""
STREAMED = "invoke-with-response-stream"
STAND_IN_KEY = AwsKey("SCRIPTEDMODELKEYID", "scripted-model-secret-access-key")
"""The key pair that may call unless others are named."""
ERRORS: Mapping[int, tuple[int, str]] = {
    400: (400, "ValidationException"),
    401: (403, "UnrecognizedClientException"),
    402: (403, "AccessDeniedException"),
    403: (403, "AccessDeniedException"),
    404: (404, "ResourceNotFoundException"),
    405: (404, "UnknownOperationException"),
    413: (400, "ValidationException"),
    429: (429, "ThrottlingException"),
    500: (500, "InternalServerException"),
    504: (408, "ModelTimeoutException"),
    529: (503, "ServiceUnavailableException"),
}
"""The Messages API's statuses -> Bedrock's status and name for the same trouble."""
_IN_STREAM: Mapping[int, str] = {
    400: "validationException",
    429: "throttlingException",
    504: "modelTimeoutException",
    529: "serviceUnavailableException",
}
_PAD = "abcdefghijklmnop"
"""Bedrock pads its chunks, so that their lengths tell less."""


@dataclass(frozen=True, slots=True)
class BedrockFace:
    """Implements `Face`: the runtime of Amazon Bedrock.

    `keys` are the key pairs that may call; `models` refuses every other model id.
    """

    keys: Sequence[AwsKey]
    models: Sequence[str] | None
    stream_type: str = CONTENT_TYPE

    def denied(self, request: HttpRequest) -> Refusal | None:
        """Why the caller is turned away before anything is read."""
        return check_signature(request, self.keys, service="bedrock")

    def read(self, request: HttpRequest, *, counting: bool) -> Json | Refusal:
        raw = self.denied(request) or (_wrapped(request.body) if counting else request.body)
        if isinstance(raw, Refusal):
            return raw
        model, _, operation = unquote(request.path.removeprefix("/model/")).rpartition("/")
        if self.models is not None and model not in self.models:
            return Refusal(400, "The provided model identifier is invalid.")
        body = read_body(raw, counting=counting, add={"model": model, "stream": operation == STREAMED})
        if isinstance(body, dict) and body.get("anthropic_version") != VERSION:
            return Refusal(400, f'anthropic_version: Input should be "{VERSION}"')
        return body

    def model_name(self, body: Json) -> str:
        return str(body["model"]).rpartition("/")[2].rpartition("anthropic.")[2].removesuffix("-v1:0")

    def encode(self, event: Json) -> bytes:
        told = event | {"amazon-bedrock-invocationMetrics": {}} if event["type"] == "message_stop" else event
        payload = {"bytes": base64.b64encode(json.dumps(told).encode()).decode(), "p": _PAD}
        return event_frame("chunk", json.dumps(payload).encode())

    def encode_error(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - a header told it
        told = {"message": refusal.message, "originalStatusCode": refusal.status, "originalMessage": refusal.message}
        return exception_frame(_IN_STREAM.get(refusal.status, "modelStreamErrorException"), json.dumps(told).encode())

    def counted(self, tokens: int) -> Json:
        return {"inputTokens": tokens}

    def refuse(self, refusal: Refusal, identity: Mapping[str, str]) -> HttpResponse:
        status, name = ERRORS[refusal.status]
        headers = {
            "content-type": "application/json",
            "x-amzn-requestid": identity["request-id"],
            "x-amzn-errortype": refusal.named or name,
        }
        body = json.dumps({"message": refusal.message}).encode()
        return HttpResponse(status, body, {**headers, **identity, **error_headers(refusal)})


def _wrapped(raw: bytes) -> bytes | Refusal:
    """The body inside a call to count tokens."""
    try:
        return base64.b64decode(json.loads(raw)["input"]["invokeModel"]["body"], validate=True)
    except (ValueError, KeyError, TypeError):
        return Refusal(400, "input.invokeModel.body: a request body in base64 is required")
