"""S3 itself: what is sent along with an object, told by a real server."""

from __future__ import annotations

import asyncio
import hashlib
import urllib.error
import urllib.request
from base64 import b64encode

import pytest

from outlive.clock import SystemClock
from outlive.errors import AlreadyExists
from outlive.objects.objects import UrlObjects
from tests.servers import local_aws, s3_request, seaweed_s3


async def objects_at(endpoint: str, name: str, prefix: str = "") -> UrlObjects:
    """A bucket on that server."""
    s3_request("PUT", f"{endpoint}/{name}")
    options = {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "test",
        "client_options": {"allow_http": True},
    }
    return await UrlObjects.open(f"s3://{name}/{prefix}", clock=SystemClock(), options=options)


def headers_of(address: str) -> dict[str, str]:
    """What the server tells of an object."""
    request = urllib.request.Request(address, method="HEAD", headers={"x-amz-checksum-mode": "ENABLED"})
    with urllib.request.urlopen(request) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}


async def test_an_object_carries_its_sha_256(name: str) -> None:
    """S3 is given the SHA-256 of every object, keeps it, and tells it."""
    objects = await objects_at(local_aws(), name)
    await objects.put("k", b"some bytes")
    expected = b64encode(hashlib.sha256(b"some bytes").digest()).decode()
    assert headers_of(f"{local_aws()}/{name}/k")["x-amz-checksum-sha256"] == expected


@pytest.mark.parametrize("server", [local_aws, seaweed_s3], ids=["ministack", "seaweedfs"])
async def test_a_create_is_a_conditional_write(name: str, server) -> None:
    """On each server one of 16 creates of a key wins, the others are told so, and the object is the winner's."""
    objects = await objects_at(server(), name)
    results = await asyncio.gather(*(objects.put("k", b"%d" % n) for n in range(16)), return_exceptions=True)
    (winner,) = [n for n, result in enumerate(results) if result is None]
    assert sum(isinstance(result, AlreadyExists) for result in results) == 15
    assert await objects.get("k") == b"%d" % winner


async def test_nothing_is_written_outside_the_prefix(name: str) -> None:
    """Two stores in one bucket see nothing of each other, whatever keys they use."""
    left, right = [await objects_at(local_aws(), name, prefix) for prefix in ("a", "a/b")]
    await left.put("k", b"left")
    await right.put("k", b"right")
    assert (await left.get("k"), await right.get("k")) == (b"left", b"right")
    assert [info.key for info in await right.list("")] == ["k"]
    with pytest.raises(urllib.error.HTTPError):
        headers_of(f"{local_aws()}/{name}/k")
