"""`/metrics` of the HTTP API."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.http_api.conftest import served
from tests.telemetry.conftest import Ear, ear

__all__ = ["ear"]


async def test_prometheus_reads_the_metrics_with_a_key_of_all_tenants(tmp_path: Path) -> None:
    """After a turn the metrics parse and count it; a key of one tenant and a caller without a key get none."""
    async with served(tmp_path) as client:
        await client.send("hello")
        async with asyncio.timeout(30):
            while (await client("GET", "/v1/queue")).json()["in_flight"]:  # noqa: ASYNC110 - it is seen from outside
                await asyncio.sleep(0.05)
        answer = await client("GET", "/metrics")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert [sample.value for sample in families["outlive_turns"].samples] == [1]
        assert families["outlive_queue_waiting"].samples[0].value == 0
        assert (await client("GET", "/metrics", headers=await client.key("admin"))).status_code == 403
        assert (await client("GET", "/metrics", headers={})).status_code == 401


async def test_metrics_are_shown_while_a_backend_is_down(tmp_path: Path) -> None:
    """When the queue does not answer, the rest is shown, and the queue is told as down."""
    async with served(tmp_path, workers=0) as client:
        await client.app.beside.queue.close()
        answer = await client("GET", "/metrics")
    assert answer.status_code == 200
    assert "outlive_lease_takeovers_total 0" in answer.text


async def test_a_request_is_part_of_its_callers_trace(tmp_path: Path, ear: Ear) -> None:
    """A `traceparent` header makes intake, turn and delivery part of the caller's trace; one that is none does not."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with served(tmp_path) as client:
        telemetry = client.app.engine.telemetry
        telemetry.spans = ear.on(client.app.engine).telemetry.spans
        await client.send("one", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        traced = {f"{span.context.trace_id:032x}" for span in ear.exporter.get_finished_spans()}
        await client.send("two", traceparent="no-trace")
    assert traced == {trace}
    assert f"{ear.spans['outlive.intake'].context.trace_id:032x}" != trace
