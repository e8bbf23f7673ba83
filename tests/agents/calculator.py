"""A tiny MCP server over stdio, run as a script: one tool, `add`. With a number as argument it first sleeps so long."""

from __future__ import annotations

import json
import os
import sys
import time

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
            text = f"{given['a'] + given['b']} for {os.environ.get('CALLER', 'nobody')}"
            return {"content": [{"type": "text", "text": text}]}
    return None


def main() -> None:
    """Answer requests until there are no more."""
    time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            result = answer(request["method"], request.get("params", {}))
            said = {"error": {"code": -32601, "message": "unknown method"}} if result is None else {"result": result}
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
