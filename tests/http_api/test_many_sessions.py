"""What the API reads where there are many sessions: the small form of `python -m bench console`, in requests."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.fleet import key_of, seed
from tests.http_api.conftest import served

SESSIONS, TURNS = 40, 6


@pytest.fixture
async def many(tmp_path):
    """An API with so many sessions."""
    async with served(tmp_path, workers=0) as api:
        await seed(api.app.engine, "acme", SESSIONS, TURNS)
        yield api


def counted(many, monkeypatch) -> Counter[str]:
    """How often each request is made to the table and to the objects, from now on."""
    calls: Counter[str] = Counter()
    stores = many.app.engine.stores("acme")
    for place in (type(stores.table), type(stores.objects)):
        for name in ("read", "scan", "get", "list", "write"):
            if real := getattr(place, name, None):
                monkeypatch.setattr(place, name, _counting(calls, name, real))
    return calls


def _counting(calls, name, real):
    async def call(*arguments, **options):
        calls[name] += 1
        return await real(*arguments, **options)

    return call


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/v1/sessions?limit=10", 1),
        ("/v1/sessions?text=nothing", 2),
        ("/v1/sessions?channel=slack&limit=1000", 2),
        ("/v1/approvals", 2),
        ("/v1/usage?limit=5", 2),
        ("/v1/sessions/{session}/messages", 4),
        ("/v1/sessions/{session}/transcript", 4),
        ("/v1/sessions/{session}", 10),
    ],
)
async def test_a_request_reads_little(many, monkeypatch, path, most) -> None:
    """However many sessions there are, a request takes a fixed number of reads, one scan for each 1,000."""
    calls = counted(many, monkeypatch)
    session = str(key_of("acme", 7)).replace(":", "%3A")
    await many.ok("GET", path.replace("{session}", session))
    assert 1 <= sum(calls.values()) <= most, calls
