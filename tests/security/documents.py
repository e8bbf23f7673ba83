"""JSON as an attacker or a broken disk would have it: near to what a parser expects, and wrong somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2] / "src" / "outlive"
WORD = re.compile(r"""["']([a-z][a-z_A-Z]{0,23})["']""")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([2**63, -(2**70), 1e308, float("inf"), float("nan"), "", "\0", "\ud800", "../..", "x" * 300, "1"])
    | st.text(max_size=6)
)


def words_of(*modules: str) -> list[str]:
    """The names in the sources of a parser: what its documents' fields are called."""
    return sorted({word for module in modules for word in WORD.findall((ROOT / module).read_text())})


def values(words: list[str]) -> st.SearchStrategy[Any]:
    """Anything that JSON can say, with the parser's own words as fields."""
    keys = st.sampled_from(words) | st.text(max_size=3) if words else st.text(max_size=3)
    plain = scalars | st.sampled_from(words) if words else scalars
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=8),
        max_leaves=24,
    )


def documents(words: list[str]) -> st.SearchStrategy[bytes]:
    """Bytes: mostly JSON, or nearly so."""
    texts = values(words).map(lambda value: json.dumps(value).encode())
    cut = st.tuples(texts, st.integers(0, 40)).map(lambda pair: pair[0][: -pair[1] or None])
    deep = st.sampled_from([b"[" * 3_000, b'{"a":' * 3_000, b"9" * 5000, b"\xff\xfe{}", b"[1e999999]", b'"\\ud800"'])
    return texts | texts | cut | deep | st.binary(max_size=60)


def mutated(document: Any) -> st.SearchStrategy[Any]:
    """A valid document with one part replaced, removed or added, at any depth."""
    paths = list(_paths(document, ()))

    def change(drawn: tuple[tuple[Any, ...], Any]) -> Any:
        path, value = drawn
        return _replaced(document, path, value)

    return st.tuples(st.sampled_from(paths), scalars | st.just(_GONE) | st.lists(scalars, max_size=2)).map(change)


_GONE = object()


def _paths(value: Any, path: tuple[Any, ...]) -> Any:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _paths(each, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    made = _replaced(value[path[0]], path[1:], new)
    if made is _GONE:
        del changed[path[0]]
    else:
        changed[path[0]] = made
    return changed
