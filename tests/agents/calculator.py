"""A tiny MCP server with one tool, `add`: over stdio when run as a script, or over HTTP.

The script sleeps first when it is given a number of seconds. Each call is a line in the file that `CALLS` names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler

NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
TOOL = {"name": "add", "description": "Adds two numbers.", "inputSchema": NUMBERS}


def answer(method: str, params: dict) -> dict | None:
    """The result of a request; None for a method that is not known."""
    match method:
        case "initialize":
            about = {"name": "calculator", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            given = params["arguments"]
            note(json.dumps(given))
            if given.get("leave"):
                sys.exit()
            if "fault" in given:
                return {"content": [{"type": "text", "text": given["fault"]}], "isError": True}
            text = f"{given['a'] + given['b']} for {os.environ.get('CALLER', 'nobody')}{'.' * given.get('dots', 0)}"
            return {"content": [{"type": "text", "text": text}]}
    return None


def note(line: str) -> None:
    """Add the line to the file of calls, if there is one."""
    if path := os.environ.get("CALLS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def reply(request: dict) -> bytes | None:
    """The answer to a message; None for a notice, which has none."""
    if "id" not in request:
        return None
    result = answer(request["method"], request.get("params", {}))
    said = {"error": {"code": -32601, "message": "unknown method"}} if result is None else {"result": result}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}).encode()


class Handler(BaseHTTPRequestHandler):
    """The same over HTTP, for whoever has the token."""

    def do_POST(self) -> None:
        """One message in, its answer out; 202 for a notice, 401 without the token."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = reply(message) if self.headers["Authorization"] == "Bearer right" else None
        self.send_response(200 if said else 202 if self.headers["Authorization"] == "Bearer right" else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said or b"")))
        self.end_headers()
        self.wfile.write(said or b"")

    def do_GET(self) -> None:
        """There is no stream to listen to."""
        self.send_error(405)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the standard library
        """Nothing is logged."""


def main() -> None:
    """Answer requests until there are no more."""
    time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for line in sys.stdin:
        if (said := reply(json.loads(line))) is not None:
            sys.stdout.buffer.write(said + b"\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
