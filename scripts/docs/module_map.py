"""The module map: what each module holds, in its own words, layer by layer."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from scripts.docs.sources import Source, sources


def module_map(root: Path, page: Path) -> str:
    """A tree of `src/outlive`, from the outermost layer to the innermost."""
    package = root / "src" / "outlive"
    modules = sources(package)
    layers = _layers(root)
    placed = {name for layer in layers for name in layer}
    lost = sorted({_top(module.path, package) for module in modules} - placed - {"__init__"})
    sections = [(" · ".join(layer), layer) for layer in layers] + ([("in no layer yet", lost)] if lost else [])
    return "\n\n".join(_section(title, names, modules, package, page) for title, names in sections)


def _layers(root: Path) -> list[list[str]]:
    """The layers as the import contract in pyproject.toml states them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def _top(path: Path, package: Path) -> str:
    return path.relative_to(package).with_suffix("").parts[0]


def _section(title: str, names: list[str], modules: list[Source], package: Path, page: Path) -> str:
    found = [module for name in names for module in modules if _top(module.path, package) == name]
    return "\n".join([f"**{title}**", "", *(_line(module, package, page) for module in found)])


def _line(module: Source, package: Path, page: Path) -> str:
    path = module.path.relative_to(package)
    is_package = path.name == "__init__.py"
    label = f"{path.parent.name}/" if is_package else path.name
    indent = "  " * (len(path.parts) - 1 - is_package)
    link = os.path.relpath(module.path.parent if is_package else module.path, page.parent)
    first = module.docstring.split("\n", 1)[0]
    return f"{indent}- [`{label}`]({Path(link).as_posix()}): {first or 'no docstring yet'}"
