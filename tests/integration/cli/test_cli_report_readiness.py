"""`scopegate report readiness`, of a running proxy and of a store that nobody has open."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proxy.simulators import RingCentralSimulator
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from tests.integration.cli.processes import read_json, scopegate
from tests.integration.house import House, Json, basic, open_house

CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"


async def call(house: House, app: str) -> None:
    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    login = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic(app, f"{app}-secret"), form=form)
    await house.send("GET", CALL_LOG, str(login.json["access_token"]))


async def report(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    admin = f"http://127.0.0.1:{house.app.admin_port}"
    return await asyncio.to_thread(scopegate, "report", "readiness", "--admin", admin, *arguments)


def settings(directory: Path, **more: Any) -> Json:
    return {"mode": "shadow", "readiness": {"min_scored_calls": 2}, "state": {"path": str(directory / "scopegate.db")}, **more}


async def test_a_running_proxy_tells_and_so_does_its_store_afterwards(tmp_path: Path) -> None:
    async with open_house(RingCentralSimulator(), **settings(tmp_path)) as house:
        await call(house, "demo-archiver")
        first = await report(house, "--fail-on-not-ready")
        await call(house, "demo-reader")
        second = await report(house, "--fail-on-not-ready")
        live = read_json(await report(house, "--format", "json"))
    assert (first.returncode, second.returncode) == (3, 0)
    assert "ringcentral: NOT READY" in first.stdout
    assert "readCompanyCallLog: too few scored calls" in first.stdout
    assert "ringcentral: ready" in second.stdout
    file = tmp_path / "scopegate.yaml"
    vendor = {"ringcentral": {"kind": "ringcentral", "mount": {"path": "/x"}, "upstream": "https://vendor.example"}}
    file.write_text(json.dumps(settings(tmp_path, vendors=vendor)))
    kept = scopegate("report", "readiness", "--config", str(file), "--format", "json", "--fail-on-not-ready")
    assert kept.returncode == 0, kept.stderr
    assert without_time(read_json(kept)) == without_time(live)
    (line,) = csv.DictReader(io.StringIO(scopegate("report", "readiness", "--config", str(file), "--format", "csv").stdout))
    assert (line["operation"], line["verdict"], line["correct_denial"], line["correct_permit"]) == ("readCompanyCallLog", "ready", "1", "1")


def without_time(document: Json) -> Json:
    return {name: value for name, value in document.items() if name != "generated_at"}


async def test_a_false_denial_is_told_with_what_to_do() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, mode="shadow") as house:
        form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
        login = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic("demo-reader", "demo-reader-secret"), form=form)
        simulator.reply_next(json_reply(200, {}))
        await house.send("GET", CALL_LOG, str(login.json["access_token"]))
        told = {kind: (await report(house, "--format", kind)).stdout for kind in ("text", "markdown", "html")}
    assert "/api/v1/readiness/ringcentral/readCompanyCallLog" in told["text"]
    assert "back in shadow" in told["text"]
    assert "### Back in shadow" in told["markdown"]
    assert told["html"].startswith("<!DOCTYPE html>")


async def test_nothing_observed_is_not_ready() -> None:
    async with open_house(RingCentralSimulator()) as house:
        told = await report(house, "--fail-on-not-ready")
    assert (told.returncode, "Nothing was scored" in told.stdout) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--config", "a", "--admin", "b"), 2, "give one of them"),
        (("--admin", "http://127.0.0.1:9"), 1, "no admin listener answers"),
        (("--config", "missing.yaml"), 4, "missing.yaml"),
        (("--format", "pdf"), 2, "pdf"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: tuple[str, ...], code: int, said: str) -> None:
    told = scopegate("report", "readiness", *arguments)
    assert told.returncode == code
    assert said in told.stderr


def test_a_configuration_without_a_store_has_nothing_to_read(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text("vendors:\n  v: {kind: ringcentral, mount: {path: /x}, upstream: 'https://vendor.example'}\n")
    told = scopegate("report", "readiness", "--config", str(file))
    assert told.returncode == 1
    assert "--admin" in told.stderr
