"""All workers write into one audit log with one chain."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.integration.audit.audit_samples import Log
from tests.integration.workers.workshop import ask, log_in, open_workshop


async def test_every_decision_of_every_worker_is_in_one_whole_chain(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    async with open_workshop(tmp_path, audit={"path": str(log.path)}) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        for _ in range(20):
            await asyncio.gather(ask(one, token), ask(two, token))
        assert (await shop.json("/readyz"))["checks"]["audit"]["ok"] is True
        shop.running.send(signal.SIGTERM)
        assert (await shop.running.end())[0] == 0
        decided = {line["decision_id"] for line in shop.lines() if line["event"] == "decision"}
    report = log.check()
    assert (report.damage, report.gaps) == ([], [])
    assert report.decisions == len(decided) == 41
    assert {line["metadata"]["uid"] for line in log.lines() if line["class_uid"] == 6003} == decided
    assert log.records() == ["opened", "started", "stopped"]
