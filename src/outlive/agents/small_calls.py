"""One plain call of a model beside the agent's own: the Messages API, or Amazon Bedrock with a signature."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from outlive.agents.credentials import KeyPair, credentials, region_of
from outlive.agents.models import STAND_IN_KEY, ModelSettings
from outlive.core.signing import Keys, signed
from outlive.errors import AgentFailed

ENDPOINT = "https://api.anthropic.com"
BEDROCK_VERSION = "bedrock-2023-05-31"
MAX_ANSWER = 1 << 20


class _Stay(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: the key in the headers is for one host."""

    def redirect_request(self, *_answer: object, **_more: object) -> None:
        """Leave the redirect as the error it is here."""


_OPENER = urllib.request.build_opener(_Stay)


@dataclass(frozen=True, slots=True)
class SmallCalls:
    """How a small model is reached: as the agent's own model is, by the same settings."""

    model: ModelSettings
    inherited: Mapping[str, str] = field(repr=False)

    def ask(self, name: str, body: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The model's message; `AgentFailed` says why there is none. Blocks: to be called in a thread."""
        request = self._bedrock(name, body) if self.model.provider == "bedrock" else self._messages(name, body)
        try:
            with _OPENER.open(request, timeout=seconds) as answer:
                found = json.loads(answer.read(MAX_ANSWER))
        except (OSError, ValueError) as error:
            reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
            raise AgentFailed(f"{name} could not be asked ({reason}).") from error
        if not isinstance(found, dict):
            raise AgentFailed(f"{name} gave no message.")
        return found

    def _messages(self, name: str, body: Mapping[str, Any]) -> urllib.request.Request:
        key = self.model.api_key or STAND_IN_KEY
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
        url = f"{(self.model.base_url or ENDPOINT).rstrip('/')}/v1/messages"
        return urllib.request.Request(url, json.dumps({"model": name, **body}).encode(), headers)  # noqa: S310

    def _bedrock(self, name: str, body: Mapping[str, Any]) -> urllib.request.Request:
        region = region_of(self.model.region, self.inherited)
        base = (self.model.base_url or f"https://bedrock-runtime.{region}.amazonaws.com").rstrip("/")
        path = f"{urlsplit(base).path}/model/{quote(name, safe='')}/invoke"
        raw = json.dumps({"anthropic_version": BEDROCK_VERSION, **body}).encode()
        headers = {"host": urlsplit(base).netloc, "content-type": "application/json", "accept": "application/json"}
        headers = self._signed(headers, raw, path, region)
        return urllib.request.Request(base + path.removeprefix(urlsplit(base).path), raw, headers)  # noqa: S310

    def _signed(self, headers: dict[str, str], raw: bytes, path: str, region: str) -> dict[str, str]:
        """With the signature of whoever signs the agent's own calls; `AgentFailed` when nobody here can."""
        known = credentials(self.model.key_pair, self.inherited)
        if known.get("CLAUDE_CODE_SKIP_BEDROCK_AUTH"):
            return headers
        if self.model.key_pair is None and (token := known.get("AWS_BEARER_TOKEN_BEDROCK")):
            return headers | {"authorization": f"Bearer {token}"}
        # Every service but S3 signs the path encoded once more than it is sent.
        place = {"path": quote(path, safe="/-_.~"), "service": "bedrock", "region": region}
        return signed(headers, raw, keys=_keys(self.model.key_pair, known), now=time.time(), **place)


def _keys(own: KeyPair | None, known: Mapping[str, str]) -> Keys:
    """The own pair, the environment's, or what botocore finds: a profile, a web identity, the machine's role."""
    if own is None and not (known.get("AWS_ACCESS_KEY_ID") and known.get("AWS_SECRET_ACCESS_KEY")):
        return _found_keys()
    token = known.get("AWS_SESSION_TOKEN", "")
    return Keys(known["AWS_ACCESS_KEY_ID"], known["AWS_SECRET_ACCESS_KEY"], token)


def _found_keys() -> Keys:
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - an extra
        from botocore.session import Session  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AgentFailed("there are no keys for Bedrock.", fix="Run `pip install 'outlive[aws]'`.") from error
    try:
        found = Session().get_credentials()
    except BotoCoreError as error:
        raise AgentFailed(f"there are no keys for Bedrock: {error}.") from error
    if found is None:
        raise AgentFailed("there are no keys for Bedrock.", fix="Set BEDROCK_ACCESS_KEY_ID and its secret.")
    frozen = found.get_frozen_credentials()
    return Keys(frozen.access_key, frozen.secret_key, frozen.token or "")
