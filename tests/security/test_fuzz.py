"""Whatever bytes come in from outside or out of a damaged store: an error of ours, or a value, soon."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive.agents.approval_rules import parse_rules
from outlive.channels.slack import parse as slack
from outlive.channels.slack.interactive import parse_interaction, parse_slash
from outlive.channels.slack.rules import Rules as SlackRules
from outlive.channels.telegram.parse import parse_update
from outlive.channels.telegram.rules import Rules as TelegramRules
from outlive.channels.wechat.plain_xml import read_xml
from outlive.core import (
    api_keys,
    audit_chain,
    controls,
    kept_traces,
    ledger,
    links,
    live,
    memories,
    message_log,
    messages,
    outbox,
    preferences,
    quotas,
    schedules,
    sessions,
    spending,
    state_blobs,
    statistics,
    store_heads,
    store_logs,
    tasks,
    tenant_keys,
    tool_cache,
)  # fmt: skip
from outlive.core.cron import parse_cron
from outlive.core.json_paths import parse_pointer
from outlive.core.keys import parse_session_id, parse_session_key, parse_tenant
from outlive.core.manifests import apply_index
from outlive.core.packs import decode_pack, parse_pack_name
from outlive.core.stream_positions import parse_position
from outlive.core.trees import decode_note
from outlive.errors import OutliveError
from tests.security.documents import documents, values, words_of

EXAMPLES = int(os.environ.get("OUTLIVE_TEST_FUZZ", "25"))
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

Parser = Callable[[bytes], object]
STORED: Mapping[str, Parser] = {
    "core/sessions.py": lambda raw: sessions.decode_head(raw, "n"),
    "core/sessions.py mapping": lambda raw: sessions.decode_mapping(raw, "n"),
    "core/messages.py": messages.decode_inbound,
    "core/store_logs.py": lambda raw: store_logs.parse_lines(raw, "n"),
    "core/store_heads.py": lambda raw: store_heads.decode_store_head(raw, "n"),
    "core/ledger.py": ledger.decode_line,
    "core/quotas.py": lambda raw: quotas.decode_control(raw, "n"),
    "core/statistics.py": statistics.decode_statistics,
    "core/preferences.py": lambda raw: preferences.decode_preferences(raw, 1, "n"),
    "core/message_log.py": lambda raw: message_log.decode_message(raw, "n"),
    "core/tenant_keys.py": lambda raw: tenant_keys.decode_record(raw, "n"),
    "core/live.py": lambda raw: live.decode_live(raw, "n"),
    "core/api_keys.py": lambda raw: api_keys.decode_key(raw, "n"),
    "core/api_keys.py sign in": lambda raw: api_keys.decode_sign_in(raw, "n"),
    "core/links.py": lambda raw: links.decode_code(raw, "n"),
    "core/links.py wrong": lambda raw: links.decode_wrong(raw, "n"),
    "core/state_blobs.py": lambda raw: state_blobs.decode_blob(raw, "0" * 32),
    "core/spending.py": lambda raw: spending.decode_spending(raw, "n"),
    "core/memories.py": lambda raw: memories.decode_memory(raw, "n"),
    "core/memories.py base": memories.decode_base,
    "core/audit_chain.py": lambda raw: audit_chain.decode_segment(raw, "n"),
    "core/outbox.py": lambda raw: outbox.decode_waiting(raw, "n"),
    "core/outbox.py note": lambda raw: outbox.decode_note(raw, "n"),
    "core/controls.py": lambda raw: controls.decode_stop(raw, "n"),
    "core/tool_cache.py": lambda raw: tool_cache.decode_cached(raw, "n"),
    "core/kept_traces.py": lambda raw: kept_traces.decode_trace(raw, "n"),
    "core/schedules.py": lambda raw: schedules.decode_schedule(raw, "n"),
    "core/tasks.py": lambda raw: tasks.decode_task(raw, "n"),
    "core/trees.py": decode_note,
    "core/packs.py": lambda raw: decode_pack("n", raw),
    "channels/wechat/plain_xml.py": read_xml,
}


def tolerated(parse: Callable[[Any], object], value: object) -> None:
    """Parse it; any error that is not ours fails the test."""
    try:
        parse(value)
    except OutliveError:
        return
    except Exception as error:  # noqa: BLE001 - told by its name, without the bytes
        raise AssertionError(f"{type(error).__name__}: {str(error)[:200]}") from None


@pytest.mark.promise("P8")
@pytest.mark.parametrize("name", STORED)
def test_bytes_of_any_kind_are_a_value_or_an_error_of_ours(name: str) -> None:
    """Each parser of stored or sent bytes answers near-misses of its documents with a value or a named error."""

    @quick
    @given(documents(words_of(name.split(maxsplit=1)[0])))
    def attack(raw: bytes) -> None:
        tolerated(STORED[name], raw)

    attack()


PEOPLE = frozenset({1})
PAYLOADS: Mapping[str, Callable[[Any], object]] = {
    "channels/telegram/parse.py": lambda value: parse_update(value, TelegramRules(bot_id=1, username="bot")),
    "channels/slack/parse.py": lambda value: slack.parse_callback(value, SlackRules()),
    "channels/slack/interactive.py": lambda value: parse_interaction(value, SlackRules()),
    "channels/slack/interactive.py slash": lambda value: parse_slash(value, SlackRules()),
    "core/manifests.py": lambda value: apply_index(value, {}, []),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_documents_of_any_shape_are_a_value_or_an_error_of_ours(name: str) -> None:
    """Each parser of a vendor's document answers any JSON value with a decision or a named error."""

    @quick
    @given(values(words_of(name.split(maxsplit=1)[0])).map(lambda value: json.loads(json.dumps(value))))
    def attack(value: object) -> None:
        tolerated(PAYLOADS[name], value)

    attack()


TEXTS: Mapping[str, Callable[[str], object]] = {
    "session key": parse_session_key,
    "session id": parse_session_id,
    "tenant": parse_tenant,
    "pack name": parse_pack_name,
    "cron": parse_cron,
    "pointer": parse_pointer,
    "position": parse_position,
    "approval rules": lambda text: parse_rules([text]),
}


@pytest.mark.promise("P9")
@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_any_kind_are_a_value_or_an_error_of_ours(name: str) -> None:
    """Keys, ids, cron lines and rules answer any text, half characters included, with a value or a named error."""

    @quick
    @given(st.text(max_size=80) | st.text("0123456789abcdef-:/.%*,()~", max_size=60) | st.just("9" * 10_000))
    def attack(text: str) -> None:
        tolerated(TEXTS[name], text)

    attack()
