"""Table, queue and hot cache by URL: the one place that knows which family answers to which scheme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from outlive.clock import SystemClock
from outlive.errors import Invalid
from outlive.flows.tenant_stores import PrefixedTable
from outlive.memory.hot_cache import MemoryHotCache
from outlive.objects.objects import UrlObjects
from outlive.protocols import Broadcast, Clock, HotCache, KeyWrap, Objects, Queue, Table
from outlive.settings import Settings
from outlive.sqlite.database import Database
from outlive.sqlite.queue import SqliteQueue
from outlive.sqlite.table import SqliteTable

if TYPE_CHECKING:
    from outlive.encryption.key_ring import KeyRing
    from outlive.postgres.database import Database as PostgresDatabase

SCHEMES = "sqlite:///ABSOLUTE/PATH, postgresql://USER@HOST/DATABASE, dynamodb://TABLE or sqs://NAME.fifo"


class Databases:
    """Opens each database once, however many parts are kept in it, and closes it with the stack it was given."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._sqlite: dict[Path, Database] = {}
        self._postgres: dict[str, PostgresDatabase] = {}

    async def table(self, url: str) -> Table:
        """The table behind `url`; `Invalid` names a URL that is not supported, and the fix."""
        match scheme_of(url):
            case "sqlite":
                return SqliteTable(await self._file(url))
            case "dynamodb":
                return await self._dynamo(url)
            case "sqs":
                raise Invalid(f"{url!r} is a queue, not a table.", fix="Use dynamodb://TABLE beside it.")
            case _:
                from outlive.postgres.table import PostgresTable  # noqa: PLC0415 - an extra

                return PostgresTable(await self._server(url))

    async def queue(self, url: str, clock: Clock) -> Queue:
        """The queue behind `url`; errors as for `table`."""
        match scheme_of(url):
            case "sqlite":
                return SqliteQueue(await self._file(url), clock=clock)
            case "sqs":
                return await self._sqs(url, clock)
            case "dynamodb":
                raise Invalid(f"{url!r} is a table, not a queue.", fix="Use sqs://NAME.fifo beside it.")
            case _:
                from outlive.postgres.queue import PostgresQueue  # noqa: PLC0415 - an extra

                return PostgresQueue(await self._server(url), clock=clock)

    async def stale(self, settings: Settings, table: Table) -> Table | None:
        """The cache for reads that may be old; None without one. `Invalid` names what it cannot stand beside."""
        if not settings.dax:
            return None
        if settings.turn_role or settings.replication != "off" or scheme_of(settings.table_url) != "dynamodb":
            fix = "Use one DynamoDB table without OUTLIVE_TURN_ROLE and OUTLIVE_REPLICATION, or unset OUTLIVE_DAX."
            raise Invalid("setting dax fits no other table, no roles per tenant and no second region.", fix=fix)
        with _aws():
            from outlive.aws.client import parse_place  # noqa: PLC0415 - an extra
            from outlive.aws.dax import open_dax  # noqa: PLC0415
        reads = await open_dax(settings.dax, parse_place(settings.table_url, "dynamodb"), table)
        self._stack.push_async_callback(reads.close)
        return reads

    async def _dynamo(self, url: str) -> Table:
        with _aws():
            from outlive.aws.table import DynamoTable  # noqa: PLC0415 - an extra
        table = await DynamoTable.open(url)
        self._stack.push_async_callback(table.close)
        space = dict(parse_qsl(urlsplit(url).query)).get("space")
        return PrefixedTable(table, f"{space}.") if space else table

    async def _sqs(self, url: str, clock: Clock) -> Queue:
        with _aws():
            from outlive.aws.queue import SqsQueue  # noqa: PLC0415 - an extra
        queue = await SqsQueue.open(url, clock=clock)
        self._stack.push_async_callback(queue.close)
        return queue

    async def _file(self, url: str) -> Database:
        path = sqlite_path(url)
        if path not in self._sqlite:
            self._sqlite[path] = await Database.open(path)
            self._stack.push_async_callback(self._sqlite[path].close)
        return self._sqlite[path]

    async def _server(self, url: str) -> PostgresDatabase:
        try:
            from outlive.postgres.database import Database as Server  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise Invalid("PostgreSQL needs its driver.", fix="Run `pip install 'outlive[postgres]'`.") from error
        if url not in self._postgres:
            self._postgres[url] = await Server.open(url)
            self._stack.push_async_callback(self._postgres[url].close)
        return self._postgres[url]


