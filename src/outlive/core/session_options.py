"""What somebody has chosen for one session in place of the settings: the model, and what a second message does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outlive.core.controls import WhileBusy
from outlive.errors import Invalid

DEFAULT = "default"
"""The word that takes a choice back."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Choices; what is not chosen is as the settings say."""

    model: str = ""
    """Empty: the profile's, or the worker's."""
    while_busy: WhileBusy | None = None


NO_OPTIONS = SessionOptions()


def options_json(options: SessionOptions) -> dict[str, str]:
    """As stored in a head: what is chosen."""
    chosen = {"model": options.model, "while_busy": options.while_busy.value if options.while_busy else ""}
    return {name: value for name, value in chosen.items() if value}


def options_from_json(fields: Mapping[str, Any]) -> SessionOptions:
    """The options back; `ValueError` or `TypeError` for what they cannot be."""
    model, mode = fields.get("model", ""), fields.get("while_busy")
    if fields.keys() - {"model", "while_busy"} or not isinstance(model, str):
        raise ValueError("options")
    return SessionOptions(model, WhileBusy(mode) if mode else None)


def parse_while_busy(text: str) -> WhileBusy | None:
    """A mode by its name, None for the default; `Invalid` names those that there are."""
    if text == DEFAULT:
        return None
    try:
        return WhileBusy(text)
    except ValueError as error:
        names = ", ".join([*(mode.value for mode in WhileBusy), DEFAULT])
        raise Invalid(f"while_busy {text!r} is not known.", fix=f"Use one of {names}.") from error
