"""The prompt version: one digest over everything in a profile that reaches the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b

from outlive.agents.profile_settings import ProfileSettings
from outlive.agents.servers import Server
from outlive.agents.skills import Skill
from outlive.agents.subagents import Subagent

BYTES = 16
BESIDE = ("state_filter", "state_model")
"""Settings that choose what goes with a message, and change nothing of the prompt's beginning."""


def digest_profile(
    prompt: str,
    subagents: Sequence[Subagent],
    servers: Sequence[Server],
    skills: Sequence[Skill],
    settings: ProfileSettings,
) -> str:
    """32 hexadecimal digits. Servers count as they are written: a renewed secret is no new version."""
    parts = {
        "prompt": prompt,
        "subagents": [asdict(each) for each in subagents],
        "servers": [[each.name, dict(each.written)] for each in servers if each.enabled],
        "skills": [[each.name, [[f.path, f.executable, _digest(f.content)] for f in each.files]] for each in skills],
        "settings": {name: value for name, value in asdict(settings).items() if name not in BESIDE},
    }
    return _digest(json.dumps(parts, sort_keys=True).encode())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=BYTES).hexdigest()
