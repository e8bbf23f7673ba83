"""The API against its own description: any request that it allows, and many that it does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from outlive.entrypoints.http_api.app import create_app
from outlive.entrypoints.serving import Server
from outlive.settings import load_settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app
from tests.http_api.conftest import TOKEN

EXAMPLES = 2
"""Of each operation."""


async def serve(folder: Path, listening, closing: threading.Event) -> None:
    """The API until it is told to close; its streams end at once."""
    given = load_settings(data=folder / "data", workspaces=folder / "trees", tenant="acme")
    async with open_app(given, agent=InstantAgent()) as app:
        served = create_app(app, token=TOKEN)
        served.state.api.closing.set()
        server = Server(uvicorn.Config(served, log_level="critical", lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await asyncio.to_thread(closing.wait)
        server.should_exit = True
        await serving


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of an API in a thread of its own."""
    closing = threading.Event()
    with create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(serve(folder, listening, closing)))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            closing.set()
            thread.join(20)


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """An API for all tests of this file."""
    with running(tmp_path_factory.mktemp("api")) as found:
        yield found


@settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def answered_as_described(operation, data) -> None:
    """Requests that the operation allows, and some that it does not."""
    # Imported here: it takes more than a second, and every worker of pytest would import it.
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    case = data.draw(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes)))
    if case.operation.path == "/v1/sessions/{session}/messages" and case.method == "POST":
        case.query = {"wait": 0}  # nobody works here
    response = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code != 500, response.text
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])


@pytest.mark.filterwarnings("ignore")
def test_any_request_is_answered_as_described(url) -> None:
    """Whatever is sent to an operation, the status and the body it answers are described, and no defect is met."""
    import schemathesis

    operations = [found.ok() for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()]
    for operation in operations:
        answered_as_described(operation)
    assert len(operations) > 40
