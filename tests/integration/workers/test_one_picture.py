"""The supervisor's admin listener and the decision log show all workers as one proxy."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.waiting import eventually
from tests.integration.workers.workshop import Workshop, ask, get, log_in, open_workshop
from tests.unit.docs.test_metrics_page import OF_WORKERS, described, families


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path) as shop:
        yield shop


async def test_metrics_are_exact_sums(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    token = await log_in(one)
    for _ in range(30):
        await ask(one, token)
    for _ in range(12):
        await ask(two, token)
    wanted = {
        ("forwarded",): 1, ("denied",): 42, ("would_deny",): 0, ("bad_request",): 0, ("upstream_error",): 0, ("internal_error",): 0,
    }  # fmt: skip

    async def everybody_has_told() -> bool:
        """A worker that is too busy for a scrape tells at the next one."""
        return await shop.values("scopegate_requests_total", "outcome") == wanted

    await eventually(everybody_has_told)
    assert await shop.total("scopegate_overhead_seconds_count") == 43
    assert (await shop.values("scopegate_request_duration_seconds_count", "outcome"))["denied",] == 42
    assert await shop.total("scopegate_connections") == 2
    assert await shop.total("scopegate_connections_accepted_total") == 2
    assert await shop.total("scopegate_bugs_total") == 0
    assert await shop.values("scopegate_worker_up", "worker") == {("1",): 1, ("2",): 1}


async def test_recent_decisions_of_all_workers_are_listed_newest_first_and_found_by_id(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    token = await log_in(one)
    made = [(await ask(client, token)).get("Scopegate-Decision-Id") for client in (one, two, one, two)]
    listed = await shop.json("/api/v1/decisions?decision=deny")
    assert [row["decision_id"] for row in listed["decisions"]] == made[::-1]
    assert listed["remembered"] == 5
    assert [row["decision_id"] for row in (await shop.json("/api/v1/decisions?limit=1"))["decisions"]] == made[-1:]
    for decision_id in made:
        assert (await shop.json(f"/api/v1/decisions/{decision_id}"))["decision_id"] == decision_id
    assert (await shop.admin("/api/v1/decisions/none", allowed=(404,))).status == 404


async def test_decision_lines_are_whole_and_none_is_lost(shop: Workshop) -> None:
    each = 400
    one, two = await shop.connect_to_each()
    token = await log_in(one)

    async def ask_often(worker: int) -> list[str]:
        client, ids = (one, two)[worker], []
        for start in range(0, each, 20):
            await client.send(b"".join(get(f"/ringcentral/restapi/v1.0/account/~/call-log?n={start}", token) for _ in range(20)))
            ids += [(await client.answer()).get("Scopegate-Decision-Id") for _ in range(20)]
        return ids

    made = [decision_id for ids in await asyncio.gather(ask_often(0), ask_often(1)) for decision_id in ids]
    shop.running.send(signal.SIGTERM)
    await shop.running.end()
    lines = shop.lines()
    assert len(lines) == 2 * each + 1
    assert {line["decision_id"] for line in lines if line["decision"] == "deny"} == set(made)


async def test_limits_hold_for_all_workers_together(tmp_path: Path) -> None:
    """Four connections in all are two for each worker: whoever takes the fifth says that there are too many."""
    async with open_workshop(tmp_path, limits={"max_connections": 4}) as shop:
        clients = [await shop.connect() for _ in range(5)]
        statuses = [(await ask(client, "any")).status for client in clients]
        assert 503 in statuses
        assert 2 <= len([status for status in statuses if status != 503]) <= 4


async def test_every_metric_of_workers_is_described_with_its_type_and_labels(shop: Workshop) -> None:
    page = (await shop.admin("/metrics")).body.decode()
    found = {name: what for name, what in families(page).items() if name.startswith(OF_WORKERS)}
    dropped = found.pop("scopegate_worker_records_dropped_total")
    assert dropped == ("counter", frozenset())  # nothing was dropped, so there is no series to see labels of
    wanted = {name: what for name, what in described().items() if name.startswith(OF_WORKERS)}
    assert wanted == found | {"scopegate_worker_records_dropped_total": ("counter", frozenset({"kind"}))}


async def test_a_resource_has_the_same_hidden_name_in_the_lines_of_all_workers(tmp_path: Path) -> None:
    nowhere = {"8x8": {"kind": "8x8", "mount": {"path": "/8x8"}, "upstream": "http://127.0.0.1:9"}}
    query = "pbxId=acmecorp&startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
    async with open_workshop(tmp_path, vendors=nowhere) as shop:
        for client in await shop.connect_to_each():
            await ask(client, "any", f"/8x8/analytics/work/v2/call-records?{query}")
        shop.running.send(signal.SIGTERM)
        await shop.running.end()
        first, second = (line["resources"] for line in shop.lines())
        assert first == second
        assert len(first) == 1
        assert "acmecorp" not in first[0]
