from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings import Severity, builtin_config_directory, lint_catalog, lint_catalog_file
from tests.unit.settings.samples import CATALOG, catalog

BASE = """\
vendor: v
source: s
scopes:
  A: {remediation: [r], documentation: ["https://d"]}
operations:
  - {id: a, method: GET, path: /a, requires: [[A]], origin: documented}
"""


def lint(text: str) -> list[str]:
    return [str(finding) for finding in lint_catalog(catalog(text))]


def test_a_tidy_catalogue_has_no_findings() -> None:
    assert lint(BASE) == []
    assert lint(CATALOG) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("method: GET", "method: HEAD", "c:6:13: error: operations[0].method: unreachable: HEAD is looked up as GET"),
        (
            "path: /a",
            "path: /a//b",
            "c:6:26: error: operations[0].path: unreachable: no request with this path is let through (the path has an empty segment",
        ),
        (
            "path: /a",
            "path: /a;b",
            "c:6:26: error: operations[0].path: unreachable: no request with this path is let through (the path has ';'",
        ),
        (
            "path: /a",
            "path: /a/../b",
            "c:6:26: error: operations[0].path: unreachable: no request with this path is let through (the path has a '.'",
        ),
        (
            "path: /a",
            "path: /a%2Fb",
            "c:6:26: error: operations[0].path: unreachable: no request with this path is let through (the path has a percent",
        ),
        ("source: s\n", "", "c:1:1: warning: source: the catalogue does not say where its facts come from"),
        (", origin: documented", "", "c:6:5: warning: operations[0]: operation a has no origin"),
        ("remediation: [r], ", "", "c:4:3: warning: scopes.A: scope A has no remediation"),
        (', documentation: ["https://d"]', "", "c:4:3: warning: scopes.A: scope A has no documentation"),
        ("[[A]]", "[[A, B]]", "c:6:36: warning: operations[0].requires: scope B is used but not described"),
        ("[[A]]", "[[A, A]]", "c:6:36: warning: operations[0].requires: alternative 1 names a scope twice"),
        ("[[A]]", "[[A], [A]]", "c:6:36: warning: operations[0].requires: alternative 2 is redundant"),
        ("[[A]]", "[[A], [A, C]]", "c:6:36: warning: operations[0].requires: alternative 2 is redundant"),
        (
            "[[A]]",
            "[[A]], partial: [C]",
            "c:6:63: warning: operations[0].partial[0]: scope C is partial, but the operation does not require it",
        ),
        ("{remediation", "{implies: [Z], remediation", "c:4:17: warning: scopes.A.implies[0]: implies the unknown scope Z"),
        ("operations:", "aliases: {O: Z}\noperations:", "c:5:11: warning: aliases.O: stands for the unknown scope Z"),
        (
            "operations:",
            "refusal: {status: 403, body: {m: '{scope} {{x}} {timestamp_seconds} {zzz}'}}\noperations:",
            "c:5:1: warning: refusal: the placeholder {zzz} is unknown and stays as it is",
        ),
        (
            "operations:",
            "recognise: [{status: 403}]\noperations:",
            "c:5:13: warning: recognise[0]: recognises every answer with this status",
        ),
        (
            "operations:",
            'token_endpoint: {path: "/{x}/t"}\noperations:',
            "c:5:1: error: token_endpoint[0].path: unreachable: a token endpoint is",
        ),
    ],
)
def test_each_finding_has_position_severity_and_text(old: str, new: str, finding: str) -> None:
    found = lint(BASE.replace(old, new, 1))
    assert [text for text in found if text.startswith(finding)], found


def test_the_wider_alternative_is_the_redundant_one() -> None:
    found = lint(BASE.replace("[[A]]", "[[A, A2], [A]]"))
    assert [text for text in found if "redundant" in text] == [
        "c:6:36: warning: operations[0].requires: alternative 1 is redundant: another one asks for no more than a part of it"
    ]


def test_an_alias_counts_as_described() -> None:
    assert lint(BASE.replace("[[A]]", "[[Old]]").replace("operations:", "aliases: {Old: A}\noperations:")) == []


def test_a_parameter_beside_a_literal_is_reachable() -> None:
    assert lint(BASE + '  - {id: b, method: GET, path: "/{x}", requires: [[A]], origin: documented}\n') == []


def test_an_invalid_catalogue_gives_its_problems_as_errors(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(BASE.replace("GET", "get"))
    (finding,) = lint_catalog_file(path)
    assert (finding.severity, finding.key) == (Severity.ERROR, "operations[0].method")
    (unreadable,) = lint_catalog_file(tmp_path / "none.yaml")
    assert unreadable.severity is Severity.ERROR


@pytest.mark.parametrize("name", ["ringcentral", "8x8", "newvoicemedia"])
def test_the_shipped_catalogues_have_no_findings(name: str) -> None:
    assert lint_catalog_file(builtin_config_directory() / "catalogs" / f"{name}.yaml") == ()
