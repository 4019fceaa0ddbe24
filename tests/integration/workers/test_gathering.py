"""What each worker counts is in one report, also after all of them have ended."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from tests.integration.workers.workshop import EXTENSION, Workshop, ask, log_in, open_workshop

REPORT = "/api/v1/reports/usage"


async def used(shop: Workshop) -> tuple[int, list[str]]:
    (group,) = (await shop.json(REPORT))["groups"]
    counts = {one["operation"]: (one["count"], one["scopes"]) for one in group["operations"]}
    count, scopes = counts["readExtension"]
    return count, scopes


async def test_use_on_every_worker_is_in_one_report_and_stays(tmp_path: Path) -> None:
    state: dict[str, Any] = {"state": {"path": str(tmp_path / "state.db")}}
    async with open_workshop(tmp_path, **state) as shop:
        clients = await shop.connect_to_each()
        token = await log_in(clients[0])
        for client in clients:
            for _ in range(3):
                assert (await ask(client, token, EXTENSION)).status == 200
        for _ in range(2):
            assert await used(shop) == (6, ["ReadAccounts"])
        assert (await ask(clients[1], token, EXTENSION)).status == 200  # nobody asks for this one before the end
        shop.running.send(signal.SIGTERM)
        await shop.running.end()
    async with open_workshop(tmp_path, **state) as shop:
        assert await used(shop) == (7, ["ReadAccounts"])


async def test_scopes_are_granted_once_and_used_at_one_moment(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        clients = await shop.connect_to_each()
        token = await log_in(clients[0])
        begun = time.time()
        for client in clients:
            assert (await ask(client, token, EXTENSION)).status == 200
        assert await shop.values("scopegate_scope_granted", "scope") == {("ReadAccounts",): 1}
        (last,) = (await shop.values("scopegate_scope_last_used_timestamp_seconds")).values()
        assert begun - 1 <= last <= time.time() + 1
