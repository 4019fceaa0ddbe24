"""What `make audit` and `make sbom` say, from what their tools report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.docs.pages import ROOT
from tools.audit import FINE, UNKNOWN, VULNERABLE, judge
from tools.sbom import completed, needed_by

CLEAN = {"name": "one", "version": "1.0", "vulns": []}
SKIPPED = {"name": "two", "skip_reason": "Dependency not found"}
FOUND = {"name": "three", "version": "3.0", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["3.1"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([CLEAN], FINE, ["1 packages, no known vulnerability"]),
        ([CLEAN, SKIPPED], UNKNOWN, ["NOT CHECKED: 1 of 2 packages could not be looked up (two); "]),
        ([SKIPPED, FOUND], VULNERABLE, ["VULNERABLE: three 3.0: PYSEC-1, CVE-1; fixed in 3.1", "NOT CHECKED: 1 of 2"]),
        ([FOUND], VULNERABLE, ["VULNERABLE: three"]),
        ([], UNKNOWN, ["NOT CHECKED: no package could be looked up; "]),
    ],
)
def test_what_was_not_looked_up_is_never_called_fine(packages: list[dict[str, Any]], code: int, told: list[str]) -> None:
    lines, found = judge({"dependencies": packages})
    assert found == code
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True))


def test_no_report_is_no_result() -> None:
    assert judge(None)[1] == UNKNOWN


REQUIREMENTS = """aiohttp==3.1 \\
    --hash=sha256:00
    # via scopegate (pyproject.toml)
yarl==1.2 ; python_version > '3' \\
    --hash=sha256:01
    # via
    #   aiohttp
    #   scopegate (pyproject.toml)
"""


def bill() -> dict[str, Any]:
    components = [
        {"bom-ref": f"L{name}", "name": name, "purl": f"pkg:pypi/{name}@1", "description": "line"} for name in ("yarl", "aiohttp")
    ]
    return {"components": components, "metadata": {"component": {"bom-ref": "root", "name": "scopegate"}}, "dependencies": []}


def test_who_needs_what_is_read_from_the_pins() -> None:
    assert needed_by(REQUIREMENTS) == {"aiohttp": {"scopegate"}, "yarl": {"aiohttp", "scopegate"}}


def test_a_bill_has_the_version_of_the_product_and_who_needs_what() -> None:
    done = completed(bill(), REQUIREMENTS, "9.9")
    assert done["metadata"]["component"] == {"bom-ref": "pkg:generic/scopegate@9.9", "name": "scopegate", "version": "9.9"}
    assert [component["bom-ref"] for component in done["components"]] == ["pkg:pypi/aiohttp@1", "pkg:pypi/yarl@1"]
    assert done["dependencies"] == [
        {"ref": "pkg:generic/scopegate@9.9", "dependsOn": ["pkg:pypi/aiohttp@1", "pkg:pypi/yarl@1"]},
        {"ref": "pkg:pypi/aiohttp@1", "dependsOn": ["pkg:pypi/yarl@1"]},
        {"ref": "pkg:pypi/yarl@1"},
    ]


@pytest.mark.parametrize(
    "file", [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "bench/requirements.txt"], ids=lambda file: file.name
)
def test_every_pin_is_hashed_and_names_no_place_to_get_it_from(file: Path) -> None:
    text = file.read_text()
    assert "://" not in text
    assert [line for line in text.splitlines() if line.startswith("-")] == []  # options stand on lines of their own, hashes do not
    pins = [line for line in text.replace("\\\n", "").splitlines() if line and not line.lstrip().startswith("#")]
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
