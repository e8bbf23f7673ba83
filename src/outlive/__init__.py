"""Claude agents that outlive their compute: stateful agents on stateless machines.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outlive.core.turns import CrashPolicy
    from outlive.errors import (
        AgentFailed,
        Conflict,
        Corrupt,
        Invalid,
        NotFound,
        OutliveError,
        Refused,
        Unavailable,
    )
    from outlive.flows.run_turn import Turn
    from outlive.flows.session_store.store import SessionStore
    from outlive.settings import Settings, load_settings
    from outlive.wiring import App, open_app, open_session_store

__all__ = [
    "AgentFailed",
    "App",
    "Conflict",
    "Corrupt",
    "CrashPolicy",
    "Invalid",
    "NotFound",
    "OutliveError",
    "Refused",
    "SessionStore",
    "Settings",
    "Turn",
    "Unavailable",
    "load_settings",
    "open_app",
    "open_session_store",
]

_HOMES = {
    "App": "outlive.wiring",
    "CrashPolicy": "outlive.core.turns",
    "SessionStore": "outlive.flows.session_store.store",
    "Settings": "outlive.settings",
    "Turn": "outlive.flows.run_turn",
    "load_settings": "outlive.settings",
    "open_app": "outlive.wiring",
    "open_session_store": "outlive.wiring",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'outlive' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "outlive.errors")), name)
