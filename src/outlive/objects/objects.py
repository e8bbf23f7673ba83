"""Objects at a URL: a local folder, S3, Google Cloud Storage or Azure, by one class."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import HTTPStore, from_url

from outlive.core.buckets import express_zone
from outlive.core.object_keys import check_key, check_prefix
from outlive.errors import AlreadyExists, Invalid, NotFound, OutliveError, Unavailable
from outlive.objects.bucket import Bucket
from outlive.objects.folder import Folder
from outlive.protocols import Clock, ObjectInfo

RETRIES = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
"""How long obstore tries again by itself (5xx, dropped connections) before the caller hears of it."""

SHA_256 = {"checksum_algorithm": "sha256"}
"""S3 itself refuses a put whose bytes were changed on the way."""

_TAKEN = (FileExistsError, AlreadyExistsError, PreconditionError)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Place(Protocol):
    """Where objects are kept: `Folder` or `Bucket`. Keys have been checked; errors are the vendor's own."""

    async def create(self, key: str, data: bytes) -> None: ...
    async def read(self, key: str) -> bytes: ...
    async def page(self, prefix: str, after: str, limit: int) -> Sequence[ObjectInfo]: ...
    async def remove(self, keys: Sequence[str]) -> None: ...
    async def ping(self) -> None: ...


class UrlObjects:
    """Immutable objects at a URL."""

    def __init__(self, place: Place) -> None:
        """Use `UrlObjects.open`, or give an obstore store of your own in a `Bucket`."""
        self._place = place

    @classmethod
    async def open(cls, url: str, *, clock: Clock, options: Mapping[str, Any] | None = None) -> UrlObjects:
        """`file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

        A directory bucket of S3 Express One Zone is told by its name, `BASE--ZONE--x-s3`.

        `options` are obstore's for that store (`endpoint`, `region`, `client_options`...); what is not given
        comes from the environment. `Invalid` names a URL that is of no use, or a folder not to be written.
        """
        with _opening(url):
            if urlsplit(url).scheme == "file":
                return cls(await Folder.open(_folder(url), now=clock.now()))
            kind = _kind_of_s3(urlsplit(url).netloc) if urlsplit(url).scheme in {"s3", "s3a"} else {}
            match from_url(url, **{"retry_config": RETRIES, **kind, **(options or {})}):
                case HTTPStore():
                    raise ValueError("a plain web server has no conditional writes")
                case store:
                    return cls(Bucket(store, clock=clock, is_ordered="s3_express" not in kind))

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        with _translated(key):
            await self._place.create(key, data)

    async def get(self, key: str) -> bytes:
        check_key(key)
        with _translated(key):
            return await self._place.read(key)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        check_prefix(prefix)
        if limit < 1:
            raise Invalid(f"limit is {limit}.", fix="Ask for one object or more.")
        with _translated(prefix):
            return await self._place.page(prefix, after, limit)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            check_key(key)
        with _translated(", ".join(keys[:3])):
            await self._place.remove(keys)

    async def ping(self) -> None:
        with _translated("ping"):
            await self._place.ping()

    async def close(self) -> None:
        """Nothing stays open between calls."""


def _kind_of_s3(bucket: str) -> dict[str, Any]:
    """Options of obstore for the bucket: a directory bucket is asked for a session first, at its zone's own address."""
    return SHA_256 | ({"s3_express": True} if express_zone(bucket) else {})


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BaseError) as error:
        raise _translate(error, subject) from error


def _translate(error: OSError | BaseError, subject: str) -> OutliveError:
    """What an error of the disk or of obstore means to the caller; the only place that knows them."""
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, _TAKEN):
        return AlreadyExists(f"There is an object {subject!r} already.")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"There is no object {subject!r}.")
    if code == errno.ENAMETOOLONG:
        return Invalid(f"The object key {subject!r} is too long for this disk.", fix="Use shorter segments.")
    fix = "The disk is full: free some space." if code in _FULL else None
    return Unavailable(f"The object store failed at {subject!r} ({_first_line(error)}).", original=error, fix=fix)


@contextmanager
def _opening(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BaseError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise _translate(error, url) from error
        raise Invalid(
            f"The object store {url!r} cannot be used ({_first_line(error)}).",
            fix="Give file:///FOLDER that can be written, s3://BUCKET/PREFIX, gs://... or az://...",
        ) from error


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise ValueError("a folder is written file:///absolute/path")
    return Path(unquote(parts.path, errors="surrogateescape"))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
