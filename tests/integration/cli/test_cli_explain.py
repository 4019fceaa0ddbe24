from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.cli.explaining import split_scopes
from tests.integration.cli.conftest import WriteConfiguration
from tests.integration.cli.processes import read_json, scopegate, serving

CALLS = "/restapi/v1.0/account/~/call-log"
RECORDING = "/restapi/v1.0/account/~/recording/1"
RECORDS = "/analytics/work/v2/call-records?pbxId=acmecorp"
PERMISSIONS = "/useradmin/users/1/permissions/accessPermissions"


def explain(vendor: str, *arguments: str) -> tuple[int, Any]:
    finished = scopegate("explain", "--vendor", vendor, *arguments, "--format", "json")
    return finished.returncode, read_json(finished)


@pytest.mark.parametrize(
    ("vendor", "arguments", "code", "decision"),
    [
        ("ringcentral", ("GET", CALLS, "--scopes", "ReadAccounts"), 3, "deny"),
        ("ringcentral", ("GET", CALLS, "--scopes", ""), 3, "deny"),
        ("ringcentral", ("GET", CALLS, "--scopes", "ReadAccounts ReadCallLog"), 0, "permit"),
        ("ringcentral", ("GET", CALLS), 5, "indeterminate"),
        ("ringcentral", ("GET", "/nothing/here", "--scopes", "ReadAccounts"), 5, "not-applicable"),
        ("ringcentral", ("get", f"https://platform.example{CALLS}?page=2", "--scopes", "ReadCallLog"), 0, "permit"),
        ("8x8", ("GET", RECORDS), 5, "indeterminate"),
        ("newvoicemedia", ("GET", PERMISSIONS, "--scopes", "self:read"), 0, "permit"),
        ("newvoicemedia", ("GET", PERMISSIONS, "--scopes", "stats"), 3, "deny"),
    ],
)
def test_the_exit_code_is_the_verdict(vendor: str, arguments: tuple[str, ...], code: int, decision: str) -> None:
    told, members = explain(vendor, *arguments)
    assert (told, members["decision"]) == (code, decision)


def test_a_denial_says_what_is_missing_and_how_to_fix_it() -> None:
    _, members = explain("ringcentral", "GET", RECORDING, "--scopes", "ReadCallLog")
    assert members["required"] == [["ReadCallLog", "ReadCallRecording"]]
    assert members["missing"] == [["ReadCallRecording"]]
    assert members["remediation"]
    assert members["documentation"]


def test_the_text_begins_with_the_verdict() -> None:
    finished = scopegate("explain", "--vendor", "newvoicemedia", "GET", PERMISSIONS, "--scopes", "")
    lines = finished.stdout.splitlines()
    assert lines[0] == f"DENY  GET {PERMISSIONS}"
    assert [line.split()[0] for line in lines[1:6]] == ["operation", "route", "needs", "held", "missing"]
    assert lines[3].endswith("users:read or users:write or self:read")
    assert lines[4].endswith("nothing")
    assert "How to fix it" in lines


