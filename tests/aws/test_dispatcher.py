"""The dispatcher as Lambda runs it, in front of a Lambda service that writes down what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from outlive.aws.envelope import Envelope, pack
from outlive.core.keys import parse_session_key
from outlive.core.messages import Inbound, encode_inbound
from outlive.core.queued import Message
from tests.aws.runtime_api import Function


class Service(ThreadingHTTPServer):
    """Lambda's Invoke, as far as the dispatcher asks for it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.status, self.answer, self.error = 200, {"batchItemFailures": []}, ""


class Handler(BaseHTTPRequestHandler):
    """Lets go of its connections without a word, as a service does with one that was idle while a function froze."""

    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing is logged."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["X-Amz-Tenant-Id"], body))
        said = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        if self.server.error:
            self.send_header("X-Amz-Function-Error", self.server.error)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
        self.close_connection = True


@pytest.fixture
def service() -> Iterator[Service]:
    """The service."""
    service = Service()
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield service
    service.shutdown()
    service.server_close()


@pytest.fixture
def dispatcher(service: Service, tmp_path: Path) -> Iterator[Function]:
    """The function."""
    env = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{service.server_port}", "AGENT_FUNCTION": "agent-1"}
    function = Function("dispatcher", env, tmp_path)
    yield function
    function.close()


def record(tenant: str, name: str = "m1") -> dict[str, str]:
    """A message as a queue's event has it."""
    key = parse_session_key(f"{tenant}:web:chat:default")
    body = encode_inbound(Inbound(key, name, "hello", 1.0))
    return {"messageId": name, "receiptHandle": "r", "body": pack(Envelope(Message(str(key), name, body), 1.0))}


DONE = {"batchItemFailures": []}


def test_each_message_goes_to_its_tenant(dispatcher: Function, service: Service) -> None:
    """The agent is invoked with the message's tenant as the tenant id and the message alone; its answer is believed."""
    records = [record("acme"), record("globex", "m2")]
    assert dispatcher.invoke({"Records": records}).value == DONE
    path = "/2015-03-31/functions/agent-1/invocations"
    assert service.asked == [
        (path, tenant, {"Records": [r]}) for tenant, r in zip(("acme", "globex"), records, strict=True)
    ]


def test_what_the_agent_reports_is_reported(dispatcher: Function, service: Service) -> None:
    """A message that the agent did not finish is reported as failed, and the rest of the batch is left alone."""
    service.answer = {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    failed = dispatcher.invoke({"Records": [record("acme"), record("acme", "m2")]}).value["batchItemFailures"]
    assert [each["itemIdentifier"] for each in failed] == ["m1", "m2"]
    assert len(service.asked) == 1


@pytest.mark.parametrize(("status", "error"), [(200, "Unhandled"), (500, ""), (429, "")])
def test_an_agent_that_fails_is_called_once(dispatcher: Function, service: Service, status: int, error: str) -> None:
    """A crash, an error of the service and a refusal are failures of the message, and none is called a second time."""
    service.status, service.error = status, error
    assert len(dispatcher.invoke({"Records": [record("acme")]}).value["batchItemFailures"]) == 1
    assert len(service.asked) == 1


def test_what_names_no_tenant_is_handed_on(dispatcher: Function, service: Service) -> None:
    """What cannot be read goes to an agent of its own, which says what is wrong with it."""
    poison = {"messageId": "m1", "receiptHandle": "r", "body": "poison"}
    assert dispatcher.invoke({"Records": [poison]}).value == DONE
    assert [tenant for _, tenant, _ in service.asked] == ["unreadable"]
