"""The bubblewrap sandbox: what of the machine a CLI sees, as arguments of `bwrap`, and whether it works here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from outlive.errors import Invalid

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Programs and libraries, read-only. Not `/opt` or `/srv`: services keep their own files there."""

ETC = (
    *("passwd", "group", "hosts", "hostname", "resolv.conf", "nsswitch.conf", "host.conf", "gai.conf"),
    *("services", "protocols", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone"),
    *("ssl/certs", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs", "pki/ca-trust", "crypto-policies"),
    *("bash.bashrc", "profile", "profile.d", "inputrc", "terminfo", "mime.types", "magic", "python3"),
)
"""What programs need of `/etc`. The rest may hold secrets, and root's sandbox could read them."""

WRITABLE = ("work", "config", "home", "tmp")
"""The agent's folders below a tree's root; what lies beside them is the engine's."""

PROBE_SECONDS = 10.0
FIX = "Install the package `bubblewrap`, or set OUTLIVE_ISOLATION to another mode."


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A sandbox for every CLI: `wrap` is a plain function of what is here."""

    program: Path
    hidden: tuple[Path, ...] = ()
    """Folders never shown, should they lie in one that is: the stores, the other trees."""
    readable: tuple[Path, ...] = ()
    """Further files and folders to show, read-only."""

    def wrap(self, command: Sequence[str], root: Path) -> list[str]:
        """The command that runs `command` and sees the system, this tree, the network, and nothing else."""
        return [
            str(self.program),
            *("--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"),
            *_bound("--ro-bind-try", (*map(Path, SYSTEM), *(Path("/etc", name) for name in ETC))),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - the sandbox's own
            *(word for path in self._covered() for word in ("--tmpfs", str(path))),
            *_bound("--ro-bind", (*self.readable, Path(command[0]))),
            *_bound("--bind", (root / name for name in WRITABLE)),
            *("--chdir", str(root / "work"), "--"),
            *command,
        ]

    def _covered(self) -> list[Path]:
        """The hidden folders that would be seen."""
        return [path for path in self.hidden if any(path.is_relative_to(shown) for shown in SYSTEM)]

    def check(self) -> None:
        """`Invalid` unless a program really runs in it and sees no process but its own."""
        command = [str(self.program), "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        command += ["--cap-drop", "ALL", *_bound("--ro-bind-try", map(Path, SYSTEM)), "--proc", "/proc"]
        command += ["--dev", "/dev", "--", "/bin/sh", "-c", "echo $$ /proc/[0-9]*"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True)  # noqa: S603
        except subprocess.CalledProcessError as error:
            raise Invalid(f"the bubblewrap sandbox does not work here: {error.stderr.strip()}", fix=FIX) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Invalid(f"the bubblewrap sandbox does not work here: {error}", fix=FIX) from error
        own, *seen = done.stdout.split()
        if int(own) > PRIVATE_PIDS or len(seen) > PRIVATE_PIDS:
            raise Invalid("the bubblewrap sandbox shows other processes.", fix=FIX)


PRIVATE_PIDS = 9
"""No process of a fresh sandbox has a higher number."""


def _bound(how: str, paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in (how, str(path), str(path))]


def find_bubblewrap(*, hidden: Sequence[Path] = (), readable: Sequence[Path] = ()) -> Bubblewrap:
    """The sandbox of this machine; `Invalid` names the package when it has none, so that nothing runs without."""
    found = shutil.which("bwrap")
    if found is None:
        raise Invalid("OUTLIVE_ISOLATION is bubblewrap, and there is no program `bwrap`.", fix=FIX)
    for path in readable:
        if not path.exists():
            raise Invalid(f"{path} is to be shown to agents and does not exist.", fix="Correct OUTLIVE_SANDBOX_PATHS.")
    real = [Path(os.path.realpath(path)) for path in hidden]
    return Bubblewrap(Path(found), tuple(dict.fromkeys([*hidden, *real])), tuple(readable))
