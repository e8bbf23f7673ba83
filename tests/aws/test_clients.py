"""What AWS clients of one process share, and what they do not."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from botocore.exceptions import PartialCredentialsError
from botocore.httpsession import get_cert_path

from outlive.aws.client import Place, open_client
from outlive.aws.shared_parts import SharedTrust, new_session

NOWHERE = Place("records", "us-east-1", "https://127.0.0.1:1")


async def trust_of(stack: AsyncExitStack) -> Any:
    """The certificates that a new client of DynamoDB trusts."""
    client = await open_client("dynamodb", NOWHERE, stack)
    session = client._endpoint.http_session
    assert isinstance(session, SharedTrust)
    return session._build_ssl_contexts(None)[0]


async def test_clients_share_what_they_trust(stack: AsyncExitStack) -> None:
    """The root certificates are read once for two clients, and peers are checked against them."""
    first, second = await trust_of(stack), await trust_of(stack)
    assert first is second
    assert first.check_hostname


async def test_a_changed_bundle_is_read_anew(
    stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is opened after the file of root certificates has changed trusts the new ones."""
    bundle = tmp_path / "roots.pem"
    copyfile(get_cert_path(verify=True), bundle)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    first = await trust_of(stack)
    os.utime(bundle, (1, 1))
    assert await trust_of(stack) is not first


async def test_a_sessions_own_handler_is_no_others() -> None:
    """A handler that one session registers is not called by another one."""
    first, second = new_session(), new_session()
    first.register("before-send", lambda **_: "first")
    answers = [await session.get_component("event_emitter").emit("before-send") for session in (first, second)]
    assert [[answer for _, answer in each] for each in answers] == [["first"], []]


async def test_keys_of_the_environment_are_found_with_all_that_belongs_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, secret and token of the environment are what a session signs with."""
    for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "SESSION_TOKEN": "t"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    found = await new_session().get_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("k", "s", "t")


async def test_half_a_pair_of_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key without its secret is an error, and nothing else is tried in its place."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(PartialCredentialsError):
        await new_session().get_credentials()
