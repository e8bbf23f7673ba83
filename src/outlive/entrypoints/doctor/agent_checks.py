"""Checks of the agent: its model, its profile, its program."""

from __future__ import annotations

import subprocess
from importlib.metadata import version

from outlive.entrypoints.doctor.findings import Found, fail, warn
from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.wiring import agent_program, choose_model, explain_model, isolation_here, load_profile

PATIENCE = 30
OWN_PAIR = "Set BEDROCK_ACCESS_KEY_ID and BEDROCK_SECRET_ACCESS_KEY of an identity that may call models only."


def model(settings: Settings) -> Found:
    """Which model would answer; nobody is asked."""
    try:
        chosen = choose_model(settings, stand_in=False)
    except Invalid as error:
        if settings.model:
            raise
        return warn("none is set up: `chat` and `demo` use the scripted model, `worker` does not start", str(error.fix))
    if chosen.provider == "scripted":
        return warn("the scripted model, which is not a language model", "Set a key and leave out the model's name.")
    told = explain_model(chosen)
    if chosen.provider == "bedrock" and chosen.key_pair is None:
        return warn(f"{told}; the agent and its tools get these credentials too", OWN_PAIR)
    if chosen.provider == "bedrock" and chosen.model is None:
        return warn(f"{told}; the CLI tries several at every cold start", "Set OUTLIVE_MODEL.")
    return Found(told)


def profile(settings: Settings) -> Found:
    """The profile of new sessions."""
    found = load_profile(settings)
    return Found(f"{found.name}, prompt version {found.digest[:12]}")


def isolation(settings: Settings) -> Found:
    """How agents are kept apart here, tried out."""
    found = isolation_here(settings)
    if found.sandbox:
        return Found(f"agents run in the sandbox of {found.sandbox.program}")
    if found.users:
        return Found(f"agents run as users {found.users.first} to {found.users.last}")
    fix = "Run the worker as root, or set OUTLIVE_ISOLATION to bubblewrap."
    if found.tenancy == "alone":
        return warn("agents run as this user, of one tenant at a time, and can read what it can", fix)
    return warn("agents run as this user, and nothing keeps tenants apart while they run", fix)


def program(_settings: Settings) -> Found:
    """Whether the CLI starts, and which one it is."""
    path = agent_program()
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - the SDK's own program
    except subprocess.TimeoutExpired:
        return fail(f"{path} did not answer for {PATIENCE} s", "Look at the machine's load, or install it again.")
    if done.returncode:
        return fail(f"{path} fails: {done.stderr.strip()[:200]}", "Install claude-agent-sdk again, for this platform.")
    return Found(f"{done.stdout.strip()}, claude-agent-sdk {version('claude-agent-sdk')}")
