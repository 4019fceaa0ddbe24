"""Every worker exports the spans of its own requests, and says which one it is."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.fakes.collector import Collector
from tests.fakes.waiting import eventually
from tests.integration.workers.workshop import ask, log_in, open_workshop


async def test_both_workers_export_and_are_counted_together(tmp_path: Path) -> None:
    collector = await Collector().start()
    tracing = {"otlp": {"endpoint": collector.url, "interval_s": 0.1}}
    async with open_workshop(tmp_path, tracing=tracing) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        await ask(one, token)
        await ask(two, token)

        async def counted() -> bool:
            return await shop.values("scopegate_trace_spans_total", "result") == {("exported",): 4, ("failed",): 0, ("dropped",): 0}

        await eventually(counted)
        await ask(two, token)
        shop.running.send(signal.SIGTERM)
        assert (await shop.running.end())[0] == 0
        decided = {(line["trace_id"], line["span_id"]) for line in shop.lines()}
    served = [span for span in collector.spans if span.kind == "SERVER"]
    assert {(span.trace, span.id) for span in served} == decided
    assert sorted(span.resource["scopegate.worker"] for span in served) == ["1", "1", "2", "2"]
    assert len({span.resource["service.instance.id"] for span in served}) == 2
    await collector.stop()
