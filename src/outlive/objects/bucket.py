"""Objects in a remote store, through obstore."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import ObjectStore

from outlive.core.object_keys import is_key
from outlive.protocols import Clock, ObjectInfo

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each new try of a put that met another one halfway."""

_STORE_MISSING = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")


class BucketGone(OSError):
    """The bucket or container itself is missing."""


class PutUnsettled(OSError):
    """The store kept answering that another request was in the way, and no object came of it."""


class Bucket:
    """An obstore store. Raises obstore's errors and `OSError`s; `UrlObjects` says what they mean."""

    def __init__(self, store: ObjectStore, *, clock: Clock, is_ordered: bool = True) -> None:
        """The store may have a prefix of its own; keys are relative to it.

        `is_ordered` says whether it lists in the order of keys; a directory bucket of S3 does not, nor does it begin
        anywhere but at the beginning
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html).
        """
        self._store = store
        self._clock = clock
        self._is_ordered = is_ordered

    async def create(self, key: str, data: bytes) -> None:
        """Put with `If-None-Match: *` or the store's equal; `AlreadyExistsError` when the key is taken.

        S3 answers 412 when the key is taken and 409 when another request for it is under way, which may yet
        come to nothing; obstore makes one error of both. So the object is looked for before it is believed.
        """
        for pause in PAUSES:
            try:
                await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                if await self._exists(key):
                    raise
            except FileNotFoundError as error:
                raise BucketGone(str(error)) from error
            else:
                return
            await self._clock.sleep(pause)
        raise PutUnsettled(f"the put of {key} met another request each time")

    async def read(self, key: str) -> bytes:
        """The object's bytes; `FileNotFoundError` when there is none."""
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise _missing(error) from error

    async def page(self, prefix: str, after: str, limit: int) -> Sequence[ObjectInfo]:
        """What `Objects.list` returns; rests on the store's own order, where that is the order of keys."""
        if not self._is_ordered:
            return await self._sorted_page(prefix, after, limit)
        found: list[ObjectInfo] = []
        async for info in self._listing(prefix, after):
            if info.key.startswith(prefix) and info.key > after:
                found.append(info)
            beyond = info.key > prefix and not info.key.startswith(prefix)
            if beyond or len(found) == limit:
                break
        return found

    async def _sorted_page(self, prefix: str, after: str, limit: int) -> Sequence[ObjectInfo]:
        """The same of a store without an order: the whole folder is listed for each page."""
        found = [info async for info in self._listing(prefix, "") if info.key.startswith(prefix) and info.key > after]
        return sorted(found, key=lambda info: info.key)[:limit]

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are no error."""
        try:
            await obstore.delete_async(self._store, list(keys))
        except FileNotFoundError:
            # Some stores stop at the first that is missing, so each gets its own request.
            for key in keys:
                await self._remove_one(key)

    async def ping(self) -> None:
        """Ask for the beginning of a listing."""
        async for _ in self._listing("", ""):
            return

    async def _listing(self, prefix: str, after: str) -> AsyncIterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        start = max((text for text in (after, prefix[:-1]) if is_key(text)), default=None) if self._is_ordered else None
        try:
            async for chunk in obstore.list(self._store, folder or None, offset=start, chunk_size=1000):
                for meta in chunk:
                    yield ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp())
        except FileNotFoundError as error:
            raise BucketGone(str(error)) from error

    async def _exists(self, key: str) -> bool:
        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def _remove_one(self, key: str) -> None:
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError as error:
            if isinstance(missing := _missing(error), BucketGone):
                raise missing from error


def _missing(error: FileNotFoundError) -> OSError:
    text = str(error)
    return BucketGone(text) if any(sign in text for sign in _STORE_MISSING) else error
