"""The scripted model: a stand-in for the Messages API and for Amazon Bedrock that answers by fixed rules, and says so.

    from outlive.testing.scripted_model import ScriptedModel, script

    async with ScriptedModel() as model:
        options = ClaudeAgentOptions(env=model.env())

Or as a process of its own: `python -m outlive.testing.scripted_model --port 8123`. See docs/scripted-model.md.
"""

from __future__ import annotations

from outlive.testing.scripted_model.bedrock import STAND_IN_KEY
from outlive.testing.scripted_model.directive import BadScript, script
from outlive.testing.scripted_model.faults import Cut, Fail, FailInStream, Fault, Stall
from outlive.testing.scripted_model.record import RecordedRequest
from outlive.testing.scripted_model.server import ScriptedModel
from outlive.testing.scripted_model.sigv4 import AwsKey
from outlive.testing.scripted_model.talk import ANNOUNCEMENT

__all__ = [
    "ANNOUNCEMENT",
    "STAND_IN_KEY",
    "AwsKey",
    "BadScript",
    "Cut",
    "Fail",
    "FailInStream",
    "Fault",
    "RecordedRequest",
    "ScriptedModel",
    "Stall",
    "script",
]
