"""Another configuration for all workers at once: none decides by the old one after another has decided by the new one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import yaml

from proxy.settings import builtin_config_directory
from tests.fakes.waiting import eventually
from tests.integration.workers.workshop import DENIED, Workshop, ask, log_in, open_workshop, told

FORWARDED = (403, "would-deny", "vendor")


def write(shop: Workshop, vendor: dict[str, Any] | None = None, **top: object) -> None:
    """Change the configuration: settings of the vendor, and top-level ones."""
    text = json.loads(shop.file.read_text())
    text["vendors"]["ringcentral"] |= vendor or {}
    shop.file.write_text(json.dumps(text | top))


async def reload(shop: Workshop, line: str = "is in force") -> str:
    shop.running.send(signal.SIGHUP)
    return await shop.running.error_line(line)


async def test_all_workers_change_at_once_and_know_what_they_knew(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        assert [told(await ask(client, token)) for client in (one, two)] == [DENIED, DENIED]
        write(shop, mode="shadow")
        await reload(shop)
        assert [told(await ask(client, token)) for client in (one, two)] == [FORWARDED, FORWARDED]
        write(shop, mode="enforce")
        await reload(shop)
        assert [told(await ask(client, token)) for client in (two, one)] == [DENIED, DENIED]
        revision = (await shop.json("/api/v1/config"))["revision"]
        rows = (await shop.json("/api/v1/decisions"))["decisions"]
        assert [row["revision"] == revision for row in rows[:3]] == [True, True, False]
        assert await shop.values("scopegate_config_info", "revision") == {(revision,): 1}
        assert await shop.values("scopegate_config_reloads_total", "result") == {("loaded",): 2, ("unchanged",): 0, ("failed",): 0}


async def test_vendors_come_and_go_without_mixing_up_what_is_known(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        text = json.loads(shop.file.read_text())
        first = {"kind": "newvoicemedia", "mount": {"path": "/nvm"}, "upstream": "http://127.0.0.1:9"}
        shop.file.write_text(json.dumps({"vendors": {"first": first, **text["vendors"]}}))
        await reload(shop)
        assert told(await ask(two, token)) == DENIED
        other = await log_in(two)
        assert told(await ask(one, other)) == DENIED
        shop.file.write_text(json.dumps(text))
        await reload(shop)
        assert [told(await ask(one, each)) for each in (token, other)] == [DENIED, DENIED]
        assert (await ask(one, token, "/nvm/x")).status == 404


async def test_a_catalogue_that_is_corrected_counts_everywhere(tmp_path: Path) -> None:
    rows = yaml.safe_load((builtin_config_directory() / "catalogs" / "ringcentral.yaml").read_text())
    async with open_workshop(tmp_path) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        assert told(await ask(two, token)) == DENIED
        for row in rows["operations"]:
            if row["id"] == "readCompanyCallLog":
                row["requires"] = [["ReadAccounts"]]
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(rows))
        write(shop, {"catalog": str(tmp_path / "mine.yaml")})
        await reload(shop)
        assert [(await ask(client, token)).get("Scopegate-Decision") for client in (one, two)] == ["permit", "permit"]


async def test_a_worker_that_is_born_later_begins_with_what_is_in_force(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        one, _ = await shop.connect_to_each()
        token = await log_in(one)
        write(shop, mode="shadow")
        await reload(shop)
        write(shop, mood=1)  # what is in the file by now must not matter
        os.kill(await shop.is_ready("2"), signal.SIGKILL)
        del shop.pids["2"]
        await shop.is_ready("2")
        for client in await shop.connect_to_each():
            assert told(await ask(client, token)) == FORWARDED


async def test_what_is_wrong_changes_nobody(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        clients = await shop.connect_to_each()
        token = await log_in(clients[0])
        write(shop, mode="shadow", workers=3, log={"format": "text"})
        assert "log: needs a restart" in await reload(shop, "log: ")
        assert [told(await ask(client, token)) for client in clients] == [DENIED, DENIED]
        assert await shop.values("scopegate_config_last_reload_successful") == {(): 0}


async def test_no_request_is_lost_or_decided_by_neither(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        clients = await shop.connect_to_each()
        token = await log_in(clients[0])
        ending = asyncio.Event()

        async def keep_asking(number: int) -> int:
            count = 0
            while not ending.is_set():
                assert told(await ask(clients[number], token)) in (DENIED, FORWARDED)
                count += 1
            return count

        asking = [asyncio.create_task(keep_asking(number)) for number in range(2)]
        for number in range(6):
            write(shop, mode="enforce" if number % 2 else "shadow")
            await reload(shop)
        ending.set()
        assert min(await asyncio.gather(*asking)) > 0

        async def both_work() -> bool:
            return await shop.values("scopegate_worker_up", "worker") == {("1",): 1, ("2",): 1}

        await eventually(both_work)
        assert await shop.total("scopegate_bugs_total") == 0
