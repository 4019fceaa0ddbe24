from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.processes import read_json, scopegate

MINE = """
vendor: mine
source: our own wiki
scopes:
  read: {remediation: [Ask for it.], documentation: ["https://x.example"]}
aliases: {lesen: read}
operations:
  - {id: listThings, method: GET, path: /things, requires: [[read]], tags: [things], origin: documented}
  - {id: ping, method: GET, path: /ping, requires: [], auth: none, origin: documented}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    return file


def listed(*arguments: str) -> Any:
    finished = scopegate("catalog", "list", *arguments, "--format", "json")
    assert finished.returncode == 0
    return read_json(finished)


def test_without_a_name_every_shipped_catalogue_is_listed() -> None:
    assert {row["vendor"] for row in listed()} == {"ringcentral", "8x8", "newvoicemedia"}


def test_a_row_is_id_method_path_and_needs(catalogue: Path) -> None:
    finished = scopegate("catalog", "list", str(catalogue))
    assert [line.split() for line in finished.stdout.splitlines()] == [
        ["mine", "listThings", "GET", "/things", "read"],
        ["mine", "ping", "GET", "/ping", "nothing"],
    ]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--scope", "read"), ["listThings"]),
        (("--scope", "lesen"), ["listThings"]),
        (("--tag", "things"), ["listThings"]),
        (("--grep", "^PING get"), ["ping"]),
        (("--grep", "i", "--tag", "things"), ["listThings"]),
        (("--grep", "nothing like it"), []),
    ],
)
def test_filters_are_combined(catalogue: Path, options: tuple[str, ...], ids: list[str]) -> None:
    assert [row["id"] for row in listed(str(catalogue), *options)] == ids


def test_a_scope_finds_the_operations_that_can_need_it() -> None:
    ids = [row["id"] for row in listed("newvoicemedia", "--scope", "self:read")]
    assert "getUserAccessPermissions" in ids


def test_one_operation_is_shown_with_the_way_to_its_scopes() -> None:
    finished = scopegate("catalog", "show", "ringcentral", "readCallRecording", "--format", "json")
    members = read_json(finished)
    assert (finished.returncode, members["requires"]) == (0, [["ReadCallLog", "ReadCallRecording"]])
    assert [(scope["name"], bool(scope["remediation"])) for scope in members["scopes"]] == [
        ("ReadCallLog", True),
        ("ReadCallRecording", True),
    ]
    assert "ReadCallRecording" in members["scopes"][0]["implied_by"]


def test_an_operation_is_shown_to_people_too(catalogue: Path) -> None:
    finished = scopegate("catalog", "show", str(catalogue), "listThings")
    assert finished.stdout.startswith("listThings  GET /things\n")
    assert "  1. Ask for it.\n     https://x.example\n" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "ringcentral", "readCallRecordin"), "did you mean readCallRecording"),
        (("show", "nonsense", "x"), "neither a file nor one of"),
        (("list", "nonsense"), "neither a file nor one of"),
        (("list", "8x8", "--grep", "("), "regular expression"),
        (("lint",), "FILE"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], told: str) -> None:
    finished = scopegate("catalog", *arguments)
    assert (finished.returncode, told in finished.stderr) == (2, True)


def test_an_invalid_catalogue_is_not_listed(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("vendor: mine\nnonsense: 1\n")
    for arguments in (("list", str(file)), ("show", str(file), "x")):
        finished = scopegate("catalog", *arguments)
        assert (finished.returncode, finished.stdout, f"{file}:2:1: nonsense: " in finished.stderr) == (4, "", True)


def test_lint_errors_are_exit_code_4_and_warnings_0(tmp_path: Path, catalogue: Path) -> None:
    warned, bad = tmp_path / "warned.yaml", tmp_path / "bad.yaml"
    warned.write_text(MINE.replace("source: our own wiki\n", ""))
    bad.write_text(MINE.replace("path: /ping", "path: /ping//x"))
    fine, warning, error = (scopegate("catalog", "lint", str(file)) for file in (catalogue, warned, bad))
    assert (fine.returncode, fine.stdout) == (0, "")
    assert (warning.returncode, "warning: source: " in warning.stdout) == (0, True)
    assert (error.returncode, "error: operations[1]" in error.stdout) == (4, True)


def test_lint_as_json_over_several_files(tmp_path: Path, catalogue: Path) -> None:
    missing = tmp_path / "none.yaml"
    finished = scopegate("catalog", "lint", str(catalogue), str(missing), "--format", "json")
    found = read_json(finished)
    assert finished.returncode == 4
    assert [(each["file"], each["severity"], each["line"]) for each in found] == [(str(missing), "error", 1)]
