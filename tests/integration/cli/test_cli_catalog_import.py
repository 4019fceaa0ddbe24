"""Catalogues from descriptions, and what differs between two, as an operator uses it."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from pathlib import Path

from tests.integration.cli.processes import COMMAND, PATIENCE_S, ROOT, environment, read_json, scopegate

DESCRIPTION = {
    "openapi": "3.0.3",
    "info": {"title": "Acme Voice", "version": "7"},
    "components": {"securitySchemes": {"oauth": {"type": "oauth2", "flows": {}}}},
    "paths": {
        "/v1/calls": {"get": {"operationId": "listCalls", "security": [{"oauth": ["calls:read"]}]}},
        "/v1/odd": {"get": {"operationId": "odd"}},
    },
}
YAML = """
openapi: 3.0.3
info: {title: Acme Voice, version: "7"}
components:
  securitySchemes:
    oauth: {type: oauth2, flows: {}}
paths:
  /v1/calls:
    get:
      operationId: listCalls
      security: [{oauth: [calls:read]}]
"""


def test_a_description_becomes_a_catalogue_that_decides(tmp_path: Path) -> None:
    source, output = tmp_path / "openapi.json", tmp_path / "acme.yaml"
    source.write_text(json.dumps(DESCRIPTION))
    finished = scopegate("catalog", "import", str(source), "--vendor", "generic", "--output", str(output))
    assert (finished.returncode, finished.stdout) == (0, "")
    assert "2 operations, 1 of them with unknown requirements; 1 things to look at" in finished.stderr
    assert "#/paths/~1v1~1odd/get" in finished.stderr
    shown = read_json(scopegate("catalog", "show", str(output), "listCalls", "--format", "json"))
    assert (shown["requires"], shown["origin"]) == ([["calls:read"]], "imported")
    assert shown["provenance"] == "#/paths/~1v1~1calls/get/security"


def test_yaml_from_standard_input_to_standard_output() -> None:
    finished = subprocess.run(
        [*COMMAND, "catalog", "import", "-", "--vendor", "generic", "--format", "json"],
        cwd=ROOT, env=environment(), input=YAML, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert 'requires: [["calls:read"]]' in finished.stdout
    assert json.loads(finished.stderr) == {"operations": 1, "unknown": 0, "unread": []}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    for text, told in (("{", "it is no JSON"), ("a: [", "it is no YAML"), ("a: 1\na: 2", "it is no YAML"), ('{"a": 1}', "it has neither")):
        file = tmp_path / "broken"
        file.write_text(text)
        finished = scopegate("catalog", "import", str(file), "--vendor", "generic")
        assert (finished.returncode, finished.stdout) == (4, "")
        assert told in finished.stderr
    missing = scopegate("catalog", "import", str(tmp_path / "missing"), "--vendor", "generic")
    assert (missing.returncode, "No such file" in missing.stderr) == (4, True)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    names = "abcdefghijkl"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in pairwise(names)
    )
    file = tmp_path / "bomb.yaml"
    file.write_text(bomb)
    finished = scopegate("catalog", "import", str(file), "--vendor", "generic")
    assert finished.returncode == 4
    assert "it is no YAML" in finished.stderr


def test_differences_are_shown_and_told_by_the_exit_code(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    row = "  - {{id: a, method: GET, path: /a, requires: [[{}]]}}\n"
    old.write_text("vendor: generic\noperations:\n" + row.format("x"))
    new.write_text("vendor: generic\noperations:\n" + row.format("x, y"))
    same = scopegate("catalog", "diff", str(old), str(old))
    assert (same.returncode, same.stdout) == (0, "")
    finished = scopegate("catalog", "diff", str(old), str(new))
    assert finished.returncode == 3
    assert "Needs more than before (1)" in finished.stdout
    assert "x -> x and y" in finished.stdout
    told = read_json(scopegate("catalog", "diff", str(old), str(new), "--format", "json"))
    assert told["operations"] == [{"effect": "stricter", "id": "a", "method": "GET", "path": "/a", "old": "x", "new": "x and y"}]
    assert scopegate("catalog", "diff", "ringcentral", "ringcentral").returncode == 0
    assert scopegate("catalog", "diff", "ringcentral", "no-such-file").returncode == 2
