"""What is stored: large and awkward entries, holes, damage, outages, keys that look alike."""

from __future__ import annotations

from typing import Any

from outlive.testing.concurrency.subject import Broken, Entry, Key, NotRun, Subject, chain, compare, entry, uuids

BIG = 1_200_000
"""Characters: an image that an agent reads makes an entry of about that size."""
AWKWARD = "nul \x00 half \ud83d line\u2028 esc \x1b[2J"


async def oversized(subject: Subject) -> None:
    """An entry as large as an image is stored exactly, or its batch is refused whole."""
    key = subject.key()
    await _whole_or_nothing(subject, key, [entry("u1"), entry("u2", "u1", "x" * BIG), entry("u3", "u2")])


async def awkward_text(subject: Subject) -> None:
    """NUL, half a surrogate pair and control characters are stored exactly, or their batch is refused whole."""
    key = subject.key()
    await _whole_or_nothing(subject, key, [entry("u1"), entry("u2", "u1", AWKWARD), entry("u3", "u2")])


async def _whole_or_nothing(subject: Subject, key: Key, entries: list[Entry]) -> None:
    store = await subject.open()
    try:
        await store.append(key, entries)
    except Exception as error:
        if left := await subject.uuids(key):
            why = f"{type(error).__name__} for one entry"
            raise Broken("torn", f"{why}, and {len(left)} of its batch of {len(entries)} were stored") from error
        return
    found = await subject.loaded(key)
    compare(uuids(entries), uuids(found), "after the append")
    if found != entries:
        raise Broken("changed", "an entry is not equal to what was appended")


async def gap(subject: Subject) -> None:
    """A transcript with a hole (a batch the SDK gave up) is not resumed as if it were whole."""
    key, store = subject.key(), await subject.open()
    await store.append(key, chain("u1"))
    await store.append(key, [entry("u3", "u2")])  # u2 was dropped: three tries, then nothing
    try:
        found = await subject.uuids(key)
    except Exception:  # noqa: BLE001 - the refusal asked for, of any type
        return
    if "u3" in found:
        raise Broken("gap", "u3 is loaded although u2, on which it builds, was never stored")


async def corruption(subject: Subject) -> None:
    """Stored bytes that have changed are an error when they are read, never other entries."""
    if subject.damage is None:
        raise NotRun("the kit was given no way to damage what is stored: name a Subject with `damage`")
    key, store, entries = subject.key(), await subject.open(), chain("u1", "u2", "u3")
    for each in entries:
        await store.append(key, [each])
    await subject.damage(key)
    try:
        found = await subject.loaded(key)
    except Exception:  # noqa: BLE001 - the error asked for, of any type
        return
    if found != entries:
        raise Broken("corrupt", f"{len(found)} entries were loaded from damaged bytes, without an error")


async def read_error(subject: Subject) -> None:
    """A backend that does not answer is an error, never an empty session."""
    if subject.outage is None:
        raise NotRun("the kit was given no way to cut the store off: name a Subject with `outage`")
    key = subject.key()
    await (await subject.open()).append(key, chain("u1"))
    fresh = await subject.open()
    with subject.outage():
        try:
            found = await fresh.load(key)
        except Exception:  # noqa: BLE001 - the error asked for, of any type
            return
    if not found:
        raise Broken("forgotten", "a load during an outage found no session, and a resume would begin a new one")


async def keys_apart(subject: Subject) -> None:
    """Keys that are not equal never share entries, whatever characters they are made of."""
    store = await subject.open()
    base, session = subject.project, subject.key()["session_id"]
    below = {"project_key": base, "session_id": session}
    rivals: list[Key] = [{"project_key": f"{base}{sign}x", "session_id": session} for sign in (":", "/", "%3A", "-")]
    rivals += [below | {"session_id": f"x{sign}{session}"} for sign in (":", "/", "%3A", "-")]
    rivals += [below | {"session_id": session + sign + "y"} for sign in (":", "/")]
    rivals += [below | {"subpath": "y"}, below | {"subpath": "y/../z"}, below]
    stored = [(key, f"u{number}") for number, key in enumerate(rivals) if await _taken(store, key, f"u{number}")]
    for key, name in stored:
        found = await subject.uuids(key)
        if found != [name]:
            raise Broken("mixed up", f"{key} has the entries {found} instead of {name} alone")


async def _taken(store: Any, key: Key, name: str) -> bool:  # noqa: ANN401 - anybody's store
    """A key that is refused is kept apart as well."""
    try:
        await store.append(key, [entry(name)])
    except Exception:  # noqa: BLE001 - a refusal has any type
        return False
    return True
