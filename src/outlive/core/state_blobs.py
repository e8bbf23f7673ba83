"""Large values of a state object: kept beside the document under the digest of their bytes, a link in their place.

They are files of the session's own tree, so a version has its blobs as it has its document: they are committed with it
and lost with it, swept when no kept version names them, and forked, rewound, exported and erased with the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from hashlib import blake2b
from typing import Any

from outlive.core.json_paths import Json, Pointer, shown
from outlive.core.state import Document
from outlive.errors import Corrupt, Invalid, TooLarge

FOLDER = "state"
"""Below the session's root: a file for each blob, named by its digest."""
INLINE_BYTES = 16 * 1024
"""Larger values, in their JSON form, are blobs."""
MAX_BYTES = 64 << 20
LINK = "$blob"
FIELDS = {LINK, "type", "size", "summary"}
SUMMARY_LINES, SUMMARY_CHARS = 5, 500


def blob_path(digest: str) -> str:
    """Where a blob lies in the tree."""
    return f"{FOLDER}/{digest}"


def offloaded(document: Document) -> tuple[Document, dict[str, bytes]]:
    """The document with a link for each large text or list, and the blobs by their digests; `TooLarge` names one.

    Objects are looked into, whatever their size: a patch of one of their fields stays a patch of that field.
    """
    blobs: dict[str, bytes] = {}

    def offload(value: Json, path: Pointer) -> Json:
        if isinstance(value, dict):
            return {name: offload(inner, (*path, name)) for name, inner in value.items()}
        if not isinstance(value, str | list) or len(raw := _raw(value)) <= INLINE_BYTES:
            return value
        if len(raw) > MAX_BYTES:
            raise TooLarge(f"state field {shown(path)} has {len(raw):,} bytes.", fix=f"Keep {MAX_BYTES:,} at most.")
        digest = _digest(raw)
        blobs[digest] = raw
        return {LINK: digest, "type": _type(value), "size": len(raw), "summary": _summary(value)}

    return offload(document, ()), blobs


def links(value: Json, path: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """Each link in the document with its digest; `Invalid` for what looks like one and is none."""
    if isinstance(value, dict):
        if LINK in value:
            if set(value) != FIELDS or not isinstance(value[LINK], str):
                fix = f"{LINK!r} is outlive's own: put a new value there, or leave the link as it is."
                raise Invalid(f"state field {shown(path)} is no whole link to a large value.", fix=fix)
            yield path, value[LINK]
            return
        for name, inner in value.items():
            yield from links(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if next(links(inner, (*path, str(number))), None):
                raise Invalid(f"state field {shown(path)} has a link in a list.", fix="Links stand for whole fields.")


def check_links(document: Document, there: Collection[str]) -> None:
    """`Invalid` for a link to a blob that is neither in the tree nor new."""
    for path, digest in links(document):
        if digest not in there:
            raise Invalid(f"state field {shown(path)} links to nothing.", fix="Put the value itself there.")


def followed(value: Json, blob: Callable[[str], Json]) -> Json:
    """The value with what is linked in place of the links."""
    if isinstance(value, dict):
        return blob(value[LINK]) if LINK in value else {name: followed(each, blob) for name, each in value.items()}
    return value


def decode_blob(raw: bytes, digest: str) -> Json:
    """A blob's value; `Corrupt`, naming the file, when it is not the one that was linked to."""
    if _digest(raw) != digest:
        raise Corrupt(f"{blob_path(digest)} is not what the state links to.", fix="Rewind to an older version.")
    return json.loads(raw)


def _raw(value: Json) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the state holds what JSON has no form for: {error}.", fix="Use null or text.") from error


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=16).hexdigest()


def _type(value: str | list[Any]) -> str:
    return f"text of {len(value.splitlines()):,} lines" if isinstance(value, str) else f"list of {len(value):,}"


def _summary(value: str | list[Any]) -> str:
    """The first lines, or the first elements."""
    if isinstance(value, str):
        return "\n".join(value[: SUMMARY_CHARS * 4].splitlines()[:SUMMARY_LINES])[:SUMMARY_CHARS]
    return json.dumps(value[:SUMMARY_LINES], ensure_ascii=False)[:SUMMARY_CHARS]
