"""Builds the web console into the package; `--check` only says whether the build is that of these sources."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path("console")
BUILT = Path("src/outlive/entrypoints/http_api/console_files")
NOTE = "build.json"
"""Beside the build: the digest of the sources it was made from, and of what was made."""
NOT_SOURCES = {"node_modules", "dist"}
FIX = "Run: make console (it needs Node.js 20.19 or newer)"


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Exit code: 0 when the build is current (or was made), 1 when it is stale or was edited."""
    if arguments == ["--check"]:
        wrong = check(root)
        print("\n".join([*wrong, FIX]) if wrong else "The console's build is current.")
        return 1 if wrong else 0
    for command in (["npm", "ci"], ["npm", "run", "check"], ["npm", "run", "build"]):
        subprocess.run(command, cwd=root / SOURCES, check=True)
    (root / BUILT / "licenses.txt").write_text(licenses(root / SOURCES))
    (root / BUILT / NOTE).write_text(json.dumps(digests(root), indent=2) + "\n")
    return 0


def licenses(folder: Path) -> str:
    """The licences of the libraries that are in the script: they ask to go with it."""
    named = json.loads((folder / "package.json").read_text())["dependencies"]
    found = [(name, sorted((folder / "node_modules" / name).glob("LICENSE*"))) for name in sorted(named)]
    if lacking := [name for name, files in found if not files]:
        raise FileNotFoundError(f"no licence file in {', '.join(lacking)}")
    return "\n\n".join(f"=== {name}\n\n{files[0].read_text().strip()}" for name, files in found) + "\n"


def check(root: Path) -> list[str]:
    """What is wrong with the build, in words."""
    try:
        noted = json.loads((root / BUILT / NOTE).read_text())
    except (OSError, ValueError):
        return [f"{BUILT / NOTE} cannot be read."]
    now = digests(root)
    wrong = [] if noted.get("sources") == now["sources"] else [f"{BUILT} is not the build of {SOURCES}."]
    return wrong + ([] if noted.get("built") == now["built"] else [f"{BUILT} was edited by hand."])


def digests(root: Path) -> dict[str, str]:
    """Of the sources and of the build."""
    made = (path for path in _files(root / BUILT) if path.name != NOTE)
    return {"sources": _digest(root / SOURCES, _files(root / SOURCES)), "built": _digest(root / BUILT, made)}


def _files(folder: Path) -> list[Path]:
    inside = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in inside if not NOT_SOURCES & set(path.relative_to(folder).parts))


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    found = sha256()
    for path in paths:
        found.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
