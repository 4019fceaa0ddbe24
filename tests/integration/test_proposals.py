"""A wrong catalogue in front of a simulated vendor: the vendor's refusals become proposals, and nothing is applied."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from proxy.settings import CatalogSource, builtin_config_directory, read_catalog
from tests.integration.cli.processes import read_json, scopegate
from tests.integration.house import House, Json
from tests.integration.test_readiness import CALL_LOG, OPERATION, Site, log_in

REFUSED = (403, "permit", False)
PROPOSED = {
    "id": OPERATION,
    "method": "GET",
    "path": "/restapi/v1.0/account/{accountId}/call-log",
    "requires": [["ReadAccounts", "ReadCallLog"]],
    "origin": "proposed",
}


class WrongSite(Site):
    """The wrong catalogue wants a scope that everybody here has, while the vendor wants another."""

    def catalog(self, *, wrong: bool) -> Path:
        rows = yaml.safe_load((builtin_config_directory() / "catalogs" / "ringcentral.yaml").read_text())
        for row in rows["operations"]:
            if wrong and row["id"] == OPERATION:
                row["requires"] = [["ReadAccounts"]]
        file = self.directory / "catalogue.yaml"
        file.write_text(yaml.safe_dump(rows))
        return file


@pytest.fixture
def site(tmp_path: Path) -> WrongSite:
    return WrongSite(tmp_path)


async def proposals(house: House) -> list[Json]:
    told = await house.admin("/api/v1/catalog/ringcentral/proposals")
    assert told["unrecorded"] == 0
    found = told["proposals"]
    assert isinstance(found, list)
    return found


async def test_a_refusal_that_contradicts_the_catalogue_is_proposed_and_not_applied(site: WrongSite) -> None:
    async with site.open(wrong=True) as house:
        token = await log_in(house, "reader")
        answers = [await house.send("GET", CALL_LOG, token) for _ in range(2)]
        assert [answer.told for answer in answers] == [REFUSED, REFUSED]
        (found,) = await proposals(house)
        assert (found["operation"], found["kind"], found["scope"], found["count"]) == (OPERATION, "needs_more", "ReadCallLog", 2)
        assert found["clients"] == ["anonymous"]
        assert [example["decision_id"] for example in found["examples"]] == [
            answer.headers["Scopegate-Decision-Id"] for answer in reversed(answers)
        ]
        assert found["row"] == PROPOSED
        assert (await house.admin("/api/v1/catalog/ringcentral"))["operations"]
        assert await house.count("scopegate_catalog_proposals", "kind") == {("needs_more",): 1}


async def test_proposals_survive_a_restart_and_end_with_the_corrected_row(site: WrongSite) -> None:
    async with site.open(wrong=True) as house:
        await house.send("GET", CALL_LOG, await log_in(house, "reader"))
    async with site.open(wrong=True) as house:
        assert [found["count"] for found in await proposals(house)] == [1]
    async with site.open(wrong=False) as house:
        assert await proposals(house) == []


async def test_the_command_prints_a_row_that_a_catalogue_can_have(site: WrongSite) -> None:
    async with site.open(wrong=True) as house:
        await house.send("GET", CALL_LOG, await log_in(house, "reader"))
        admin = ("--admin", f"http://127.0.0.1:{house.app.admin_port}")
        told = await asyncio.to_thread(scopegate, "catalog", "proposals", "ringcentral", *admin)
        as_json = await asyncio.to_thread(scopegate, "catalog", "proposals", "ringcentral", *admin, "--format", "json")
        unknown = await asyncio.to_thread(scopegate, "catalog", "proposals", "nobody", *admin)
    assert told.returncode == 0
    assert "for want of ReadCallLog" in told.stdout
    (row,) = [line.strip() for line in told.stdout.splitlines() if line.strip().startswith("- {")]
    catalog = read_catalog(f"vendor: ringcentral\noperations:\n  {row}\n".encode(), "pasted")
    assert isinstance(catalog, CatalogSource), str(catalog)
    assert read_json(as_json)["proposals"][0]["row"] == PROPOSED
    assert (unknown.returncode, "the configured vendors are: ringcentral" in unknown.stderr) == (1, True)


async def test_an_ordinary_refusal_proposes_nothing(site: WrongSite) -> None:
    async with site.open(wrong=False, mode="shadow") as house:
        answer = await house.send("GET", CALL_LOG, await log_in(house, "reader"))
        assert answer.told == (403, "would-deny", False)
        assert await proposals(house) == []
