"""Arguments that are JSON."""

from __future__ import annotations

import sys
from json import loads
from typing import Any

from outlive.errors import Invalid


def json_object(name: str, text: str) -> dict[str, Any]:
    """The object that the text says, or stdin does when the text is `-`; `Invalid` for anything else."""
    try:
        found = loads(sys.stdin.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{name} is not JSON: {error}.", fix="Pass an object, '{\"a\": 1}' say.") from error
    if not isinstance(found, dict):
        raise Invalid(f"{name} is no JSON object.", fix="Pass an object, '{\"a\": 1}' say.")
    return found
