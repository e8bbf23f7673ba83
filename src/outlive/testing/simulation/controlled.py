"""What a universe is made of, with approvals, limits of money and the kill switch or without."""

from __future__ import annotations

from random import Random
from typing import Any

from outlive.core.quotas import Quotas
from outlive.protocols import Clock
from outlive.testing.simulation.agent import SimulatedAgent
from outlive.testing.simulation.asking_agent import AskingAgent
from outlive.testing.simulation.control_history import ControlHistory
from outlive.testing.simulation.controls import APPROVAL_SECONDS, APPROVER, CONTROL_SECONDS
from outlive.testing.simulation.controls_monitor import ControlsMonitor
from outlive.testing.simulation.monitor import Monitor
from outlive.testing.simulation.processes import Process
from outlive.testing.simulation.scenarios import Scenario


def make_monitor(scenario: Scenario, blobs: dict[str, tuple[bytes, float]]) -> Monitor:
    """Who sees to it that no promise is broken."""
    if scenario.controls is None:
        return Monitor(blobs)
    controls = ControlHistory(quotas(scenario), scenario.controls.unreadable)
    return ControlsMonitor(blobs, controls, is_quiet=scenario.is_quiet)


def make_agent(scenario: Scenario, process: Process, monitor: Monitor, clock: Clock, random: Random) -> SimulatedAgent:
    """The agent of one process."""
    if scenario.controls is not None and isinstance(monitor, ControlsMonitor):
        return AskingAgent(process, monitor, clock, random, asks=scenario.controls.asks)
    return SimulatedAgent(process, monitor, clock, random, loses_lines=scenario.torn_transcripts)


def quotas(scenario: Scenario) -> Quotas:
    """What every worker is set up with."""
    at_once = 1 if scenario.crowded else None
    if scenario.controls is None:
        return Quotas(max_concurrent_turns=at_once)
    controls = scenario.controls
    return Quotas(max_usd_per_turn=controls.per_turn, max_usd_per_day=controls.per_day, max_concurrent_turns=at_once)


def settings(scenario: Scenario) -> dict[str, Any]:
    """What else of the policy belongs to approvals and the switch."""
    if scenario.controls is None:
        return {}
    return {
        "control_seconds": CONTROL_SECONDS,
        "approval_seconds": APPROVAL_SECONDS,
        "approvers": (APPROVER,),
    }
