"""What a session's options come to, given the policy."""

from __future__ import annotations

from outlive.core.controls import WhileBusy
from outlive.core.session_options import SessionOptions
from outlive.flows.engine import Engine


def chosen_model(engine: Engine, options: SessionOptions) -> str | None:
    """The model of a session's next turn; None for the usual one, also where the choice is offered no more."""
    return options.model if options.model in engine.policy.models else None


def busy_mode(engine: Engine, options: SessionOptions) -> WhileBusy:
    """What a second message does in a session."""
    return options.while_busy or engine.policy.while_busy
