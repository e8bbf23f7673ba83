"""Quotas, the kill switch, and their stored form."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.quotas import (
    NAMES,
    WHOLE,
    Control,
    Quotas,
    Stop,
    check_quotas,
    check_stop,
    decode_control,
    effective,
    encode_control,
    least,
    refusal,
    usd_left,
)
from outlive.errors import Corrupt, Invalid, SchemaTooNew

STOP = Stop("maintenance", "ada", 1.0)
AMOUNTS = st.floats(min_value=0.01, max_value=1e6)
QUOTAS = st.builds(
    Quotas,
    **{
        name: st.none() | (st.integers(min_value=1, max_value=1000) if name in WHOLE else AMOUNTS)  # each may be unset
        for name in NAMES
    },
)


@given(QUOTAS, QUOTAS, QUOTAS)
def test_each_limit_comes_from_the_nearest_place_that_sets_it(
    tenant: Quotas, everyone: Quotas, process: Quotas
) -> None:
    """A tenant's limit counts before everyone's, and everyone's before the process's, kind by kind."""
    found = effective(Control(tenant), Control(everyone), process).quotas
    for name in NAMES:
        values = [getattr(quotas, name) for quotas in (tenant, everyone, process)]
        assert getattr(found, name) == next((value for value in values if value is not None), None)


@pytest.mark.parametrize(("tenant", "everyone"), [(STOP, None), (None, STOP), (STOP, STOP)])
def test_either_stop_stops(tenant: Stop | None, everyone: Stop | None) -> None:
    """A tenant is stopped by its own switch as well as by everyone's."""
    found = effective(Control(stopped=tenant), Control(stopped=everyone), Quotas())
    refused = refusal(found, 0.0)
    assert refused is not None
    assert refused.text == "Stopped by the operator: maintenance"


@pytest.mark.parametrize(("used", "is_refused"), [(0.0, False), (0.99, False), (1.0, True), (1.5, True)])
def test_a_session_that_has_used_its_money_is_refused_in_words(used: float, is_refused: bool) -> None:
    """At its limit, and not before, a session is told how much it has used."""
    refused = refusal(Control(Quotas(max_usd_per_session=1.0)), used)
    assert (refused is not None) == is_refused
    assert refused is None or f"${used:.2f} so far" in refused.text


@given(QUOTAS, st.none() | st.builds(Stop, st.text(min_size=1), st.text(), AMOUNTS))
def test_a_control_record_reads_back(quotas: Quotas, stopped: Stop | None) -> None:
    """Any limits and any stop come back as they were written."""
    control = Control(quotas, stopped)
    assert decode_control(encode_control(control), "limits") == control


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "5"])
def test_a_limit_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    """Zero, less, no number at all: the error names the field and a fix."""
    with pytest.raises(Invalid, match=name) as raised:
        check_quotas(Quotas(**{name: value}))
    assert raised.value.fix


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_stop_needs_a_reason_that_can_be_told(reason: str) -> None:
    """An empty or overlong reason is refused by name."""
    with pytest.raises(Invalid, match="reason"):
        check_stop(Stop(reason, "ada", 1.0))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"schema":1}', b'{"schema":1,"quotas":{"max_usd_per_day":-1},"stopped":null}']
)
def test_a_damaged_record_is_named(body: bytes) -> None:
    """What is no control record, or has a limit that cannot be, is `Corrupt`."""
    with pytest.raises(Corrupt, match="the-record"):
        decode_control(body, "the-record")


def test_a_newer_record_is_not_guessed_at() -> None:
    """A record of a newer outlive is refused as such."""
    with pytest.raises(SchemaTooNew):
        decode_control(b'{"schema":2,"quotas":{},"stopped":null}', "limits")


def test_what_is_left_is_never_less_than_nothing() -> None:
    """Money that was overspent leaves nothing, fractions of a millionth count as nothing, no limit leaves None."""
    assert (usd_left(1.0, 2.0), usd_left(1.0, 0.9999999), usd_left(None, 5.0)) == (0.0, 0.0, None)
    assert (least(None, 2.0, 1.0), least(None, None)) == (1.0, None)
