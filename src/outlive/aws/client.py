"""Clients of AWS services: where they are, how they retry, and what their errors mean."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from outlive.aws.shared_parts import SharedTrust, new_session
from outlive.errors import Invalid, Unavailable

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
ATTEMPTS = 4
"""Of the client itself, with adaptive pauses, for throttling and lost connections."""

NAME = "outlive"
"""What requests say they come from, botocore's own name and version behind it; its usual words are 165 bytes more."""

FIXES = {
    "ResourceNotFoundException": "Create the table, or correct its name and region.",
    "AWS.SimpleQueueService.NonExistentQueue": "Create the queue, or correct its name and region.",
    "AccessDenied": "Allow the action to this role.",
    "AccessDeniedException": "Allow the action to this role.",
    "UnrecognizedClientException": "Correct the credentials.",
    "ExpiredTokenException": "Renew the credentials.",
    "ThrottlingException": "Wait, or raise the limit.",
    "ProvisionedThroughputExceededException": "Wait, or raise the table's capacity.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A service's resource as its URL names it."""

    name: str
    region: str | None
    endpoint: str | None
    """Another address that speaks the service's protocol; None for AWS itself."""


def parse_place(url: str, scheme: str) -> Place:
    """`SCHEME://NAME?region=…&endpoint=http://…`; `Invalid` names what is wrong."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    unknown = query.keys() - {"region", "endpoint"} - ({"space"} if scheme == "dynamodb" else set())
    if parts.scheme != scheme or not parts.netloc or parts.path.strip("/") or unknown:
        raise Invalid(f"store URL {url!r} is not supported.", fix=f"Use {scheme}://NAME?region=REGION.")
    return Place(parts.netloc, query.get("region"), query.get("endpoint"))


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """Credentials of a role that was taken for a while."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


async def open_client(
    service: str,
    place: Place,
    stack: AsyncExitStack,
    *,
    read_seconds: float = READ_SECONDS,
    keys: TemporaryKeys | None = None,
) -> Any:  # noqa: ANN401 - a client's class is made at run time
    """A client that `stack` closes; without `keys` credentials are found as every AWS program finds them."""
    config = AioConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
        http_session_cls=SharedTrust,
        user_agent=NAME,
    )
    region = place.region or os.environ.get("AWS_REGION")  # botocore itself reads AWS_DEFAULT_REGION only
    given = {} if keys is None else _as_arguments(keys)
    client = new_session().create_client(
        service, region_name=region, endpoint_url=place.endpoint, config=config, **given
    )
    try:
        return await stack.enter_async_context(client)
    except NoRegionError as error:
        raise Invalid("AWS needs a region.", fix="Add ?region=REGION to the URL, or set AWS_REGION.") from error


def _as_arguments(keys: TemporaryKeys) -> dict[str, str]:
    return {
        "aws_access_key_id": keys.access_key_id,
        "aws_secret_access_key": keys.secret_access_key,
        "aws_session_token": keys.session_token,
    }


def code_of(error: ClientError) -> str:
    """The service's own name of the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """`Unavailable` for every error of the service or of the way to it; the one place that knows them."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        said = error.response.get("Error", {}).get("Message", "")
        raise Unavailable(f"{what}: {code}. {said}".strip(), original=error, fix=FIXES.get(code)) from error
    except (BotoCoreError, OSError, RuntimeError) as error:
        raise Unavailable(f"{what} does not answer: {error}.", original=error) from error
