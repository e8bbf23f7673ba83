"""`settings.json` of a profile: tools, permission rules, model, memory and limits."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.agents.approval_rules import parse_rules
from outlive.agents.json_lines import At, JsonFile
from outlive.agents.permission_rules import check_rules, check_tools
from outlive.errors import Invalid

SETTINGS_FILE = "settings.json"
KEYS = (
    *("tools", "extra_tools", "permissions", "model", "memory", "memory_tools", "send_files", "max_turns", "max_usd"),
    *("state_filter", "state_model"),
)
FILTERS = ("rules", "model")
PERMISSIONS = ("allow", "deny", "ask")


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """How a profile's agent may work, where it is not as by default."""

    tools: tuple[str, ...] | None = None
    """The tools the agent is shown; None for the default ones."""
    extra_tools: tuple[str, ...] = ()
    """Tools it is shown besides."""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    """What somebody has to approve first."""
    model: str | None = None
    memory: bool = False
    """Whether the CLI's own memory is on; it lies in the session's tree and is kept with it."""
    memory_tools: bool = False
    """Whether the agent is given tools for the session's state and the user's preferences."""
    send_files: bool | None = None
    """Whether the agent may send files to its chat; None: where the chat's channel takes them."""
    max_turns: int | None = None
    max_usd: float | None = None
    state_filter: str | None = None
    """Who chooses what of the state goes with a message, `rules` or `model`; None: as the worker's settings say."""
    state_model: str | None = None
    """The small model for that; None: the worker's."""


def read_settings(file: JsonFile | None) -> ProfileSettings:
    """A profile's settings; `Invalid` names the file, the line and the fix."""
    if file is None:
        return ProfileSettings()
    given = file.value
    file.keys((), given, KEYS)
    rules = file.table(("permissions",), given.get("permissions", {}))
    file.keys(("permissions",), rules, PERMISSIONS)
    _check_asking(file, rules.get("ask", []))
    return ProfileSettings(
        tools=check_tools(file, ("tools",), given["tools"]) if "tools" in given else None,
        extra_tools=check_tools(file, ("extra_tools",), given.get("extra_tools", [])),
        model=file.text(("model",), given["model"]) if "model" in given else None,
        memory=file.flag(("memory",), given.get("memory", False)),
        memory_tools=file.flag(("memory_tools",), given.get("memory_tools", False)),
        send_files=file.flag(("send_files",), given["send_files"]) if "send_files" in given else None,
        max_turns=_max_turns(file, given.get("max_turns")),
        max_usd=_max_usd(file, given.get("max_usd")),
        state_filter=_state_filter(file, given.get("state_filter")),
        state_model=file.text(("state_model",), given["state_model"]) if "state_model" in given else None,
        **{name: check_rules(file, ("permissions", name), rules.get(name, [])) for name in PERMISSIONS},
    )


def _check_asking(file: JsonFile, value: object) -> None:
    """These are matched by us, not by the CLI: a pattern that we cannot match is refused."""
    for place, rule in enumerate(check_rules(file, ("permissions", "ask"), value)):
        try:
            parse_rules([rule])
        except Invalid as error:
            file.refuse(("permissions", "ask", place), error.message, fix=error.fix or "Leave it out.")


def _state_filter(file: JsonFile, value: object) -> str | None:
    if value is not None and value not in FILTERS:
        file.refuse(("state_filter",), f"state_filter is {value!r}.", fix='Write "rules" or "model", or leave it out.')
    return None if value is None else str(value)


def _max_turns(file: JsonFile, value: object) -> int | None:
    at: At = ("max_turns",)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        file.refuse(at, f"max_turns is {value!r}.", fix="Write a whole number from 1 on, or leave it out.")
    return value


def _max_usd(file: JsonFile, value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e9:
        file.refuse(("max_usd",), f"max_usd is {value!r}.", fix="Write dollars above 0, or leave it out.")
    return float(value)
