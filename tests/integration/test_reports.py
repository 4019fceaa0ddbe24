"""Usage from real traffic: counted, reported by the admin API, kept over a restart, and read from the store by the command."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from tests.integration.cli.processes import scopegate
from tests.integration.house import House, basic, open_house

LOGIN, CALL_LOG = "/ringcentral/restapi/oauth/token", "/ringcentral/restapi/v1.0/account/~/call-log"
KEY = "key-of-archiver"
CLIENTS = [{"name": "archiver", "authenticate": {"api_key_sha256": sha256(KEY.encode()).hexdigest()}}]


@pytest.fixture
def vendor() -> RingCentralSimulator:
    return RingCentralSimulator(apps=[RingCentralApp("archiver", "secret", "ReadCallLog ReadAccounts")])


async def use(house: House) -> None:
    """Log in, use the call log twice, and be denied once."""
    fields = {"Scopegate-Key": KEY}
    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    login = await house.send("POST", LOGIN, headers=basic("archiver") | fields, form=form)
    for _ in range(2):
        assert (await house.send("GET", CALL_LOG, login.json["access_token"], fields)).status == 200
    denied = await house.send("GET", "/ringcentral/restapi/v1.0/account/~/recording/500001", login.json["access_token"], fields)
    assert denied.told == (403, "deny", True)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def report(house: House, name: str = "least-privilege", query: str = "") -> Any:
    (group,) = (await house.admin(f"/api/v1/reports/{name}{query}"))["groups"]
    return group


async def test_what_was_used_is_reported_and_survives_a_restart(vendor: RingCentralSimulator, tmp_path: Path) -> None:
    state = {"path": str(tmp_path / "scopegate.db")}
    for times in (1, 2):
        async with open_house(vendor, clients=CLIENTS, state=state) as house:
            await use(house)
            found = await report(house)
            assert (found["client"], found["recommended"], found["unused"]) == ("archiver", ["ReadCallLog"], ["ReadAccounts"])
            counts = {one["operation"]: one["count"] for one in found["operations"]}
            assert counts == {"getToken": times, "readCompanyCallLog": 2 * times}
            assert await house.count("scopegate_scope_granted", "client scope") == {
                ("archiver", "ReadAccounts"): 1.0,
                ("archiver", "ReadCallLog"): 1.0,
            }
            assert list(await house.count("scopegate_scope_last_used_timestamp_seconds", "client scope")) == [("archiver", "ReadCallLog")]


async def test_without_a_store_usage_is_gathered_in_memory(vendor: RingCentralSimulator) -> None:
    async with open_house(vendor, clients=CLIENTS) as house:
        await use(house)
        assert [one["scope"] for one in (await report(house, "usage"))["scopes"]] == ["ReadCallLog"]


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_usage_is_gathered_in_every_mode(vendor: RingCentralSimulator, mode: str) -> None:
    async with open_house(vendor, clients=CLIENTS, mode=mode) as house:
        login = await house.send("POST", LOGIN, headers=basic("archiver"), form={"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"})
        await house.send("GET", CALL_LOG, login.json["access_token"])
        assert [one["scope"] for one in (await report(house, "usage"))["scopes"]] == ["ReadCallLog"]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("nonsense", 404, "unknown_report"),
        ("usage?since=yesterday", 400, "bad_parameter"),
        ("usage?vendor=nobody", 400, "bad_parameter"),
        ("usage?format=pdf", 400, "bad_parameter"),
        ("usage?min_days=0", 400, "bad_parameter"),
        ("usage?what=ever", 400, "unknown_parameter"),
    ],
)
async def test_bad_questions_say_what_to_do(vendor: RingCentralSimulator, query: str, status: int, reason: str) -> None:
    async with open_house(vendor) as house, aiohttp.ClientSession() as session:
        answer = await session.get(f"http://127.0.0.1:{house.app.admin_port}/api/v1/reports/{query}")
        assert (answer.status, (await answer.json(content_type=None))["reason"]) == (status, reason)


async def test_a_page_may_run_nothing(vendor: RingCentralSimulator) -> None:
    async with open_house(vendor) as house, aiohttp.ClientSession() as session:
        answer = await session.get(f"http://127.0.0.1:{house.app.admin_port}/api/v1/reports/usage?format=html")
        assert answer.content_type == "text/html"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")


async def test_the_command_reads_the_store_and_fails_a_pipeline_on_request(vendor: RingCentralSimulator, tmp_path: Path) -> None:
    config = tmp_path / "scopegate.yaml"
    state = {"path": str(tmp_path / "scopegate.db")}
    async with open_house(vendor, clients=CLIENTS, state=state) as house:
        await use(house)
        upstream = house.simulators["ringcentral"].base_url
    entry = {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, "upstream": upstream}
    config.write_text(yaml.safe_dump({"vendors": {"ringcentral": entry}, "clients": CLIENTS, "state": state}))
    command = ("report", "least-privilege", "--config", str(config))
    before = contents(tmp_path)
    found = scopegate(*command, "--format", "json")
    assert (found.returncode, json.loads(found.stdout)["groups"][0]["unused"]) == (0, ["ReadAccounts"])
    assert scopegate(*command, "--fail-on-unused").returncode == 3
    assert scopegate(*command, "--fail-on-unused", "--client", "nobody").returncode == 0
    assert contents(tmp_path) == before  # reading changes nothing
    page = tmp_path / "report.html"
    assert scopegate(*command, "--format", "html", "--output", str(page)).returncode == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert scopegate("report", "usage", "--config", str(config)).stdout.count("readCompanyCallLog") >= 1


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    config = tmp_path / "scopegate.yaml"
    entry = {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, "upstream": "http://127.0.0.1:1"}
    config.write_text(yaml.safe_dump({"vendors": {"ringcentral": entry}}))
    found = scopegate("report", "usage", "--config", str(config))
    assert found.returncode == 1
    assert "has no store" in found.stderr
    config.write_text(yaml.safe_dump({"vendors": {"ringcentral": entry}, "state": {"path": "none.db"}}))
    found = scopegate("report", "usage", "--config", str(config))
    assert found.returncode == 1
    assert "there is no" in found.stderr
    assert scopegate("report", "usage", "--config", str(config), "--admin", "x").returncode == 2
    assert scopegate("report", "usage", "--since", "soon").returncode == 2
