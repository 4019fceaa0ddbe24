"""No command prints a secret: not of the logs it reads, not of the running proxy it asks, not of the configuration it checks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proxy.reports.catalogue import FORMATS, FORMS
from tests.fakes.waiting import eventually
from tests.integration.canary import MARK, QUERY, Written, marked_vendors
from tests.integration.cli.processes import COMMAND, PATIENCE_S, ROOT, environment
from tests.integration.house import House, open_house
from tests.integration.test_canary import CLIENTS, Walk

PASTED = f"""HTTP/1.1 403 Forbidden
Authorization: Bearer pasted.{MARK}
set-cookie: session={MARK}

{{"errorCode": "InsufficientPermissions", "permissionName": "{MARK}", "access_token": "{MARK}", "errors": [{{"errorCode": "CMN-401"}}]}}"""
DENIAL = '"reason":"missing_scope"'
UPSTREAM = "https://vendor.example.com"


def run(*arguments: str, given: str = "", **variables: str) -> bytes:
    """Return everything that a command prints."""
    told = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(variables),
        input=given.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.returncode != 2, told.stderr
    return told.stdout + told.stderr


def configuration_file(folder: Path) -> str:
    """Write a configuration for `replay`, with secrets from variables wherever one may come from one."""
    kinds = ("ringcentral", "8x8", "newvoicemedia")
    vendors: dict[str, Any] = {kind: {"kind": kind, "mount": {"path": f"/{kind}"}, "upstream": UPSTREAM} for kind in kinds}
    vendors["newvoicemedia"]["token_upstream"] = "${TOKEN_UPSTREAM}"
    clients = [*CLIENTS, {"name": "other", "authenticate": {"api_key_sha256": "${KEY_HASH}"}}]
    text = {"vendors": vendors, "clients": clients, "state": {"path": "${STATE}", "key": "${STATE_KEY}"}}
    file = folder / "scopegate.yaml"
    file.write_text(json.dumps(text))
    return str(file)


VARIABLES = {
    "TOKEN_UPSTREAM": f"https://{MARK}.example.com/{MARK}",
    "KEY_HASH": MARK,
    "STATE": f"/nowhere/{MARK}.db",
    "STATE_KEY": MARK,
}


async def print_everything(house: House, folder: Path, written: Written) -> None:
    """Run every command that reads what a proxy wrote, or asks a proxy."""

    async def denial_is_written() -> bool:
        return DENIAL in (folder / "decisions").read_text()

    await eventually(denial_is_written)
    log, configuration = (folder / "decisions").read_text(), configuration_file(folder)
    admin = ("--admin", f"http://127.0.0.1:{house.app.admin_port}")
    grant = (await house.admin("/api/v1/grants?vendor=ringcentral"))["grants"][0]["fingerprint"]
    plain = {**VARIABLES, "TOKEN_UPSTREAM": "https://login.example.com", "KEY_HASH": "0" * 64, "STATE_KEY": "ab" * 32}
    explain = (
        "explain",
        "--vendor",
        "ringcentral",
        "--token-fingerprint",
        grant,
        *admin,
        "GET",
        f"/restapi/v1.0/account/~/call-log?{QUERY}",
    )
    for output in ("text", "json"):
        told = ("--format", output)
        for name, command, given, variables in (
            ("check-config", ("check-config", configuration), "", VARIABLES),
            ("replay", ("replay", "-", "--config", configuration), log, plain),
            ("explain", explain, "", {}),
            ("proposals", ("catalog", "proposals", "ringcentral", *admin), "", {}),
            ("audit", ("audit", "verify", str(folder / "audit.jsonl")), "", {}),
            ("explain-error", ("explain-error", "--vendor", "ringcentral", "-"), PASTED, {}),
            (
                "explain-error of a line",
                ("explain-error", "-"),
                next(line for line in log.splitlines() if DENIAL in line),
                {},
            ),
        ):
            printed = await asyncio.to_thread(run, *command, *told, given=given, **variables)
            assert len(printed) > 20, name
            written.add(f"{name} as {output}", printed)


async def print_reports(house: House, written: Written) -> None:
    """Ask for every report in every format."""
    admin = ("--admin", f"http://127.0.0.1:{house.app.admin_port}")
    for name in FORMS:
        for output in FORMATS:
            printed = await asyncio.to_thread(run, "report", name, *admin, "--format", output)
            assert len(printed) > 20, (name, output)
            written.add(f"report {name} as {output}", printed)


@pytest.mark.timeout(180)  # some thirty commands, one process each
async def test_no_command_prints_a_secret(tmp_path: Path) -> None:
    written = Written()
    descriptor = os.open(tmp_path / "decisions", os.O_CREAT | os.O_WRONLY)
    house_with = open_house(
        *marked_vendors(),
        log_descriptor=descriptor,
        clients=CLIENTS,
        log={"format": "json", "decisions": True},
        audit={"path": str(tmp_path / "audit.jsonl")},
    )
    async with house_with as house:
        walk = Walk(house, written)
        await walk.ringcentral()
        await print_everything(house, tmp_path, written)
        await print_reports(house, written)
    os.close(descriptor)
    written.assert_clean()
