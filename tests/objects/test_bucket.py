"""Remote stores through obstore: the contract on a small S3, and how its answers are understood."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore, from_url

from outlive.errors import AlreadyExists, Unavailable
from outlive.objects.bucket import PAUSES, Bucket
from outlive.objects.objects import UrlObjects
from outlive.protocols import Objects
from outlive.testing.clock import START, ManualClock
from outlive.testing.objects import ObjectsSuite


class TestS3Objects(ObjectsSuite):
    """In S3, below a prefix of the bucket."""

    @pytest.fixture(autouse=True)
    def running(self, s3: Any) -> None:
        self.s3 = s3

    async def connect(self, place: Path) -> Objects:
        return await UrlObjects.open("s3://bucket/some/prefix", clock=ManualClock(), options=self.s3.options)

    async def sever(self, objects: Objects) -> None:
        self.s3.missing = True


class TestObstoreMemoryObjects(ObjectsSuite):
    """In obstore's own memory store, which stands for every store it knows."""

    @cached_property
    def store(self) -> MemoryStore:
        """What all handles of one test share."""
        return MemoryStore()

    async def connect(self, place: Path) -> Objects:
        self.bucket = Bucket(self.store, clock=ManualClock())
        return UrlObjects(self.bucket)

    async def sever(self, objects: Objects) -> None:
        self.bucket._store = from_url(
            "s3://bucket",
            endpoint="http://127.0.0.1:1",
            region="us-east-1",
            skip_signature=True,
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def objects(s3: Any, clock: ManualClock) -> UrlObjects:
    return await UrlObjects.open("s3://bucket", clock=clock, options=s3.options)


async def test_a_put_is_one_request(objects: UrlObjects, s3: Any) -> None:
    """Creating an object asks the store once, and so does reading it."""
    await objects.put("a/b%2F", b"data")
    await objects.get("a/b%2F")
    assert s3.requests == ["PUT /bucket/a/b%252F", "GET /bucket/a/b%252F"]


async def test_a_412_has_lost(objects: UrlObjects, s3: Any, clock: ManualClock) -> None:
    """A put refused because the object is there is `AlreadyExists` at once."""
    s3.objects["k"] = b"first"
    with pytest.raises(AlreadyExists):
        await objects.put("k", b"second")
    assert s3.objects["k"] == b"first"
    assert clock.now() == START


async def test_a_409_is_tried_again(objects: UrlObjects, s3: Any, clock: ManualClock) -> None:
    """A put that meets another request under way is repeated after a pause, and succeeds when that came to nothing."""
    s3.faults = ["409", "409"]
    await objects.put("k", b"data")
    assert s3.objects["k"] == b"data"
    assert clock.now() == pytest.approx(START + sum(PAUSES[:2]))


async def test_a_409_after_which_the_object_is_there_has_lost(objects: UrlObjects, s3: Any) -> None:
    """A put that met another one which then succeeded is `AlreadyExists`."""
    s3.objects["k"] = b"other"
    s3.faults = ["409"]
    with pytest.raises(AlreadyExists):
        await objects.put("k", b"data")
    assert s3.objects["k"] == b"other"


async def test_a_409_without_end_is_unavailable(objects: UrlObjects, s3: Any) -> None:
    """A put that meets another request each time is given up as `Unavailable`, and nothing is stored."""
    s3.faults = ["409"] * 99
    with pytest.raises(Unavailable, match="met another request each time"):
        await objects.put("k", b"data")
    assert s3.objects == {}
    assert len(s3.faults) == 99 - len(PAUSES)


async def test_a_lost_reply_is_unavailable_and_the_object_is_there(objects: UrlObjects, s3: Any) -> None:
    """A put whose answer is lost is `Unavailable`; reading back shows the bytes, putting again `AlreadyExists`."""
    s3.faults = ["lost"]
    with pytest.raises(Unavailable):
        await objects.put("k", b"data")
    assert await objects.get("k") == b"data"
    with pytest.raises(AlreadyExists):
        await objects.put("k", b"data")


async def test_a_server_error_is_unavailable(objects: UrlObjects, s3: Any) -> None:
    """A put answered with 500 is `Unavailable` with obstore's error inside, and nothing is stored."""
    s3.faults = ["500"]
    with pytest.raises(Unavailable) as caught:
        await objects.put("k", b"data")
    assert type(caught.value.original).__module__ == "obstore.exceptions"
    assert s3.objects == {}


@pytest.mark.promise("P7")
async def test_a_missing_bucket_is_no_missing_object(objects: UrlObjects, s3: Any) -> None:
    """When the bucket itself is gone, reading and listing are `Unavailable`: never "no such object", never empty."""
    s3.missing = True
    for call in (lambda: objects.get("k"), lambda: objects.list(""), objects.ping):
        with pytest.raises(Unavailable, match="failed"):
            await call()


async def test_a_listing_starts_near_its_prefix(objects: UrlObjects, s3: Any) -> None:
    """A prefix that ends inside a segment finds its objects, and the page is one request."""
    for n in range(20):
        await objects.put(f"p/{n:02}", b"")
    s3.requests.clear()
    assert [info.key for info in await objects.list("p/1", after="p/14", limit=3)] == ["p/15", "p/16", "p/17"]
    assert s3.requests == ["GET /bucket"]
