"""A function as Lambda runs it: the real runtime interface client, against a Runtime API on loopback."""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HANDLER = "outlive.entrypoints.aws_lambda.handler"
PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Result:
    """How one invocation ended."""

    value: Any
    error: Mapping[str, Any] | None
    seconds: float


class Api(ThreadingHTTPServer):
    """Hands out events one by one and takes the answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.events: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self.answers: queue.Queue[tuple[Any, Mapping[str, Any] | None]] = queue.Queue()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing is logged."""

    def do_GET(self) -> None:
        request_id, body, timeout = self.server.events.get()
        deadline = time.time() + timeout  # the time that a process takes to start is not the invocation's
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-0-0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = json.loads(body) if body else None
        failed = self.path.endswith("/error")
        self.server.answers.put((None, said) if failed else (said, None))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Function:
    """One process of a function, warm from its second invocation on."""

    def __init__(self, name: str, env: Mapping[str, str], folder: Path) -> None:
        """`name` is the function's in the handler module; the environment is this and nothing else."""
        self._api = Api()
        self._ids = itertools.count()
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
        }
        self._log = (folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "awslambdaric", f"{HANDLER}.{name}"]
        self._process = subprocess.Popen(
            command, env=given | dict(env), cwd=folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.log = folder / f"{name}.log"

    def invoke(self, event: object, *, timeout: float = 60.0) -> Result:
        """Run it on an event; a function that does not answer in time is a failed test."""
        began = time.monotonic()
        body = json.dumps(event).encode()
        self._api.events.put((f"{next(self._ids):036d}", body, timeout))
        while True:
            try:
                value, error = self._api.answers.get(timeout=1)
                break
            except queue.Empty:
                assert self._process.poll() is None, f"ended by {self._process.returncode}: {self.log.read_text()}"
                assert time.monotonic() - began < timeout + 60, f"no answer: {self.log.read_text()}"
        return Result(value, error, time.monotonic() - began)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._api.shutdown()
        self._api.server_close()
