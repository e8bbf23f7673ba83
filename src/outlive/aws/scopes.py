"""Credentials for one tenant: a role taken with a session policy on its key range and its prefix of the bucket.

A session policy can only take away from what the role allows
(https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from outlive.aws.client import Place, TemporaryKeys, open_client, parse_place, translated
from outlive.core.buckets import express_zone
from outlive.errors import Invalid
from outlive.protocols import Clock

SECONDS = 3600
"""The longest that a role taken by a role may be held."""
FRESH_SECONDS = 2400.0
"""How long credentials are given out: what begins with them then has the rest of the hour."""

RECORDS = tuple(f"dynamodb:{name}" for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"))
SESSIONS = ("s3express:CreateSession",)
OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
MODELS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


@dataclass(frozen=True, slots=True)
class Taken:
    """Credentials, and when they were taken."""

    keys: TemporaryKeys
    at: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What the policies speak of, by ARN."""

    table: str
    bucket: str
    is_express: bool = False
    """A directory bucket: it opens sessions for the whole of it, so a policy cannot tell its prefixes apart."""

    def policy(self, scope: str) -> str:
        """Of a tenant: its partition of the table, its prefix of the bucket, and nothing else."""
        # A request without a key would satisfy this; none of these actions can be asked for without one.
        only_ours = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [scope]}}
        records = _allow(RECORDS, [self.table], only_ours)
        if self.is_express:
            return _document(records, _allow(SESSIONS, [self.bucket]))
        return _document(
            records,
            _allow(OBJECTS, [f"{self.bucket}/{scope}/*"]),
            _allow(["s3:ListBucket"], [self.bucket], {"StringLike": {"s3:prefix": [f"{scope}/*"]}}),
        )


def stores_of(role: str, table_url: str, objects_url: str) -> Stores:
    """The ARNs of table and bucket, in the role's own partition and account; `Invalid` when they are not AWS's."""
    _, partition, _, _, account, _ = role.split(":", 5)
    bucket = urlsplit(objects_url)
    if bucket.scheme != "s3" or bucket.path.strip("/"):
        raise Invalid(
            f"OUTLIVE_TURN_ROLE cannot guard {objects_url!r}.", fix="Keep the objects at s3://BUCKET, without a prefix."
        )
    place = parse_place(table_url, "dynamodb")
    region = place.region or os.environ.get("AWS_REGION") or "*"
    table = f"arn:{partition}:dynamodb:{region}:{account}:table/{place.name}"
    if express_zone(bucket.netloc):
        return Stores(table, f"arn:{partition}:s3express:{region}:{account}:bucket/{bucket.netloc}", is_express=True)
    return Stores(table, f"arn:{partition}:s3:::{bucket.netloc}")


class Scopes:
    """Takes the role for whoever asks, once in a while for each tenant.

    There is no way round it: a role that cannot be taken is `Unavailable`; nobody goes on with other credentials.
    """

    def __init__(self, client: Any, role: str, stores: Stores, clock: Clock) -> None:  # noqa: ANN401 - see `open_client`
        """Use `open_scopes`."""
        self._client, self._role, self._stores, self._clock = client, role, stores, clock
        self._taken: dict[str, Taken] = {}

    async def for_tenant(self, scope: str) -> Taken:
        """Credentials for what lies below one name: a tenant's, or one of the records for all (`_outbox`)."""
        taken = self._taken.get(scope)
        if taken is None or not self.is_fresh(taken.at):
            self._taken = {name: each for name, each in self._taken.items() if self.is_fresh(each.at)}
            at = self._clock.now()
            taken = self._taken[scope] = Taken(await self._take(scope, self._stores.policy(scope)), at)
        return taken

    async def for_bedrock(self) -> TemporaryKeys:
        """Credentials that call models, for the agent's own process."""
        return await self._take("bedrock", _document(_allow(MODELS, ["*"])))

    def is_fresh(self, at: float) -> bool:
        """Whether credentials taken then are still given out."""
        return self._clock.now() - at <= FRESH_SECONDS

    async def _take(self, name: str, policy: str) -> TemporaryKeys:
        async with translated(f"role {self._role}"):
            taken = await self._client.assume_role(
                RoleArn=self._role, RoleSessionName=f"outlive-{name}"[:64], Policy=policy, DurationSeconds=SECONDS
            )
        found = taken["Credentials"]
        return TemporaryKeys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


async def open_scopes(role: str, table_url: str, objects_url: str, clock: Clock, stack: AsyncExitStack) -> Scopes:
    """Nothing is asked of the service yet. `Invalid` for stores that are not on AWS."""
    stores = stores_of(role, table_url, objects_url)
    place = parse_place(table_url, "dynamodb")
    client = await open_client("sts", Place("sts", place.region, place.endpoint), stack)
    return Scopes(client, role, stores, clock)


def _allow(
    actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, object] | None = None
) -> Mapping[str, object]:
    statement: dict[str, object] = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement if condition is None else statement | {"Condition": condition}


def _document(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
