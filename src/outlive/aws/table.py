"""A table on DynamoDB: one item per record, single-item conditional writes, strongly consistent reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, assert_never

from botocore.exceptions import ClientError

from outlive.aws.client import Place, TemporaryKeys, code_of, open_client, parse_place, translated
from outlive.aws.items import Item, item_key, item_of, listed_row, number, row_of, ttl
from outlive.core.limits import check_body, check_lease, check_limit, check_table_key, check_text, created_lease
from outlive.core.record_bodies import pack
from outlive.errors import AlreadyExists, NotFound, VersionConflict
from outlive.protocols import Absent, At, Expected, Free, Hold, Keep, LeaseChange, Raise, Row

PAGE = 500

NAMES = {"#version": "version", "#fence": "fence", "#owner": "owner", "#until": "until", "#ttl": "ttl"}
"""Reserved words of DynamoDB among them, so all go by an alias."""
MATCHES = "#version = :version AND #fence = :fence"
FREE_OR_OURS = "attribute_exists(pk) AND (attribute_not_exists(#owner) OR #owner = :owner OR #until <= :now)"
TAKE = "SET #owner = :owner, #until = :until ADD #version :one, #fence :one"


class DynamoTable:
    """Records in a DynamoDB table whose keys are `pk` and `sk`, both strings."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - see `open_client`
        place: Place,
        stack: AsyncExitStack,
        *,
        is_strict: bool = True,
    ) -> None:
        """Use `DynamoTable.open`; without `is_strict` what is read may be old (see `dax`)."""
        self._client, self._name, self._stack, self._is_strict = client, place.name, stack, is_strict
        self._what = f"DynamoDB table {place.name}"

    @classmethod
    async def open(cls, url: str, *, keys: TemporaryKeys | None = None) -> DynamoTable:
        """`dynamodb://TABLE?region=…`; nothing is asked of the service yet. `Invalid` for a URL that is none."""
        place, stack = parse_place(url, "dynamodb"), AsyncExitStack()
        return cls(await open_client("dynamodb", place, stack, keys=keys), place, stack)

    async def read(self, key: str) -> Row | None:
        check_table_key(key)
        async with translated(self._what):
            found = await self._client.get_item(TableName=self._name, Key=item_key(key), ConsistentRead=self._is_strict)
        return row_of(found["Item"]) if "Item" in found else None

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        check_table_key(key)
        check_body(key, body)
        check_lease(lease, expected)
        match expected:
            case Absent(fence):
                return await self._create(key, body, fence, lease, expires_at)
            case At():
                return await self._update(key, body, expected, lease, expires_at)
            case _:
                assert_never(expected)

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        check_table_key(key)
        check_text("lease owner", owner)
        values = {":owner": {"S": owner}, ":now": number(now), ":until": number(until), ":one": number(1)}
        async with translated(self._what):
            try:
                changed = await self._client.update_item(
                    TableName=self._name,
                    Key=item_key(key),
                    UpdateExpression=TAKE,
                    ConditionExpression=FREE_OR_OURS,
                    ExpressionAttributeNames={name: NAMES[name] for name in ("#version", "#fence", "#owner", "#until")},
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if not _is_refused(error):
                    raise
                if not error.response.get("Item"):
                    raise NotFound(f"There is no record {key!r}.") from error
                return None
        return row_of(changed["Attributes"])

    async def delete(self, key: str, *, expected: At) -> None:
        check_table_key(key)
        async with translated(self._what):
            try:
                await self._client.delete_item(
                    TableName=self._name,
                    Key=item_key(key),
                    ConditionExpression=MATCHES,
                    ExpressionAttributeNames={name: NAMES[name] for name in ("#version", "#fence")},
                    ExpressionAttributeValues=_expected(expected),
                )
            except ClientError as error:
                raise _moved_on(key, expected, error) from error

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        """One partition when the prefix names a tenant; the whole table otherwise, for operators only."""
        check_text("prefix", prefix, at_least=0)
        check_text("after", after, at_least=0)
        check_limit(limit)
        if "/" not in prefix:
            return await self._scan_all(prefix, after, limit)
        tenant, _, rest = prefix.partition("/")
        rows: list[Row] = []
        start: Item | None = item_key(after) if after.startswith(prefix) else None
        if start is None and after > prefix:  # behind everything with this prefix
            return []
        while len(rows) < limit:
            page = await self._page("query", start, limit - len(rows), tenant=tenant, rest="/" + rest)
            rows += map(listed_row, page["Items"])
            start = page.get("LastEvaluatedKey")
            if start is None:
                break
        return rows

    async def ping(self) -> None:
        async with translated(self._what):
            await self._client.describe_table(TableName=self._name)

    async def close(self) -> None:
        await self._stack.aclose()

    async def _create(self, key: str, body: bytes, fence: int, lease: LeaseChange, expires_at: float | None) -> Row:
        fence, owner, until = created_lease(lease, fence)
        row = Row(key, body, 1, fence, owner, until, expires_at)
        async with translated(self._what):
            try:
                await self._client.put_item(
                    TableName=self._name, Item=item_of(row), ConditionExpression="attribute_not_exists(pk)"
                )
            except ClientError as error:
                if _is_refused(error):
                    raise AlreadyExists(f"There is a record {key!r} already.") from error
                raise
        return row

    async def _update(self, key: str, body: bytes, expected: At, lease: LeaseChange, expires_at: float | None) -> Row:
        """The record is sent back only where its lease is not known here."""
        asked = _changes(body, expected, lease, expires_at)
        if isinstance(lease, Keep):
            asked["ReturnValues"] = "ALL_NEW"
        async with translated(self._what):
            try:
                changed = await self._client.update_item(
                    TableName=self._name, Key=item_key(key), ConditionExpression=MATCHES, **asked
                )
            except ClientError as error:
                raise _moved_on(key, expected, error) from error
        if isinstance(lease, Keep):
            return row_of(changed["Attributes"])
        return Row(key, body, expected.version + 1, *_changed_lease(lease, expected.fence), expires_at)

    async def _scan_all(self, prefix: str, after: str, limit: int) -> Sequence[Row]:
        rows: list[Row] = []
        start: Item | None = None
        while True:
            page = await self._page("scan", start, PAGE)
            rows += (row for row in map(listed_row, page["Items"]) if row.key.startswith(prefix) and row.key > after)
            start = page.get("LastEvaluatedKey")
            if start is None:
                return sorted(rows, key=lambda row: row.key)[:limit]

    async def _page(
        self, how: str, start: Item | None, limit: int, *, tenant: str = "", rest: str = ""
    ) -> Mapping[str, Any]:
        asked: dict[str, Any] = {"TableName": self._name, "ConsistentRead": self._is_strict, "Limit": limit}
        if how == "query":
            asked |= {
                "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
                "ExpressionAttributeValues": {":pk": {"S": tenant}, ":sk": {"S": rest}},
            }
        if start is not None:
            asked["ExclusiveStartKey"] = start
        async with translated(self._what):
            page: Mapping[str, Any] = await getattr(self._client, how)(**asked)
        return page


def _changes(body: bytes, expected: At, lease: LeaseChange, expires_at: float | None) -> dict[str, Any]:
    sets, removes, values = ["body = :body", "#version = #version + :one"], [], _expected(expected)
    names = {name: NAMES[name] for name in ("#version", "#fence", "#ttl")}
    values |= {":body": {"B": pack(body)}, ":one": number(1)}
    if expires_at is None:
        removes += ["expires_at", "#ttl"]
    else:
        sets += ["expires_at = :expires", "#ttl = :ttl"]
        values |= {":expires": number(expires_at), ":ttl": ttl(expires_at)}
    if not isinstance(lease, Keep):
        names |= {"#owner": "owner", "#until": "until"}
        fence, owner, until = _changed_lease(lease, expected.fence)
        sets += ["#fence = :raised", "#until = :until"]
        values |= {":raised": number(fence), ":until": number(until)}
        if owner is None:
            removes.append("#owner")
        else:
            sets.append("#owner = :owner")
            values[":owner"] = {"S": owner}
    expression = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else "")
    return {
        "UpdateExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _changed_lease(lease: Free | Hold | Raise, fence: int) -> tuple[int, str | None, float]:
    match lease:
        case Free():
            return fence, None, 0.0
        case Hold(owner, until):
            return fence, owner, until
        case Raise(raised, owner, until):
            return raised, owner, until
        case _:
            assert_never(lease)


def _is_refused(error: ClientError) -> bool:
    return code_of(error) == "ConditionalCheckFailedException"


def _moved_on(key: str, expected: At, error: ClientError) -> Exception:
    """The conflict, or the error itself when it is another one."""
    if not _is_refused(error):
        return error  # type: ignore[no-any-return]  # an exception, whatever the library says
    return VersionConflict(f"The record {key!r} is not at version {expected.version}, fence {expected.fence}.")


def _expected(expected: At) -> Item:
    return {":version": number(expected.version), ":fence": number(expected.fence)}
