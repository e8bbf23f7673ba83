"""Turns of the real CLI on Amazon Bedrock: who signs, what the agent sees, and what becomes of Bedrock's errors."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outlive.agents.claude import ClaudeAgent
from outlive.agents.credentials import KeyPair
from outlive.agents.models import ModelSettings
from outlive.agents.profiles import Profiles
from outlive.agents.workspace import DiskWorkspace
from outlive.errors import AgentFailed
from outlive.testing.scripted_model import AwsKey, Fail, FailInStream, ScriptedModel, script
from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from tests.agents.conftest import Session

pytestmark = pytest.mark.cli

ALIASES = {alias: f"eu.anthropic.claude-{alias}-5-5" for alias in ("haiku", "sonnet", "opus")}
MODEL = ALIASES["sonnet"]
OWN = AwsKey("OWNKEYID", "own/secret+access=key")
ROLE = AwsKey("ROLEKEYID", "role-secret", "role-token")
PAIR = KeyPair(OWN.access_key_id, OWN.secret_access_key)
SHOW = script(
    {"tool": "Bash", "input": {"command": "env | grep -E '^(AWS|BEDROCK|ANTHROPIC)_' | sort"}}, {"text": "ok"}
)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """Bedrock as this account has it: two keys that may call, three models."""
    async with ScriptedModel(keys=[OWN, ROLE], models=ALIASES.values()) as started:
        yield started


@pytest.fixture
def _no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was given nothing of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def on_bedrock(
    _no_aws: None, model: ScriptedModel, workspace: DiskWorkspace
) -> AsyncIterator[Callable[..., Session]]:
    """Makes a conversation on Bedrock, with other settings where they are given."""
    made: list[ClaudeAgent] = []

    def make(**other: Any) -> Session:
        usual = ModelSettings("bedrock", MODEL, base_url=model.url, region="eu-west-1", key_pair=PAIR, retries=2)
        made.append(ClaudeAgent(replace(usual, **{"aliases": ALIASES, **other}), Profiles()))
        return Session(made[-1], workspace, model)

    yield make
    for agent in made:
        await agent.close()


@pytest.fixture
def role(_no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that runs under a role, as in a function."""
    variables = {
        "AWS_ACCESS_KEY_ID": ROLE.access_key_id,
        "AWS_SECRET_ACCESS_KEY": ROLE.secret_access_key,
        "AWS_SESSION_TOKEN": ROLE.session_token or "",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_LAMBDA_FUNCTION_NAME": "agent",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def signers(model: ScriptedModel) -> set[str]:
    """Key and region of every recorded call."""
    scopes = [request.headers["authorization"].partition("Credential=")[2].split("/") for request in model.requests]
    return {f"{key}/{region}" for key, _, region, *_ in scopes}


def shown(session: Session) -> dict[str, str]:
    """The variables that the scripted command printed."""
    return dict(line.split("=", 1) for line in session.tool_results()[-1].splitlines())


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages without cache marks, a bare string as the text block that it stands for."""
    blocks = [
        [{"type": "text", "text": m["content"]}] if isinstance(m["content"], str) else m["content"] for m in messages
    ]
    return [
        {"role": m["role"], "content": [{k: v for k, v in block.items() if k != "cache_control"} for block in found]}
        for m, found in zip(messages, blocks, strict=True)
    ]


# -------------------------------------------------------------------------------------------------- turns


async def test_a_turn_with_tool_calls(on_bedrock, model: ScriptedModel) -> None:
    """Files are written and read, every call goes to the model that was set, and no other model is looked for."""
    session = on_bedrock()
    done = await session.ask("Write 'Ship on Friday' to plan.md then read plan.md")
    assert "Ship on Friday" in done.text
    assert set(model.counts) == {"turn"}
    assert {(r.body["model"], r.body["anthropic_version"]) for r in model.requests} == {(MODEL, "bedrock-2023-05-31")}
    assert (done.usage.usd > 0, done.usage.output_tokens > 0) == (True, True)


async def test_a_session_goes_on_at_another_host(on_bedrock, model: ScriptedModel) -> None:
    """After a move the request begins with exactly what the last one held, and the conversation is known."""
    session = on_bedrock()
    await session.ask("My name is Ada then write 'one' to a.txt")
    before = model.requests[-1].body
    await session.move()
    assert "Ada" in (await session.ask("What is my name?")).text
    after = model.requests[-1].body
    assert plain(after["messages"])[: len(before["messages"])] == plain(before["messages"])
    assert json.dumps(after["tools"]) == json.dumps(before["tools"])


async def test_an_application_profile_can_be_the_model(on_bedrock) -> None:
    """The ARN of an inference profile is a model id like any other."""
    arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123"
    async with ScriptedModel(keys=[OWN]) as anything:
        session = on_bedrock(model=arn, base_url=anything.url)
        assert "Ada" in (await session.ask("My name is Ada")).text
        assert {request.body["model"] for request in anything.requests} == {arn}


# -------------------------------------------------------------------------------------------- credentials


@pytest.mark.usefixtures("role")
async def test_the_own_pair_wins_over_the_role(on_bedrock, model: ScriptedModel) -> None:
    """The own pair signs for the region of the settings, and the agent sees no other AWS variable."""
    session = on_bedrock()
    await session.ask(SHOW)
    assert signers(model) == {"OWNKEYID/eu-west-1"}
    seen = {name: value for name, value in shown(session).items() if name.startswith(("AWS_", "BEDROCK_"))}
    assert seen == {
        "AWS_ACCESS_KEY_ID": OWN.access_key_id,
        "AWS_SECRET_ACCESS_KEY": OWN.secret_access_key,
        "AWS_REGION": "eu-west-1",
    }
    assert "role-" not in "\n".join(session.tool_results())


@pytest.mark.usefixtures("role")
async def test_without_an_own_pair_the_role_signs(on_bedrock, model: ScriptedModel) -> None:
    """The worker's own credentials and region are used, and nothing else of the function's variables passes."""
    session = on_bedrock(key_pair=None, region=None)
    await session.ask(SHOW)
    assert signers(model) == {"ROLEKEYID/eu-central-1"}
    assert "AWS_LAMBDA_FUNCTION_NAME" not in shown(session)


async def test_the_workers_profile_signs(on_bedrock, model: ScriptedModel, tmp_path, monkeypatch) -> None:
    """A profile of the worker's AWS files is found, though the agent's home is another one."""
    (tmp_path / ".aws").mkdir()
    keys = f"aws_access_key_id = {OWN.access_key_id}\naws_secret_access_key = {OWN.secret_access_key}\n"
    (tmp_path / ".aws/credentials").write_text(f"[models]\n{keys}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "models")
    await on_bedrock(key_pair=None).ask("hello")
    assert signers(model) == {"OWNKEYID/eu-west-1"}


async def test_the_containers_role_signs_and_is_renewed(on_bedrock, model: ScriptedModel, monkeypatch) -> None:
    """Credentials of a container's address sign, and are fetched again while the turn runs once they run out."""
    fetched: list[str] = []

    async def answer(request: HttpRequest) -> HttpResponse:
        fetched.append(request.headers["authorization"])
        keys = {"AccessKeyId": ROLE.access_key_id, "SecretAccessKey": ROLE.secret_access_key}
        end = f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
        told = {**keys, "Token": ROLE.session_token, "Expiration": end}
        return HttpResponse(200, json.dumps(told).encode(), {"content-type": "application/json"})

    server = HttpServer(answer, "127.0.0.1", 0, 1000)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{await server.start()}/role")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod")
    try:
        await on_bedrock(key_pair=None).ask(script({"tool": "Bash", "input": {"command": "sleep 2"}}, {"text": "done"}))
    finally:
        await server.stop()
    assert signers(model) == {"ROLEKEYID/eu-west-1"}
    assert (set(fetched), len(fetched) > 1) == ({"pod"}, True)


