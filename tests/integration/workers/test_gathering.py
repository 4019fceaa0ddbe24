"""What each worker counts is in one report, also after all of them have ended."""

from __future__ import annotations

from pathlib import Path

from tests.integration.workers.workshop import EXTENSION, ask, log_in, open_workshop

REPORT = "/api/v1/reports/usage"


async def test_use_on_every_worker_is_in_one_report(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        clients = await shop.connect_to_each()
        token = await log_in(clients[0])
        for client in clients:
            for _ in range(3):
                assert (await ask(client, token, EXTENSION)).status == 200
        (group,) = (await shop.json(REPORT))["groups"]
        counts = {one["operation"]: (one["count"], one["scopes"]) for one in group["operations"]}
        assert counts["readExtension"] == (3 * len(clients), ["ReadAccounts"])
