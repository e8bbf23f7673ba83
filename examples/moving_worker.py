"""A long coding task that moves: three workers, each gone before the work is done, and one finished turn."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from outlive.testing.scripted_model import script

SLOW = "[ -e {0}.cache ] || {{ touch {0}.cache; sleep 60; }}; echo {0} >> log.txt; "
"""A tool that takes a minute the first time it runs, and no time once what it downloaded is there."""

STEPS = [
    "printf 'def double(n):\\n    return n + n\\n' > double.py; echo write >> log.txt",
    SLOW.format("install") + "printf 'from double import double\\nassert double(21) == 42\\n' > check.py",
    SLOW.format("check") + "python3 check.py && echo passed > result.txt",
]
TASK = script(
    *({"tool": "Bash", "input": {"command": step}} for step in STEPS),
    {"text": "The function and its test are there, and the test passes."},
)
"""What the scripted model is to do. With a real one: "Write double.py with a test, and run it."."""

Event = dict[str, Any]


def outlive(*words: str) -> list[Event]:
    """One command on a machine of its own, which is gone afterwards with all it had on disk; its lines of JSON."""
    machine = tempfile.mkdtemp(prefix="machine-")
    environment = os.environ | {"OUTLIVE_WORKSPACES": machine, "OUTLIVE_HANDOVER_RESERVE_SECONDS": "1"}
    command = [sys.executable, "-m", "outlive", *words, "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(machine)
    return [json.loads(line) for line in done.stdout.splitlines()]


def work() -> str:
    """Workers of five seconds each, one after the other, until the turn is done; its reply.

    After one that finished no step the next has twice the time: this machine is slow today.
    """
    seconds = 5
    for number in range(1, 10):
        for event in outlive("worker", "--once", "--idle-exit", "10", "--invocation-seconds", str(seconds)):
            match event:
                case {"event": "handed over", "steps": steps}:
                    print(f"worker {number}: time is up after {steps} finished steps, handed over")
                    seconds = seconds if steps else 2 * seconds
                case {"event": "turn", "reply": reply}:
                    print(f"worker {number}: done: {reply}")
                    return str(reply)
    sys.exit("Nobody finished it: is this machine very busy?")


def main() -> None:
    """Queue the task, have it done, and ask one more worker what is there."""
    os.environ |= {"OUTLIVE_DATA": str(Path("moving-data").resolve()), "OUTLIVE_MODEL": "scripted"}
    outlive("send", "ada", TASK, "--task", "job-7")
    work()
    (task,) = outlive("task", "show", "job-7")
    print("task job-7:", task["state"])
    outlive("send", "ada", "run `cat log.txt result.txt`")
    work()


if __name__ == "__main__":
    main()
