"""The parameters that routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

Session = Annotated[str, Path(description="Session id, or session key as one percent-encoded segment.", min_length=1)]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[str, Query(max_length=1024, description="Go on behind this one: `after` of the page before.")]
Force = Annotated[bool, Query(description="Also where a turn runs: it loses its lease.")]
Agent = Annotated[str, Query(min_length=1, max_length=128, description="The agent, by its profile.")]
MAX_NUMBER = 2**31
"""Of versions and turns: no session lives that long."""
