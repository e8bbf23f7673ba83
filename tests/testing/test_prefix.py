"""Comparing two prompts: what counts as equal, what does not, and what is said about it."""

from __future__ import annotations

from typing import Any

from outlive.testing.prefix import Comparison, compare_prompts, pieces_of


def body(*contents: Any, **more: Any) -> dict[str, Any]:
    """A request with these messages of the user."""
    return {"model": "m", "messages": [{"role": "user", "content": content} for content in contents]} | more


def test_equal_prompts() -> None:
    """A prompt equals itself, whole, and there is no difference to show."""
    comparison = compare_prompts(body("hello"), body("hello"))
    assert (comparison.share, comparison.difference) == (1.0, "")
    assert comparison.equal_bytes == comparison.expected_bytes > 0


def test_a_string_is_one_text_block() -> None:
    """A bare string equals a list of one text block, in a message, in the system prompt and in a tool's result."""
    block = [{"type": "text", "text": "hello"}]
    result = {"type": "tool_result", "tool_use_id": "t"}
    one = body("hello", [result | {"content": "hello"}], system="hello")
    other = body(block, [result | {"content": block}], system=block)
    assert compare_prompts(one, other).difference == ""


def test_what_is_no_part_of_the_prompt() -> None:
    """Cache marks, metadata, limits and the CLI's attribution line are left out."""
    mark = {"cache_control": {"type": "ephemeral"}}
    line = {"type": "text", "text": "x-anthropic-billing-header: cc_version=1"}
    one = body(
        [{"type": "text", "text": "a"} | mark], system=[line, {"type": "text", "text": "s"} | mark], max_tokens=1
    )
    other = body("a", system="s", metadata={"user_id": "u"})
    assert compare_prompts(one, other).difference == ""


def test_the_share_ends_at_the_first_difference() -> None:
    """Everything behind the first difference counts as different, even where it is equal, as for a prompt cache."""
    comparison = compare_prompts(body("a" * 100, "b" * 900), body("x" + "a" * 99, "b" * 900))
    assert comparison.share < 0.05
    assert "character 42 of messages.0.content.0" in comparison.difference


def test_the_difference_is_shown_with_its_surroundings() -> None:
    """Both sides are shown from a little before the difference to a little behind it."""
    comparison = compare_prompts(body("one two three"), body("one 2 three"))
    expected, found = comparison.difference.splitlines()[1:]
    assert "one ⟦here⟧two three" in expected
    assert "one ⟦here⟧2 three" in found


def test_a_longer_prompt_repeats_a_shorter_one() -> None:
    """The next request of a conversation has all of the last one, and says where it goes on; not so the other way."""
    longer = compare_prompts(body("one"), body("one", "two"))
    shorter = compare_prompts(body("one", "two"), body("one"))
    assert (longer.share, "messages.1" in longer.difference) == (1.0, True)
    assert 0 < shorter.share < 1


def test_order_counts() -> None:
    """Tools in another order are another prompt."""
    tools = [{"name": "Read"}, {"name": "Bash"}]
    assert compare_prompts(body("a", tools=tools), body("a", tools=tools[::-1])).share < 0.2


def test_random_ids_are_equal_when_they_stand_for_the_same_thing() -> None:
    """Ids that are drawn in each run are numbered by their first appearance, so a mix-up still shows."""
    one, two = "toolu_11111111aaaa", "toolu_22222222bbbb"
    other, another = "toolu_33333333cccc", "toolu_44444444dddd"
    assert compare_prompts(body(one, two, one), body(other, another, other)).difference == ""
    assert compare_prompts(body(one, two, one), body(other, another, another)).difference
    assert compare_prompts(body(one), body(other), ids=()).difference


def test_bytes_are_counted_not_characters() -> None:
    """Text beyond ASCII counts with its UTF-8 bytes, and half a character is no error."""
    assert compare_prompts(body("🙂\ud83d"), body("🙂\ud83d")).expected_bytes == len(pieces_of(body("xx"))[0].text) + 5


def test_nothing_to_compare() -> None:
    """An empty prompt is repeated whole by anything."""
    assert compare_prompts({}, body("a")).share == Comparison(0, 0, "").share == 1.0
