"""No id, whatever is in it, reaches another session, another project or another tenant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.store_logs import MAX_ID_BYTES, project_prefix, row_key
from outlive.errors import Invalid
from tests.store.conftest import AREA, KEY, World, entry

HOSTILE = [
    *(
        "..",
        ".",
        "../../other/store",
        "/etc/passwd",
        "a/b",
        "a%2Fb",
        "%2e%2e",
        "a\\b",
        "~",
        "*",
        "=",
        "=ab",
        "a:b",
        " ",
    ),
    *("a\x00b", "\x00", "\n", "con", "A", "a", "a.jsonl", "\u00e4", "a\u0308"),
    *("🙂" * 40, "x" * 300, "x" * 301, "x" * 302, "?" * 300, "-" * 301),
]
IDS = st.text(min_size=1, max_size=400).filter(lambda text: not any(0xD800 <= ord(char) <= 0xDFFF for char in text))


@pytest.mark.promise("P9")
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("field", ["project_key", "session_id", "subpath"])
async def test_a_hostile_id_is_just_a_name(world: World, field: str, text: str) -> None:
    """Traversal, separators, NUL, wildcards, long names: stored under exactly this name, inside the tenant's area."""
    key = {**KEY, field: text}
    await world.store().append(key, [entry("a")])
    await world.store().append(KEY, [entry("plain")])
    assert (await world.uuids(key), await world.uuids(KEY)) == (["a"], ["plain"])
    rows = await world.table.scan("", limit=1000)
    assert all(name.startswith(AREA) for name in [*await world.objects_below(), *(row.key for row in rows)])


async def test_hostile_names_are_listed_as_they_were_given(world: World) -> None:
    """Sessions and subpaths come back under their own names, the quoted and the digested ones too."""
    store = world.store()
    for text in HOSTILE:
        await store.append({**KEY, "session_id": text}, [entry("a")])
        await store.append({**KEY, "subpath": text}, [entry("a")])
    assert sorted(s["session_id"] for s in await store.list_sessions("proj")) == sorted(HOSTILE)
    assert await store.list_subkeys(KEY) == sorted(HOSTILE)


def test_hostile_names_never_share_a_record() -> None:
    """Any two different pairs of project and session have different keys."""
    keys = {row_key(project, session) for project in HOSTILE for session in HOSTILE}
    assert len(keys) == len(HOSTILE) ** 2


def test_a_digest_is_no_name() -> None:
    """A session cannot be called like the digest that stands for another one's long name."""
    name = "x" * 5000
    assert row_key("p", row_key("p", name).split("/")[1].strip("=")) != row_key("p", name)


@given(one=IDS, two=IDS, session=IDS)
def test_a_project_lists_its_own_sessions_only(one: str, two: str, session: str) -> None:
    """The prefix that lists a project begins the key of no other project's session."""
    assert row_key(one, session).startswith(project_prefix(two)) == (one == two)


@given(project=IDS, session=IDS)
def test_a_key_fits_every_table(project: str, session: str) -> None:
    """With the longest tenant it stays under the 1,024 bytes that a table must take."""
    assert len(f"{'t' * 64}/store/{row_key(project, session)}".encode()) <= 1024


FIELDS = ["project_key", "session_id", "subpath"]
BAD: list[Any] = ["", None, 7, b"x", "a\ud800", "x" * (MAX_ID_BYTES + 1)]


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field in FIELDS for value in BAD if (field, value) != ("subpath", None)],
    ids=lambda value: ascii(value)[:12],
)
async def test_what_is_no_name_is_refused(memory_world: World, field: str, value: Any) -> None:
    """Empty, half a character, over 16 KB or no text at all: `Invalid` names the part, before any request."""
    store = memory_world.store()
    for call in (store.append, lambda key, _: store.load(key), lambda key, _: store.delete(key)):
        with pytest.raises(Invalid, match=field):
            await call({**KEY, field: value}, [entry("a")])
    assert memory_world.counts.calls.total() == 0


async def test_an_id_of_10_kb_works(world: World) -> None:
    """Ids far longer than any storage key are stored and listed."""
    key = {"project_key": "p" * 10_000, "session_id": "ß" * 5_000, "subpath": "s" * 10_000}
    await world.store().append(key, [entry("a")])
    assert await world.uuids(key) == ["a"]
    assert await world.store().list_subkeys(key) == [key["subpath"]]


@pytest.mark.promise("P9")
async def test_tenants_do_not_see_each_other(world: World) -> None:
    """The same key in two tenants' stores is two sessions, and no list shows the other's."""
    await world.store().append(KEY, [entry("a")])
    other = world.store(tenant="other")
    assert (await other.load(KEY), await other.list_sessions("proj"), await other.list_subkeys(KEY)) == (None, [], [])
    await other.append(KEY, [entry("b")])
    await other.delete(KEY)
    assert await world.uuids() == ["a"]


@pytest.mark.parametrize("tenant", ["", "..", "a/b", "a b", "x" * 65, "acme/store"])
def test_a_tenant_needs_a_proper_name(tenant: str, memory_world: World) -> None:
    """A tenant that could reach beyond its prefix is refused when the store is made."""
    with pytest.raises(Invalid, match="tenant"):
        memory_world.store(tenant=tenant)
