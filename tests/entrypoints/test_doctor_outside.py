"""`outlive doctor` and the servers besides the stores: the model's key, the hot tier, the broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from outlive.entrypoints.doctor.outside_checks import ask_for_models, helpers, model_key
from outlive.settings import load_settings


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The URL of an API that takes the key `good` and answers `status` to every other."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_good = (self.headers["x-api-key"], self.path) == ("good", "/v1/models?limit=1")
            self.send_response(200 if is_good else status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("key", "status", "found"),
    [("good", 401, "ok"), ("bad", 401, "fail"), ("bad", 403, "fail"), ("unknown", 404, "ok")],
)
def test_the_api_is_asked_whether_it_takes_the_key(key: str, status: int, found: str) -> None:
    """A refused key is a failure; an endpoint that has no list of models says nothing of it."""
    with answering(status) as url:
        told = ask_for_models(key, url)
    assert told.status == found
    assert url in told.found


def test_an_api_that_cannot_be_reached_is_a_warning() -> None:
    """It may be the network of the moment, so doctor goes on and names the address."""
    told = ask_for_models("k", "http://127.0.0.1:9")
    assert (told.status, told.found) == ("warn", "http://127.0.0.1:9 cannot be reached: ConnectionRefusedError")


def test_without_a_key_there_is_nothing_to_ask() -> None:
    """Neither the scripted model nor a missing key makes a request."""
    assert not model_key(load_settings(model="scripted"))
    assert not model_key(load_settings(anthropic_api_key=None))


@pytest.mark.parametrize("name", ["hot", "broadcast"])
async def test_a_stopped_redis_is_a_warning(name: str) -> None:
    """Turns go on without it, which somebody should hear of."""
    (look,) = helpers(load_settings(**{name: "redis://127.0.0.1:9/0"})).values()
    told = await look()
    assert told.status == "warn"
    assert "127.0.0.1:9" in told.found


async def test_a_hot_tier_in_memory_answers() -> None:
    """The embedded one is always there."""
    (look,) = helpers(load_settings(hot="memory://")).values()
    assert (await look()).status == "ok"
