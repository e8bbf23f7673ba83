"""Keeps secrets out of the log: every value of a secret setting, and what has the shape of a key."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

STAND_IN = "[secret]"
SHORTEST = 6
"""A shorter value would hide words that are none; no service gives out such a secret."""
SHAPES = re.compile(
    r"\b(?:sk-|xox[abeprs]-|xapp-|gh[pousr]_|AKIA|ASIA)[A-Za-z0-9_-]{12,}"  # keys of well-known services
    r"|(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"  # tokens of Telegram bots, which stand in its URLs
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"  # name and password of a URL
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web tokens
    r"|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/-]{8,}=*"
)


class Redaction:
    """A processor of structlog's: whatever the line says, no secret is in it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets` are hidden as they are, URL-encoded, and in base64 as a whole."""
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        found = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._known = re.compile(found) if found else None

    def __call__(self, _logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        """The line with stand-ins."""
        return {name: self.clean(value) for name, value in line.items()}

    def clean(self, value: Any) -> Any:  # noqa: ANN401 - whatever a line may hold
        """The value, and everything in it, with stand-ins; what is no JSON becomes text."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                known = self._known.sub(STAND_IN, value) if self._known else value
                return SHAPES.sub(STAND_IN, known)
            case dict():
                return {self.clean(name): self.clean(each) for name, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.clean(each) for each in value]
            case bytes():
                return self.clean(value.decode(errors="replace"))
        return self.clean(str(value))


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret, safe=""), quote(secret), encoded, encoded.rstrip("="), repr(secret)[1:-1]}
