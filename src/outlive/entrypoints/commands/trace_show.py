"""`outlive trace show`: how a session's last turn went, as a picture."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def trace_show(
    session: options.Session, *, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False
) -> None:
    """Draw the steps of a session's last turn.

    When each began, how long it took, and what it found in which tier. Traces are kept
    where the setting `trace` is `on`.
    """
    from outlive.entrypoints.running import at_session
    from outlive.entrypoints.terminal.drawing import drawn_trace, title_of
    from outlive.flows.turn.keep_trace import read_trace

    trace = at_session(session, read_trace, data=data, tenant=tenant)
    if json:
        print_json(trace)
        return
    say(title_of(trace))
    for line in drawn_trace(trace):
        print_text(line)
