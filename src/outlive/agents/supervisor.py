"""The process between a worker and the CLI: it ends the CLI and everything the CLI started, whatever happens to us.

Run as a script by `processes.py`, never imported by the package: `supervisor.py LIFELINE USER PROGRAM ARGUMENT...`,
where LIFELINE is the read end of a pipe whose other end only the worker holds. When the worker closes it, or dies in
any way, or the program ends, everything below this process is killed. Exits with the program's code (128 + n after
signal n).
USER is the uid and gid the program runs as, or `-` for our own; the supervisor keeps ours, out of the program's reach.
Only what starts fast is imported: `signal` and `subprocess` alone would double the start-up time.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps, at a third of the time
import os
import select
import sys
import time

PARENT_CHECK_SECONDS = 1.0
SWEEP_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
OWN_USER = "-"
IS_LINUX = sys.platform == "linux"


def main(words: list[str]) -> int:
    """Start the program, wait until it ends or must end, leave nothing behind."""
    worker = os.getppid()
    lifeline = os.dup(int(words[0]))  # the lowest free number: select takes none above 1023
    os.close(int(words[0]))
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken = _wake_on_signals()
    program = _start(words[1], words[2:])
    code = _wait(program, lifeline, woken, worker)
    _sweep()
    return code


def _prctl(option: int, value: int) -> None:
    """Linux's prctl; nothing elsewhere."""
    if IS_LINUX:
        import ctypes  # noqa: PLC0415 - not needed elsewhere

        if ctypes.CDLL(None).prctl(option, value, 0, 0, 0):
            raise OSError(f"prctl {option} is refused")


def _wake_on_signals() -> int:
    """A pipe that becomes readable when a child ends or somebody wants this process to end."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (_signal.SIGCHLD, _signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, lambda *_: None)
    return reading


def _start(user: str, command: list[str]) -> int:
    supervisor = os.getpid()
    program = os.fork()
    if program:
        return program
    try:
        if user != OWN_USER:
            _become(int(user))
        _prctl(PR_SET_PDEATHSIG, _signal.SIGKILL)  # should this process be killed, too
        if os.getppid() != supervisor:
            os._exit(1)
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # ignored by Python, and that would be inherited
            _signal.signal(number, _signal.SIG_DFL)
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror or error}\n".encode())
    finally:
        os._exit(127)


def _become(user: int) -> None:
    """Another user for good: in no other group, without capabilities, and no setuid program can change that.

    To be done before the signal for the parent's death is asked for, which a change of user takes back.
    """
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o077)  # what its tools leave in folders that all users share is not for the others


def _wait(program: int, lifeline: int, woken: int, worker: int) -> int:
    """The program's exit code, once it has ended by itself or its worker is gone."""
    while True:
        ready, _, _ = select.select([lifeline, woken], [], [], PARENT_CHECK_SECONDS)
        asked = _signals(woken) if woken in ready else b""
        code = _reap(program)
        if code is not None:
            return code
        if lifeline in ready or os.getppid() != worker or set(asked) - {_signal.SIGCHLD}:
            return 128 + int(_signal.SIGKILL)


def _signals(woken: int) -> bytes:
    try:
        return os.read(woken, 4096)
    except BlockingIOError:
        return b""


def _reap(program: int) -> int | None:
    """Collect what has ended; the program's code if it was among it."""
    code = None
    for pid, status in iter(_ended_child, None):
        if pid == program:
            exit_code = os.waitstatus_to_exitcode(status)
            code = exit_code if exit_code >= 0 else 128 - exit_code
    return code


def _ended_child() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


# ---------------------------------------------------------------------------------------------- sweeping


def _sweep() -> None:
    """Kill everything below this process, also what moved to a session of its own or lost its parent.

    On Linux an orphan becomes a child of this process, so nothing escapes. Elsewhere the tree is stopped before it is
    killed, so that it cannot grow meanwhile; what had left it before the program ended by itself is not found there.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        below = _freeze(os.getpid())
        for pid in below:
            _send(pid, _signal.SIGKILL)
        while _ended_child():
            pass
        if not below:
            return
        time.sleep(0.002)


def _freeze(top: int) -> set[int]:
    """Everything below `top`, stopped."""
    stopped: set[int] = set()
    while fresh := _below(top) - stopped:
        for pid in fresh:
            _send(pid, _signal.SIGSTOP)
        stopped |= fresh
    return stopped


def _send(pid: int, number: int) -> None:
    try:  # noqa: SIM105 - contextlib would be one more import
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _below(top: int) -> set[int]:
    parents = _parents_from_proc() if IS_LINUX else _parents_from_ps()
    found: set[int] = set()
    while fresh := {pid for pid, parent in parents.items() if parent == top or parent in found} - found:
        found |= fresh
    return found


def _parents_from_proc() -> dict[int, int]:
    """Process id -> parent, of every process that is not a zombie."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state != b"Z":
                parents[int(name)] = int(parent)
    return parents


def _parents_from_ps() -> dict[int, int]:
    import subprocess  # noqa: PLC0415 - slow to load, and needed at the very end only

    ps = subprocess.Popen(["/bin/ps", "-axo", "pid=,ppid=,stat="], stdout=subprocess.PIPE)
    rows = [line.split() for line in ps.communicate()[0].splitlines()]
    return {int(row[0]): int(row[1]) for row in rows if not row[2].startswith(b"Z") and int(row[0]) != ps.pid}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