def test_the_rules_for_a_client_are_asked_too(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text(
        "vendors: {ringcentral: {kind: ringcentral, mount: {path: /a}, upstream: 'https://x.example'}}\n"
        f"clients: [{{name: app, mode: shadow, authenticate: {{api_key_sha256: '{'a' * 64}'}}, "
        "allow: [{vendor: ringcentral, scopes: [ReadCallLog]}]}]\n"
    )
    app = ("--config", str(file), "--client", "app")
    told = {}
    for path in (CALLS, RECORDING, "/nothing/here"):
        code, members = explain("ringcentral", "GET", path, "--scopes", "ReadCallLog ReadCallRecording", *app)
        told[path] = (code, members["decision"], members["policy"])
    assert told == {
        CALLS: (0, "permit", {"client": "app", "objection": None}),
        RECORDING: (3, "deny", {"client": "app", "objection": "scope_ceiling"}),
        "/nothing/here": (3, "deny", {"client": "app", "objection": "unknown_operation"}),
    }
    text = scopegate("explain", "--vendor", "ringcentral", "GET", RECORDING, *app).stdout
    assert "the people who run the proxy" in " ".join(text.split())
    assert "This client's mode is shadow" in text
    assert "policy" not in explain("ringcentral", "GET", CALLS, "--config", str(file))[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--client", "app"), "--client goes with --config"), (("--client", "app", "--config", "config/scopegate.yaml"), "no clients")],
)
def test_a_client_must_be_one_of_a_configuration(arguments: tuple[str, ...], words: str) -> None:
    finished = scopegate("explain", "--vendor", "ringcentral", "GET", CALLS, *arguments)
    assert (finished.returncode, words in finished.stderr) == (2, True)


def test_implied_scopes_follow_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text(
        "vendors:\n"
        "  presuming: {kind: ringcentral, mount: {path: /a}, upstream: 'https://x.example'}\n"
        "  literal: {kind: ringcentral, mount: {path: /b}, upstream: 'https://x.example', implied_scopes: ignore}\n"
    )
    asked = ("GET", CALLS, "--scopes", "ReadCallRecording", "--config", str(file))
    assert [explain(name, *asked)[0] for name in ("presuming", "literal")] == [0, 3]


def test_what_is_configured_about_a_user_counts(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text(
        "vendors:\n  phones:\n    kind: 8x8\n    mount: {path: /x}\n    upstream: https://x.example\n"
        "    grants:\n"
        "      - {user: amy@example.com, pbx: [acmecorp], categories: [CDR]}\n"
        "      - {user: ben@example.com, pbx: [acmecorp], categories: [X]}\n"
    )

    def about(user: str) -> int:
        return explain("phones", "GET", RECORDS, "--config", str(file), "--user", user)[0]

    assert [about("amy@example.com"), about("ben@example.com"), about("stranger@example.com")] == [0, 3, 5]


def test_a_mode_that_forwards_is_mentioned(configured: WriteConfiguration) -> None:
    asked = ("explain", "--vendor", "ringcentral", "GET", CALLS, "--scopes", "", "--config", str(configured(more="mode: shadow")))
    finished = scopegate(*asked)
    assert (finished.returncode, "mode is shadow" in finished.stdout) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--vendor", "nonsense", "GET", CALLS), "ringcentral, 8x8, newvoicemedia"),
        (("--vendor", "generic", "GET", CALLS), "need --config"),
        (("--vendor", "ringcentral", "GET", "/a//b"), "empty_segment"),
        (("--vendor", "ringcentral", "GET", "restapi"), "not_origin_form"),
        (("--vendor", "ringcentral", "POST", f"{CALLS}?_method=GET&_method=PUT"), "PATH"),
        (("--vendor", "ringcentral", "G T", CALLS), "HTTP method"),
    ],
)
def test_a_question_without_meaning_is_a_usage_error(arguments: tuple[str, ...], told: str) -> None:
    finished = scopegate("explain", *arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert told in finished.stderr


def test_a_vendor_that_is_not_configured_is_a_usage_error(configured: WriteConfiguration) -> None:
    finished = scopegate("explain", "--vendor", "8x8", "GET", RECORDS, "--config", str(configured()))
    assert (finished.returncode, "the configuration has only ringcentral" in finished.stderr) == (2, True)


def test_an_invalid_configuration_is_exit_code_4(configured: WriteConfiguration) -> None:
    finished = scopegate("explain", "--vendor", "8x8", "GET", RECORDS, "--config", str(configured(more="nonsense: 1")))
    assert (finished.returncode, " nonsense: " in finished.stderr) == (4, True)


@pytest.mark.parametrize(
    ("text", "names"),
    [("", set()), ("A", {"A"}), (" A  B ", {"A", "B"}), ("QM - API, storage", {"QM - API", "storage"}), ("A,", {"A"})],
)
def test_scopes_are_separated_by_blanks_or_by_commas(text: str, names: set[str]) -> None:
    assert split_scopes(text) == names


# --- a token that a running proxy has seen ------------------------------------------------------------------


def jwt(scope: str) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, {"scope": scope})]
    return ".".join((*parts, "c2ln"))


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[str]:
    """The admin listener of a proxy that has seen one token, with the scope `stats`."""
    file = tmp_path / "scopegate.yaml"
    file.write_text("vendors:\n  newvoicemedia: {kind: newvoicemedia, mount: {path: /nvm}, upstream: 'http://127.0.0.1:1'}\n")
    async with serving(file) as proxy:
        bearer = {"Authorization": f"Bearer {jwt('stats')}"}
        async with aiohttp.request("GET", f"{proxy.base_url}/nvm{PERMISSIONS}", headers=bearer) as answer:
            assert answer.status == 403
        yield proxy.admin_url


async def fingerprint_at(admin: str) -> str:
    async with aiohttp.request("GET", f"{admin}/api/v1/grants") as answer:
        return str((await answer.json())["grants"][0]["fingerprint"])


async def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(scopegate, "explain", "--vendor", "newvoicemedia", "GET", PERMISSIONS, *arguments)


async def test_a_running_proxy_decides_about_a_token_it_has_seen(admin: str) -> None:
    fingerprint = await fingerprint_at(admin)
    for digits, where in ((fingerprint, admin), (fingerprint[:12], admin.removeprefix("http://"))):
        finished = await asked("--token-fingerprint", digits, "--admin", where, "--format", "json")
        members = read_json(finished)
        assert (finished.returncode, members["decision"], members["held"]) == (3, "deny", ["stats"])
    text = await asked("--token-fingerprint", fingerprint, "--admin", admin)
    assert text.stdout.startswith(f"DENY  GET {PERMISSIONS}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--token-fingerprint", "0" * 32), 5, "no such token is known there"),
        (("--token-fingerprint", "xyz"), 2, "8 to 32 hexadecimal digits"),
        (("--token-fingerprint", "0" * 32, "--scopes", "A"), 2, "knows scopes, user and configuration itself"),
        (("--token-fingerprint", "0" * 32, "--vendor", "elsewhere"), 1, "must be one of: newvoicemedia"),
    ],
)
async def test_questions_that_the_running_proxy_cannot_answer(admin: str, arguments: tuple[str, ...], code: int, told: str) -> None:
    finished = await asked(*arguments, "--admin", admin)
    assert (finished.returncode, told in finished.stderr.replace("\n", " ")) == (code, True), finished.stderr


@pytest.mark.parametrize(
    ("admin", "code", "told"),
    [
        ("http://127.0.0.1:1", 1, "no admin listener answers"),
        ("ftp://127.0.0.1", 2, "must be the address"),
        ("http://h:x", 2, "must be the address"),
    ],
)
async def test_an_admin_listener_that_is_not_there(admin: str, code: int, told: str) -> None:
    finished = await asked("--token-fingerprint", "0" * 32, "--admin", admin)
    assert finished.returncode == code
    assert told in finished.stderr


async def test_the_admin_listener_alone_is_no_question() -> None:
    finished = await asked("--admin", "http://127.0.0.1:9090")
    assert (finished.returncode, "--token-fingerprint" in finished.stderr) == (2, True)
