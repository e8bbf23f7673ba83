"""Clients of AWS for commands, and what their errors mean to who types them."""

# ruff: noqa: PLC0415 - an extra, loaded when a command needs it

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from outlive.errors import Invalid, NotFound, Refused, Unavailable

CREDENTIALS = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; `aws sso login` renews a profile's."
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
WRONG = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def client(service: str, region: str | None = None, endpoint: str | None = None) -> Any:  # noqa: ANN401 - a client's class is made at run time
    """A blocking client; `Invalid` without the package or a region."""
    try:
        import botocore.session
        from botocore.exceptions import NoRegionError
    except ImportError as error:
        raise Invalid("AWS needs its client.", fix="Run `pip install 'outlive[aws]'`.") from error
    chosen = region or os.environ.get("AWS_REGION")  # botocore itself reads AWS_DEFAULT_REGION only
    session = botocore.session.get_session()
    session.register_component("data_loader", _models())
    try:
        return session.create_client(service, region_name=chosen, endpoint_url=endpoint)
    except NoRegionError as error:
        raise Invalid("AWS needs a region.", fix="Pass --region, or set AWS_REGION.") from error


@cache
def _models() -> Any:  # noqa: ANN401 - a class of the package
    """The descriptions of the services, which take longer to read than a request."""
    from botocore.loaders import create_loader

    return create_loader()


@contextmanager
def explained(what: str) -> Iterator[None]:
    """An error of the service, or of the way to it, as what it means: `Refused`, `NotFound` or `Unavailable`."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except NoCredentialsError as error:
        raise Refused("there are no AWS credentials.", fix=CREDENTIALS) from error
    except ClientError as error:
        raise _meaning(what, error.response["Error"]["Code"], error) from error
    except BotoCoreError as error:
        raise Unavailable(f"{what} does not answer: {error}.", original=error) from error


def _meaning(what: str, code: str, error: Exception) -> Exception:
    if code in EXPIRED:
        return Refused("the AWS credentials have expired.", fix=CREDENTIALS)
    if code in WRONG:
        return Refused("AWS does not know these credentials.", fix=CREDENTIALS)
    if code in DENIED:
        return Refused(f"{what}: {error}", fix="Allow the action to this user or role.")
    if (
        code == "404"
        or any(sign in code for sign in ("NotFound", "NoSuch", "NonExistent"))
        or "does not exist" in str(error)
    ):
        return NotFound(f"{what} does not exist.", fix="Look at its name and region.")
    return Unavailable(f"{what}: {error}", original=error)
