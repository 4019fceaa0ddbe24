"""What the vendor's answers contradict, as all workers saw it: one list, one metric, one store."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import yaml

from proxy.settings import builtin_config_directory
from tests.integration.workers.workshop import Workshop, ask, log_in, open_workshop, told

ROUTE = "/restapi/v1.0/account/{accountId}/call-log"
REFUSED = (403, "permit", "vendor")


def wrong_catalog(directory: Path) -> str:
    """Write a catalogue that wants only what everybody here has for the call log."""
    rows = yaml.safe_load((builtin_config_directory() / "catalogs" / "ringcentral.yaml").read_text())
    (row,) = (row for row in rows["operations"] if row["path"] == ROUTE and row["method"] == "GET")
    row["requires"] = [["ReadAccounts"]]
    (directory / "wrong.yaml").write_text(yaml.safe_dump(rows))
    return str(directory / "wrong.yaml")


async def proposed(shop: Workshop) -> dict[str, Any]:
    told = await shop.json("/api/v1/catalog/ringcentral/proposals")
    assert told["unrecorded"] == 0
    (found,) = told["proposals"]
    assert isinstance(found, dict)
    return found


async def test_what_any_worker_found_is_in_one_list_and_stays(tmp_path: Path) -> None:
    options: dict[str, Any] = {"vendor": {"catalog": wrong_catalog(tmp_path)}, "state": {"path": str(tmp_path / "state.db")}}
    async with open_workshop(tmp_path, **options) as shop:
        one, two = await shop.connect_to_each()
        token = await log_in(one)
        answers = [await ask(client, token) for client in (one, two, two)]
        assert [told(answer) for answer in answers] == [REFUSED] * 3
        for _ in range(2):
            found = await proposed(shop)
            assert (found["kind"], found["scope"], found["count"]) == ("needs_more", "ReadCallLog", 3)
        assert [example["decision_id"] for example in found["examples"]] == [
            each.get("Scopegate-Decision-Id") for each in reversed(answers)
        ]
        assert (found["first"], found["last"]) == (found["examples"][-1]["at"], found["examples"][0]["at"])
        kinds = {key[0]: value for key, value in (await shop.values("scopegate_catalog_proposals", "kind")).items() if value}
        assert kinds == {"needs_more": 1}
        assert told(await ask(one, token)) == REFUSED  # nobody asks for this one before the end
        shop.running.send(signal.SIGTERM)
        await shop.running.end()
    async with open_workshop(tmp_path, **options) as shop:
        assert (await proposed(shop))["count"] == 4
        (client, _) = await shop.connect_to_each()
        assert told(await ask(client, await log_in(client))) == REFUSED
        assert (await proposed(shop))["count"] == 5
