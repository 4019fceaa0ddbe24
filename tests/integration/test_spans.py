"""Spans over sockets: what a collector gets is the trace that the vendor, the decision log and the audit log know."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.simulators import RingCentralSimulator
from tests.fakes.collector import Collector, Told
from tests.fakes.waiting import eventually
from tests.integration.house import House, basic, open_house

LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
LOGIN = "/ringcentral/restapi/oauth/token"
ROUTE = "/restapi/v1.0/account/{accountId}/call-log"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
KEY = "canary-collector-key"


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    collector = await Collector().start()
    yield collector
    await collector.stop()


def tracing(collector: Collector, **more: Any) -> dict[str, Any]:
    return {"otlp": {"endpoint": collector.url, "headers": {"X-Key": KEY}, "interval_s": 0.05, "timeout_s": 2, **more}}


async def log_in(house: House, app: str = "archiver") -> str:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "demo-jwt-amy"}
    token = (await house.send("POST", LOGIN, headers=basic(f"demo-{app}", f"demo-{app}-secret"), form=form)).json["access_token"]
    assert isinstance(token, str)
    return token


def of_trace(spans: list[Told], trace: str) -> list[Told]:
    return sorted((span for span in spans if span.trace == trace), key=lambda span: (span.start, span.kind != "SERVER"))


async def counted(house: House, **expected: float) -> None:
    wanted = {(result,): number for result, number in expected.items()}

    async def it_is() -> bool:
        return await house.count("scopegate_trace_spans_total", "result") == wanted

    await eventually(it_is)


async def test_app_vendor_logs_and_collector_know_one_trace(collector: Collector, tmp_path: Path) -> None:
    simulator, audit = RingCentralSimulator(), tmp_path / "audit.jsonl"
    async with open_house(simulator, tracing=tracing(collector), audit={"path": str(audit)}) as house:
        token = await log_in(house, "reader")
        first = (await collector.wait_for(2))[0]
        assert (first.name, first.parent) == ("POST /restapi/oauth/token", "")
        status = await house.send("GET", "/ringcentral/restapi/v1.0/account/~", token, SAMPLED | {"tracestate": "foo=1"})
        denied = await house.send("GET", LOG + "?secret=canary-query", token, SAMPLED)
        assert (status.status, denied.status) == (200, 403)
        await collector.wait_for(5)
        rows = {row["decision_id"]: row for row in (await house.admin("/api/v1/decisions"))["decisions"]}
        await counted(house, exported=5)
    served, called, refused = of_trace(collector.spans, TRACE)
    assert (served.kind, served.parent, called.kind, called.parent) == ("SERVER", SPAN, "CLIENT", served.id)
    assert (refused.kind, refused.parent, refused.name, refused.failed) == ("SERVER", SPAN, f"GET {ROUTE}", False)
    sent = simulator.journal[-1]
    assert sent.header_values("traceparent") == [f"00-{TRACE}-{called.id}-01".encode()]
    assert sent.header_values("tracestate") == [b"foo=1"]
    events = [json.loads(line) for line in audit.read_text().splitlines()]
    for span, answer in ((served, status), (refused, denied)):
        row = rows[answer.headers["Scopegate-Decision-Id"]]
        assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (span.trace, span.id, span.parent)
        (event,) = [event for event in events if event["metadata"].get("uid") == row["decision_id"]]
        assert (event["trace"]["uid"], event["trace"]["span"]["uid"]) == (span.trace, span.id)
        assert span.attributes["scopegate.decision_id"] == row["decision_id"]
    assert served.start <= called.start <= called.end == served.end
    assert (refused.attributes["scopegate.reason"], refused.attributes["scopegate.missing"]) == ("missing_scope", ["ReadCallLog"])
    assert {name: served.resource[name] for name in ("service.name", "telemetry.sdk.language")} == {
        "service.name": "scopegate",
        "telemetry.sdk.language": "python",
    }
    assert served.resource["service.instance.id"]
    assert all(headers["x-key"] == KEY for headers in collector.headers)


async def test_nothing_secret_reaches_the_collector(collector: Collector) -> None:
    async with open_house(RingCentralSimulator(), tracing=tracing(collector, compression="gzip")) as house:
        token = await log_in(house)
        await house.send("GET", LOG + "?view=canary-query", token, {"X-Secret": "canary-header", "Scopegate-Key": "canary-key"})
        await house.send("GET", "/ringcentral/canary-path/canary-id", token)
        await house.send("GET", "/ringcentral/restapi/v1.0/account/canary-account/call-log", token)
        await house.send("PROPFIND", LOG + "/canary-segment", token)
        await house.send("GET", LOG, "canary-token")
    written = b"".join(collector.bodies)
    assert {span.attributes["scopegate.outcome"] for span in collector.spans if span.kind == "SERVER"} == {"forwarded"}
    assert len(collector.spans) == 12
    assert b"readCompanyCallLog" in written
    assert [canary for canary in (b"canary", b"demo-jwt", b"secret", token.encode()) if canary in written.lower()] == []


@pytest.mark.parametrize(("ratio", "parent", "spans"), [(0, "", 0), (0, "01", 2), (1, "00", 0), (1, "01", 2), (1, "", 2)])
async def test_a_trace_is_sampled_as_its_parent_says_and_a_new_one_by_the_ratio(
    collector: Collector, ratio: float, parent: str, spans: int
) -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, tracing=tracing(collector, ratio=ratio)) as house:
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-{parent}"} if parent else {}
        await house.send("GET", "/ringcentral/restapi/v1.0/status", headers=headers)
    assert len(collector.spans) == spans
    (told,) = simulator.journal[-1].header_values("traceparent")
    assert told.endswith({"": b"-03" if ratio else b"-02", "00": b"-00", "01": b"-01"}[parent])


async def test_what_waits_is_sent_at_the_end(collector: Collector) -> None:
    async with open_house(RingCentralSimulator(), tracing=tracing(collector, interval_s=3600)) as house:
        await house.send("GET", "/ringcentral/restapi/v1.0/status")
        assert collector.spans == []
    assert len(collector.spans) == 2


async def test_a_collector_that_fails_harms_nobody_and_is_told_of(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    collector.status = 401
    async with open_house(RingCentralSimulator(), tracing=tracing(collector)) as house:
        assert (await house.send("GET", "/ringcentral/restapi/v1.0/status")).local is False
        await counted(house, failed=2)
        collector.status = 200
        await house.send("GET", "/ringcentral/restapi/v1.0/status")
        await counted(house, failed=2, exported=2)
    assert re.search(r"spans cannot be exported: the collector answers 401\.", caplog.text)
    assert KEY not in caplog.text


async def test_a_collector_that_is_away_harms_nobody(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    await collector.stop()
    async with open_house(RingCentralSimulator(), tracing=tracing(collector, timeout_s=0.2)) as house:
        assert (await house.send("GET", "/ringcentral/restapi/v1.0/status")).local is False
        await counted(house, failed=2)
    assert "spans cannot be exported: the collector cannot be reached (ConnectionError)" in caplog.text
    await collector.start()


async def test_what_does_not_fit_is_dropped_and_counted(collector: Collector) -> None:
    more = {"interval_s": 3600, "max_queued": 512}
    async with open_house(RingCentralSimulator(), tracing=tracing(collector, **more), mode="off") as house:
        spans = house.app._recording.spans
        assert spans is not None
        await house.send("GET", "/ringcentral/restapi/v1.0/status")
        exchange = house.app._recording.recent.find()[0]
        for _ in range(3 * 512):  # one full batch is on its way to a collector that cannot answer meanwhile, and as many wait
            spans.record(exchange)
        dropped = spans.readings()[0].read()["dropped",]
        assert dropped >= 2 * 511
    assert len(collector.spans) + dropped == 2 * (3 * 512 + 1)


async def test_a_vendor_that_fails_is_an_error_and_a_refusal_is_none(collector: Collector) -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, tracing=tracing(collector), vendors={"ringcentral": {"mode": "off"}}) as house:
        token = await log_in(house, "reader")
        assert (await house.send("GET", LOG, token)).status == 403
        await simulator.stop()
        assert (await house.send("GET", LOG, token, SAMPLED)).status == 502
        await collector.wait_for(5)
        refusal = [span for span in collector.spans if span.attributes["http.response.status_code"] == 403]
        assert [span.failed for span in refusal] == [False, False]
        (unreachable,) = of_trace(collector.spans, TRACE)
        assert (unreachable.failed, unreachable.attributes["error.type"]) == (True, "upstream_refused")


async def test_it_is_off_by_default() -> None:
    async with open_house(RingCentralSimulator()) as house:
        assert house.app._recording.spans is None
        assert "scopegate_trace_spans_total" not in await house.page()
