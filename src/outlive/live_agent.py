"""The Claude agent as the settings want it, and the processes that it keeps alive."""

from __future__ import annotations

from typing import Any

from outlive.agents.isolation import Isolation
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.residents import Residents
from outlive.agents.spares import SpareLimits, Spares
from outlive.agents.warm import WarmLimits, WarmProcesses
from outlive.agents.workspace import DiskWorkspaces, Slot, spare_session_id
from outlive.clock import SystemClock
from outlive.protocols import Agent
from outlive.settings import Settings

ALONE_SECONDS = 20.0
"""How long a process may rest where one tenant at a time has the machine: others wait for it as for a running turn."""


def open_warm(settings: Settings, isolation: Isolation, residents: Residents[Slot]) -> WarmProcesses[Any] | None:
    """What rests between turns."""
    if not settings.warm_processes:
        return None
    seconds = settings.warm_seconds if isolation.tenancy == "parted" else min(settings.warm_seconds, ALONE_SECONDS)
    limits = WarmLimits(settings.warm_processes, seconds, settings.warm_memory_mb)
    return WarmProcesses(limits, residents, SystemClock())


def open_spares(
    settings: Settings, isolation: Isolation, trees: DiskWorkspaces, warm: WarmProcesses[Any] | None
) -> Spares[Slot, Any] | None:
    """What is started ahead; see docs/decisions/warm-processes.md for where nothing is."""
    if warm is None or not settings.spare_processes or isolation.tenancy != "parted" or settings.memory:
        return None
    limits = SpareLimits(settings.spare_processes, settings.spare_seconds)
    return Spares(limits, trees, warm, spare_session_id)


def open_claude(
    settings: Settings,
    model: ModelSettings,
    isolation: Isolation,
    warm: WarmProcesses[Any] | None,
    spares: Spares[Slot, Any] | None,
) -> Agent:
    """The Claude agent; `Invalid` for a broken profile. A process that runs no turn never loads the SDK."""
    from outlive.agents.claude import ClaudeAgent  # noqa: PLC0415

    profiles = Profiles(settings.profiles)
    profiles.load(settings.profile)
    return ClaudeAgent(
        model,
        profiles,
        turn_seconds=settings.turn_seconds,
        options=CliOptions(ask=settings.approve, memory=settings.memory),
        isolation=isolation,
        warm=warm,
        spares=spares,
    )
