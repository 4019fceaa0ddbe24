"""`scopegate replay` over a log that a proxy wrote about real traffic."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from proxy.simulators import RingCentralSimulator
from tests.integration.cli.processes import read_json, scopegate
from tests.integration.house import basic, open_house

FORM = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "demo-jwt-amy"}
ACCOUNT = "/ringcentral/restapi/v1.0/account/~"
CONFIGURATION = """
vendors:
  ringcentral: {{kind: ringcentral, mount: {{path: /ringcentral}}, upstream: "https://vendor.example"{vendor}}}
{more}
"""


def configuration(directory: Path, vendor: str = "", more: str = "") -> str:
    file = directory / "scopegate.yaml"
    file.write_text(CONFIGURATION.format(vendor=vendor, more=more))
    return str(file)


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    """The log of a login with ReadCallLog alone: two requests for the call log were permitted, one for a recording denied."""
    file = tmp_path / "decisions.jsonl"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    async with open_house(RingCentralSimulator(), log_descriptor=descriptor) as house:
        login = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic("demo-lister", "demo-lister-secret"), form=FORM)
        token = login.json["access_token"]
        for path in ("/call-log", "/call-log?view=Detailed", "/recording/401/content"):
            await house.send("GET", ACCOUNT + path, token)
    os.close(descriptor)
    return file


def replayed(log: Path | str, *arguments: str) -> tuple[int, Any]:
    finished = scopegate("replay", str(log), *arguments, "--format", "json")
    assert finished.returncode in {0, 3}, finished.stderr
    return finished.returncode, read_json(finished)


def test_the_same_rules_change_nothing(log: Path, tmp_path: Path) -> None:
    code, told = replayed(log, "--config", configuration(tmp_path))
    assert (code, told["decided"], told["changed"], told["skipped"]) == (0, 4, 0, {})


def test_without_a_scope(log: Path, tmp_path: Path) -> None:
    code, told = replayed(log, "--config", configuration(tmp_path), "--without", "ReadCallLog")
    assert (code, told["changed"]) == (3, 2)
    (change,) = told["changes"]
    assert (change["operation"], change["was"], change["now"], change["number"]) == ("readCompanyCallLog", "permit", "deny", 2)
    assert change["missing"] == ["ReadCallLog"]
    finished = scopegate("replay", str(log), "--config", configuration(tmp_path), "--without", "ReadCallLog")
    assert finished.returncode == 3
    assert "permit -> deny" in finished.stdout
    assert "lacks ReadCallLog" in finished.stdout
    assert "4 decisions made again: 2 the same, 2 changed" in finished.stdout


def test_another_mode_another_policy_another_catalogue(log: Path, tmp_path: Path) -> None:
    _, shadow = replayed(log, "--config", configuration(tmp_path, ", mode: shadow"))
    assert [(change["was"], change["now"]) for change in shadow["changes"]] == [("deny", "would-deny")]
    clients = f"clients: [{{name: app, authenticate: {{api_key_sha256: '{'0' * 64}'}}}}]"
    _, policy = replayed(log, "--config", configuration(tmp_path, more=clients))
    assert {change["reason"] for change in policy["changes"]} == {"policy_not_allowed"}
    other = tmp_path / "other.yaml"
    row = "{id: log, method: GET, path: '/restapi/v1.0/account/{accountId}/call-log', requires: [[New]]}"
    other.write_text(f"vendor: ringcentral\noperations: [{row}]\n")
    _, catalog = replayed(log, "--config", configuration(tmp_path), "--catalog", f"ringcentral={other}")
    assert {(change["now"], *change["missing"]) for change in catalog["changes"]} == {("deny", "New"), ("not-applicable",)}


def test_a_compressed_log_among_other_lines(log: Path, tmp_path: Path) -> None:
    packed = tmp_path / "decisions.jsonl.gz"
    lines = log.read_text().splitlines(keepends=True)
    packed.write_bytes(gzip.compress("".join(["listening on ...\n", *lines, "{broken\n"]).encode()))
    code, told = replayed(packed, "--config", configuration(tmp_path))
    assert (code, told["decided"], told["skipped"]) == (0, 4, {"other_line": 1, "unreadable": 1})


def test_a_log_that_begins_in_the_middle_says_what_it_lacks(log: Path, tmp_path: Path) -> None:
    kept = [line for line in log.read_text().splitlines() if json.loads(line)["event"] == "decision"]
    cut = tmp_path / "cut.jsonl"
    cut.write_text("\n".join(kept) + "\n")
    _, told = replayed(cut, "--config", configuration(tmp_path))
    assert (told["decided"], told["skipped"]) == (1, {"grants_not_told": 3})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--without", "ReadCalLog"), 2, "no catalogue of this configuration knows the scope 'ReadCalLog'"),
        (("--catalog", "nobody=x.yaml"), 2, "must be VENDOR=FILE with one of ringcentral"),
        (("--catalog", "ringcentral=no-such-file.yaml"), 4, "no-such-file.yaml"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    finished = scopegate("replay", os.devnull, "--config", configuration(tmp_path), *arguments)
    assert finished.returncode == code
    assert told in finished.stderr


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    missing = scopegate("replay", str(tmp_path / "nothing.jsonl"), "--config", configuration(tmp_path))
    assert (missing.returncode, "nothing.jsonl" in missing.stderr) == (1, True)
    assert scopegate("replay", os.devnull, "--config", str(tmp_path / "nothing.yaml")).returncode == 4