async def open_scoped(settings: Settings, clock: Clock, stack: AsyncExitStack) -> tuple[Table, Objects]:
    """Table and objects of AWS, each tenant's by credentials that reach no other; `Invalid` for other stores."""
    with _aws():
        from outlive.aws.scoped import ScopedObjects, ScopedTable  # noqa: PLC0415 - an extra
        from outlive.aws.scopes import open_scopes  # noqa: PLC0415

    async def open_objects(options: Mapping[str, str]) -> Objects:
        return await UrlObjects.open(settings.objects_url, clock=clock, options=options)

    scopes = await open_scopes(settings.turn_role, settings.table_url, settings.objects_url, clock, stack)
    table = ScopedTable(scopes, settings.table_url)
    objects = ScopedObjects(scopes, open_objects)
    stack.push_async_callback(table.close)
    stack.push_async_callback(objects.close)
    return table, objects


async def take_bedrock_keys(settings: Settings, stack: AsyncExitStack) -> tuple[str, str, str]:
    """Key, secret and token that may call Bedrock's models and nothing else, for an hour."""
    with _aws():
        from outlive.aws.scopes import open_scopes  # noqa: PLC0415 - an extra
    scopes = await open_scopes(settings.turn_role, settings.table_url, settings.objects_url, SystemClock(), stack)
    keys = await scopes.for_bedrock()
    return keys.access_key_id, keys.secret_access_key, keys.session_token


@contextmanager
def _aws() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise Invalid("AWS needs its client.", fix="Run `pip install 'outlive[aws]'`.") from error


async def open_hot_cache(url: str, clock: Clock) -> HotCache | None:
    """The hot cache behind `url`, None for an empty one; `Invalid` names a URL that is not supported."""
    if not url:
        return None
    if url == "memory://":
        return MemoryHotCache(clock=clock)
    try:
        from outlive.redis.hot_cache import RedisHotCache  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Invalid("the hot cache needs its driver.", fix="Run `pip install 'outlive[redis]'`.") from error
    return await RedisHotCache.open(url)


async def open_broadcast(url: str) -> Broadcast | None:
    """The broadcast behind `url`, None for an empty one; `Invalid` names a URL that is not supported."""
    if not url:
        return None
    try:
        from outlive.redis.broadcast import RedisBroadcast  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Invalid("the broadcast needs its driver.", fix="Run `pip install 'outlive[redis]'`.") from error
    return await RedisBroadcast.open(url)


async def open_key_ring(
    settings: Settings, databases: Databases, clock: Clock, stack: AsyncExitStack
) -> KeyRing | None:
    """The tenants' keys, None where nothing is encrypted; `Invalid` names what is wrong with the settings."""
    if not settings.key_wrap:
        return None
    if settings.keys_url == settings.table_url or not (settings.keys or embedded_file(settings)):
        raise Invalid(
            "the data keys need a table of their own, one that backups of the data leave out.",
            fix="Set OUTLIVE_KEYS to the URL of another database, or of another DynamoDB table.",
        )
    try:
        from outlive.encryption.key_ring import KeyRing  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Invalid("encryption needs its library.", fix="Run `pip install 'outlive[encryption]'`.") from error
    wraps = [await _key_wrap(url) for url in settings.key_wrap.split()]
    for wrap in wraps:
        stack.push_async_callback(wrap.close)
    return KeyRing(await databases.table(settings.keys_url), wraps, clock, seconds=settings.key_seconds)


async def _key_wrap(url: str) -> KeyWrap:
    from outlive.encryption.key_file import KeyFile  # noqa: PLC0415 - an extra

    parts = urlsplit(url)
    if parts.scheme == "kms":
        with _aws():
            from outlive.aws.kms import KmsWrap  # noqa: PLC0415 - an extra
        return await KmsWrap.open(url)
    if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
        raise Invalid(f"key_wrap {url!r} is not supported.", fix="Use file:///PATH or kms://KEY-ID?region=REGION.")
    return KeyFile(Path(unquote(parts.path)))


def scheme_of(url: str) -> str:
    """`sqlite`, `postgresql`, `dynamodb` or `sqs`; `Invalid` for any other URL."""
    scheme = urlsplit(url).scheme
    if scheme in {"dynamodb", "sqs"}:
        return scheme
    if scheme in {"http", "https"} and url.endswith(".fifo"):
        return "sqs"
    if scheme in {"postgres", "postgresql"}:
        return "postgresql"
    sqlite_path(url)
    return "sqlite"


def embedded_file(settings: Settings) -> Path | None:
    """The file the table is kept in; None when it is a server's."""
    return sqlite_path(settings.table_url) if scheme_of(settings.table_url) == "sqlite" else None


def sqlite_path(url: str) -> Path:
    """The file behind `sqlite:///absolute/path`; `Invalid` for any other URL."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        shown = url.replace(parts.netloc, parts.netloc.rpartition("@")[2]) if parts.netloc else url
        raise Invalid(f"store URL {shown!r} is not supported.", fix=f"Use {SCHEMES}, percent-encoded.")
    return Path("/" + unquote(parts.path).lstrip("/"))
