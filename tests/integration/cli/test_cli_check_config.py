from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.cli.conftest import WriteConfiguration
from tests.integration.cli.processes import ROOT, read_json, scopegate

PROBLEM = re.compile(r"(?P<file>.+):(?P<line>\d+):(?P<column>\d+): (?:(?P<key>\S+): )?.+")


def test_the_shipped_configuration_is_fine() -> None:
    finished = scopegate("check-config", "config/scopegate.yaml")
    assert finished.returncode == 0
    assert finished.stdout.startswith("config/scopegate.yaml: ok\n")
    assert "warning" not in finished.stdout
    for vendor in ("ringcentral", "8x8", "newvoicemedia"):
        assert f"  {vendor} " in finished.stdout


def test_json_tells_vendors_operations_and_series() -> None:
    summary = read_json(scopegate("check-config", "config/scopegate.yaml", "--format", "json"))
    assert summary["ok"] is True
    assert {vendor["name"]: vendor["operations"] > 50 for vendor in summary["vendors"]} == {
        "ringcentral": True,
        "8x8": True,
        "newvoicemedia": True,
    }
    assert summary["largest_series_count"] > 1000
    assert summary["warnings"] == []


BAD = "listen: nowhere\nlimits: {max_headers: 1}\nnonsense: 1\ntls: {cert_file: x}"


def test_every_problem_has_its_place(configured: WriteConfiguration) -> None:
    file = configured(more=BAD)
    finished = scopegate("check-config", str(file))
    found = [PROBLEM.fullmatch(line) for line in finished.stdout.splitlines()]
    assert finished.returncode == 4
    assert [(each["file"], each["line"], each["key"]) for each in found if each] == [
        (str(file), "3", "listen"),
        (str(file), "4", "limits.max_headers"),
        (str(file), "5", "nonsense"),
        (str(file), "6", "tls.key_file"),
    ]


def test_problems_as_json(configured: WriteConfiguration) -> None:
    finished = scopegate("check-config", str(configured(more=BAD)), "--format", "json")
    problems = read_json(finished)["problems"]
    assert (finished.returncode, [(each["line"], each["key"]) for each in problems]) == (
        4,
        [(3, "listen"), (4, "limits.max_headers"), (5, "nonsense"), (6, "tls.key_file")],
    )


@pytest.mark.parametrize(
    ("vendor", "key"),
    [
        ("kind: nonsense, mount: {path: /x}, upstream: 'https://x.example'", "vendors.x.kind"),
        ("kind: 8x8, mount: {path: /x}, upstream: 'https://x.example', catalog: none.yaml", "vendors.x.catalog"),
        ("kind: 8x8, mount: {path: /x}, upstream: 'https://x.example', catalog: .", "vendors.x.catalog"),
        ("kind: generic, mount: {path: /x}, upstream: 'https://x.example'", "vendors.x"),
    ],
    ids=["unknown kind", "no such catalogue", "a directory", "generic without catalogue"],
)
def test_a_wrong_vendor(tmp_path: Path, vendor: str, key: str) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text(f"vendors:\n  x: {{{vendor}}}\n")
    finished = scopegate("check-config", str(file))
    assert (finished.returncode, f"{file}:2:" in finished.stdout, f" {key}: " in finished.stdout) == (4, True, True)


def test_what_is_valid_but_perhaps_not_meant(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text(
        "listen: 0.0.0.0:8080\nadmin: {listen: '[::]:9090', token_sha256: '" + "0" * 64 + "'}\nmode: off\nvendors:\n"
        "  near: {kind: 8x8, mount: {path: /a}, upstream: 'http://127.0.0.1:1', mode: off}\n"
        "  far: {kind: 8x8, mount: {path: /b}, upstream: 'http://vendor.example', mode: shadow}\n"
        "clients: [{name: app, mode: off, authenticate: {api_key_sha256: '" + "a" * 64 + "'}}]\n"
    )
    finished = scopegate("check-config", str(file), "--format", "json")
    assert finished.returncode == 0
    keys = ["listen", "admin.listen", "mode", "vendors.near.mode", "clients[0].mode", "clients", "vendors.far.upstream"]
    assert [warning["key"] for warning in read_json(finished)["warnings"]] == keys
    assert scopegate("check-config", str(file)).stdout.count("warning: ") == len(keys)


def test_what_clients_may_do_is_told_and_those_without_rules_are_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    rules = ("", ", allow: []", ", allow: [{vendor: x, operations: [getwebhooks]}]")
    names = ("free", "closed", "limited")
    clients = [
        f"{{name: {name}, authenticate: {{api_key_sha256: '{str(number) * 64}'}}{rule}}}"
        for number, (name, rule) in enumerate(zip(names, rules, strict=True))
    ]
    vendors = "vendors:\n  x: {kind: 8x8, mount: {path: /x}, upstream: 'https://x.example'}\n"
    file.write_text(f"{vendors}clients: [{', '.join(clients)}]\n")
    summary = read_json(scopegate("check-config", str(file), "--format", "json"))
    assert [warning["key"] for warning in summary["warnings"]] == ["clients[0]", "clients[1].allow"]
    assert {entry["client"]: entry["operations"] for entry in summary["allowed"]} == {"closed": 0, "limited": 4}  # three take no token
    assert "limited may use 4 of the " in scopegate("check-config", str(file)).stdout
    file.write_text(file.read_text().replace("[getwebhooks]", "[getwebhoks]"))
    finished = scopegate("check-config", str(file))
    assert (finished.returncode, "did you mean 'getwebhooks'?" in finished.stdout) == (4, True)


def test_values_from_the_environment_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text("listen: ${ADDRESS}\nvendors:\n  x: {kind: 8x8, mount: {path: /x}, upstream: '${SECRET_URL}'}\n")
    extra = {"SECRET_URL": "http://hidden.example", "ADDRESS": "192.0.2.77:8080"}
    for more in ((), ("--format", "json")):
        finished = scopegate("check-config", str(file), *more, extra=extra)
        assert finished.returncode == 0
        assert "hidden" not in finished.stdout + finished.stderr
        assert "192.0.2.77" not in finished.stdout + finished.stderr
        assert "upstream" in finished.stdout


def test_the_file_that_cannot_be_read() -> None:
    finished = scopegate("check-config", str(ROOT / "none.yaml"))
    assert (finished.returncode, finished.stdout.count("\n"), "cannot be read" in finished.stdout) == (4, 1, True)


def test_what_a_change_would_do_is_told_before(configured: WriteConfiguration, tmp_path: Path) -> None:
    old = configured().rename(tmp_path / "old.yaml")
    new = configured(more="mode: shadow\naudit: {path: a.jsonl}")
    finished = scopegate("check-config", str(new), "--against", str(old))
    assert finished.returncode == 0
    assert '    mode: "enforce" → "shadow"\n' in finished.stdout
    assert "    audit: needs a restart" in finished.stdout
    told = read_json(scopegate("check-config", str(new), "--against", str(old), "--format", "json"))
    assert told["needs_restart"] == ["audit"]
    assert "  changes against " in scopegate("check-config", str(old), "--against", str(old)).stdout
    old.write_text("mood: 1")
    assert scopegate("check-config", str(new), "--against", str(old)).returncode == 4
