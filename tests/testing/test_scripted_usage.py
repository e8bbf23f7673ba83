"""Tokens and the prompt cache: what is read, written and fresh follows from the bytes of the request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.testing.scripted_model.usage import LEAST_CACHED_TOKENS, PrefixCache, Usage, count_tokens

LONG = "x" * (4 * LEAST_CACHED_TOKENS)
MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> PrefixCache:
    return PrefixCache(clock)


def body(*messages: Any, system: Any = (), **more: Any) -> dict[str, Any]:
    spoken = [{"role": "user", "content": content} for content in messages]
    return {"model": "m", "system": list(system), "messages": spoken, **more}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def test_a_marked_prefix_is_written_and_then_read(cache):
    """A marked prompt is written to the cache at first and read from it when it comes again with more."""
    first = cache.charge(body([text(LONG, **MARK)]))
    second = cache.charge(body([text(LONG)], [text("more", **MARK)]))
    assert (first.read, first.fresh, first.written_5m) == (0, 0, count_tokens(body(LONG)))
    assert (second.read, second.fresh) == (first.written_5m, 0)


def test_a_string_and_one_text_block_are_the_same_prompt(cache):
    """Content as a string, or as one text block with or without a mark, is the same prefix."""
    cache.charge(body([text(LONG, **MARK)]))
    assert cache.charge(body(LONG, [text("more", **MARK)])).read == count_tokens(body(LONG))


def test_without_marks_nothing_is_cached(cache):
    """An unmarked prompt is all fresh, however often it comes."""
    prompt = body(LONG)
    assert [cache.charge(prompt) for _ in range(2)] == [Usage(count_tokens(prompt), 0, 0, 0)] * 2


def test_a_short_prefix_is_not_kept(cache):
    """A prefix below the minimum is neither written nor read."""
    assert [cache.charge(body([text("short", **MARK)])).read for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(("mark", "kept_for"), [(MARK, 300), (HOUR, 3600)])
def test_a_prefix_is_kept_from_its_last_use(cache, clock, mark, kept_for):
    """A prefix is read until its time to live has passed since its last use, and then no more."""
    prompt = body([text(LONG, **mark)])
    cache.charge(prompt)
    reads = []
    for pause in (kept_for - 1, kept_for - 1, kept_for):
        clock.now += pause
        reads.append(cache.charge(prompt).read > 0)
    assert reads == [True, True, False]


def test_a_mark_looks_back_twenty_blocks(cache):
    """A kept prefix is found from a mark up to 19 blocks after it, and not from further on."""
    cache.charge(body([text(LONG, **MARK)]))
    near, far = ([text(LONG), *(text(str(n)) for n in range(more)), text("end", **MARK)] for more in (18, 19))
    assert (cache.charge(body(far)).read, cache.charge(body(near)).read) == (0, count_tokens(body(LONG)))


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"system": [text("new")]}, {"tools": [{"name": "New", "input_schema": {}}]}]
)
def test_a_change_in_front_misses(cache, change):
    """Another model, system prompt or tool list makes the same messages a miss."""
    prompt = body([text(LONG, **MARK)])
    cache.charge(prompt)
    assert cache.charge({**prompt, **change}).read == 0


def test_a_deferred_tool_does_not_cost_the_cache(cache):
    """Looking up a deferred tool, which adds it to the list, leaves the prefix as it was."""
    prompt = body([text(LONG, **MARK)])
    cache.charge(prompt)
    found = {"name": "TaskCreate", "input_schema": {}, "defer_loading": True}
    assert cache.charge({**prompt, "tools": [found]}).read == count_tokens(prompt)


def test_the_attribution_line_is_no_part_of_the_prompt(cache):
    """The CLI's billing line, which differs between sessions, does not keep them from sharing a prefix."""
    for session, expected in (("cca", 0), ("0a8", count_tokens(body(system=[text(LONG)])))):
        line = text(f"x-anthropic-billing-header: cc_version=2.{session};")
        assert cache.charge(body(session, system=[line, text(LONG, **MARK)])).read == expected


def test_a_mark_on_the_whole_request_marks_its_end(cache):
    """A cache_control beside the messages keeps the prompt up to its last block."""
    cache.charge(body(LONG, **MARK))
    assert cache.charge(body(LONG, "more", **MARK)).read == count_tokens(body(LONG))


@given(st.lists(st.tuples(st.text(max_size=9000), st.sampled_from([{}, MARK, HOUR])), min_size=1, max_size=4))
def test_the_kinds_of_input_add_up(parts):
    """Fresh, written and read tokens are never negative and add up to the whole prompt, hit or miss."""
    prompt = body(*([text(value, **mark)] for value, mark in parts))
    cache = PrefixCache(Clock())
    for usage in (cache.charge(prompt), cache.charge(prompt)):
        assert usage.prompt == count_tokens(prompt)
        assert min(usage.fresh, usage.written_5m, usage.written_1h, usage.read) >= 0
