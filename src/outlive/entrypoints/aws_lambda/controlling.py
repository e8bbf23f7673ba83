"""The control function: commands, buttons and strangers of Telegram, which go round the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outlive.entrypoints.aws_lambda.kept import Kept
from outlive.entrypoints.telegram.controls import Controls
from outlive.entrypoints.telegram.intake import Intake
from outlive.entrypoints.telegram.opening import open_bot
from outlive.entrypoints.terminal.output import print_json
from outlive.wiring import App, open_at_rest

KEPT = Kept(open_at_rest)
_intakes: dict[int, Intake] = {}
"""By app: one that is kept remembers which controls took effect."""


def run_control(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take one update; what was told. An error lets Lambda try twice more."""
    told: list[str] = []

    async def take(app: App) -> None:
        intake = _intakes.get(id(app)) or await _open(app)
        intake.tell = told.append
        await intake.take([event["update"]])

    KEPT.run(take)
    print_json({"event": "control", "update": event["update"].get("update_id"), "told": told})
    return {"told": told}


async def _open(app: App) -> Intake:
    bot = await open_bot(app)
    intake = Intake(bot, Controls(bot), print)
    _intakes.clear()
    _intakes[id(app)] = intake
    return intake
