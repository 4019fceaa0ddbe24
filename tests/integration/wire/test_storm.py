"""A short storm: clients give up at every stage, the vendor misbehaves at random, and afterwards nothing is left of either."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.running import Running
from tests.fakes.storm import LIMITS, TIMEOUTS, Storm, StormyVendor, living, open_files
from tests.fakes.waiting import eventually


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_a_storm_nothing_is_left(tmp_path: Path, seed: int) -> None:
    tasks, objects = asyncio.all_tasks(), living()
    vendor = StormyVendor(seed)
    await vendor.start()
    try:
        files = open_files() - 1  # without the vendor's own; libuv keeps one more as soon as anything listens
        proxy = await Running.start(
            tmp_path, f"http://127.0.0.1:{vendor.port}", limits=LIMITS, timeouts=TIMEOUTS, more="circuit_breaker: {failures: 0}"
        )
        storm = Storm(proxy.app.port, seed)
        await storm.blow(300, at_once=24)
        await proxy.finish()
    finally:
        await vendor.stop()

    async def calm() -> bool:
        return not asyncio.all_tasks() - tasks and open_files() <= files and not vendor.open

    await eventually(calm)
    assert living() == objects
    assert storm.outcomes.total() == 300
    assert {"leave_in_the_download: left", "leave_in_the_upload: left", "ask: 200", "ask: 502", "send_nonsense: 400"} <= set(storm.outcomes)