async def test_a_wrong_secret_is_named(on_bedrock, model: ScriptedModel) -> None:
    """Bedrock refuses the signature, no turn reaches the model, and the fix names the credentials."""
    session = on_bedrock(key_pair=replace(PAIR, secret_access_key="wrong"), retries=0)
    with pytest.raises(AgentFailed, match=r"signature.*BEDROCK_SECRET_ACCESS_KEY"):
        await session.ask("hello")
    assert set(model.counts) == {"rejected"}


async def test_missing_credentials_are_named(on_bedrock, model: ScriptedModel, monkeypatch) -> None:
    """Where nothing signs, nothing is sent, and the fix names what can be set."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AgentFailed, match=r"credentials.*BEDROCK_ACCESS_KEY_ID"):
        await on_bedrock(key_pair=None, retries=0).ask("hello")
    assert not model.counts


# ------------------------------------------------------------------------------------------------- errors


async def test_an_unknown_model_is_named(on_bedrock) -> None:
    """A model id that Bedrock does not know is an error that tells where to look."""
    with pytest.raises(AgentFailed, match=r"model identifier is invalid.*inference profile"):
        await on_bedrock(model="eu.anthropic.nobody", retries=0).ask("hello")


async def test_throttling_is_waited_out(on_bedrock, model: ScriptedModel) -> None:
    """Calls that Bedrock throttles are made again, and the turn ends well."""
    model.order(Fail(429, times=2, retry_after=0))
    assert "Ada" in (await on_bedrock().ask("My name is Ada")).text
    assert [request.status for request in model.requests] == [429, 429, 200]


async def test_an_error_inside_a_stream_is_survived(on_bedrock, model: ScriptedModel) -> None:
    """A stream that ends with an exception is asked for again, and the answer is whole and there once."""
    model.order(FailInStream())
    done = await on_bedrock().ask("My name is Ada")
    assert done.text.count("your name is Ada") == 1
    assert len(model.requests) == 2


async def test_errors_that_last_end_the_turn(on_bedrock, model: ScriptedModel) -> None:
    """When every stream breaks the turn fails with Bedrock's words, and the session can be used afterwards."""
    session = on_bedrock(retries=0)
    model.order(FailInStream(times=2))
    with pytest.raises(AgentFailed, match="Ordered error 500"):
        await session.ask("My name is Ada")
    assert "Grace" in (await session.ask("My name is Grace")).text
