"""A false denial that one worker proves puts the operation back to shadow in all of them; scores are one ledger."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import yaml

from proxy.settings import builtin_config_directory
from tests.fakes.client import RawClient
from tests.integration.workers.workshop import EXTENSION, Workshop, ask, log_in, open_workshop, told

MODES = ("enforce", "shadow")
CLIENTS = [{"name": mode, "authenticate": {"api_key_sha256": hashlib.sha256(mode.encode()).hexdigest()}, "mode": mode} for mode in MODES]
ENFORCED, IN_SHADOW = (f"Scopegate-Key: {mode}\r\n" for mode in MODES)
DENIED, WOULD_DENY = (403, "deny", "proxy"), (200, "would-deny", "vendor")


def wrong_catalog(directory: Path) -> tuple[str, str]:
    """Write a catalogue that wants a scope too many for the user's own extension; return file and operation."""
    rows = yaml.safe_load((builtin_config_directory() / "catalogs" / "ringcentral.yaml").read_text())
    route = "/restapi/v1.0/account/{accountId}/extension/{extensionId}"
    (row,) = (row for row in rows["operations"] if row["path"] == route and row["method"] == "GET")
    row["requires"] = [["ReadMessages"]]
    (directory / "wrong.yaml").write_text(yaml.safe_dump(rows))
    return str(directory / "wrong.yaml"), row["id"]


async def verdict(client: RawClient) -> tuple[int, str, str]:
    """Ask with a token of its own: one that the vendor has just accepted is known to be good for it."""
    return told(await ask(client, await log_in(client, ENFORCED), EXTENSION, ENFORCED))


async def scored(shop: Workshop) -> dict[str, float]:
    return {key[0]: value for key, value in (await shop.values("scopegate_scores_total", "score")).items() if value}


async def test_what_one_worker_puts_back_to_shadow_is_in_shadow_for_all(tmp_path: Path) -> None:
    catalog, operation = wrong_catalog(tmp_path)
    async with open_workshop(tmp_path, vendor={"catalog": catalog}, clients=CLIENTS) as shop:
        one, two = await shop.connect_to_each()
        assert await verdict(two) == DENIED
        assert told(await ask(one, await log_in(one, ENFORCED), EXTENSION, IN_SHADOW)) == WOULD_DENY
        assert await verdict(two) == WOULD_DENY
        assert await scored(shop) == {"false_denial": 2}

        report = await shop.json("/api/v1/reports/readiness")
        assert [found["operation"] for found in report["back_in_shadow"]] == [operation]
        assert await shop.values("scopegate_operations_demoted", "operation") == {(operation,): 1}

        os.kill(await shop.is_ready("1"), signal.SIGKILL)
        del shop.pids["1"]
        await shop.is_ready("1")
        assert [await verdict(client) for client in await shop.connect_to_each()] == [WOULD_DENY, WOULD_DENY]

        await shop.admin(f"/api/v1/readiness/ringcentral/{operation}", "DELETE", allowed=(204,))
        assert [await verdict(client) for client in await shop.connect_to_each()] == [DENIED, DENIED]


async def test_the_report_has_the_calls_of_all_workers(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        for client in (one, two, two):
            assert told(await ask(client, token, EXTENSION)) == (200, "permit", "vendor")
        for _ in range(2):
            report = await shop.json("/api/v1/reports/readiness")
            (row,) = report["operations"]
            assert row["scored"] == 3, row
