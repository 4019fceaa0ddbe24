"""The chart's copies are what `make chart` would write, and the chart is of this version. Rendering it: tests/integration/kubernetes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy import __version__
from proxy.settings import json_schema
from tools.chart import CHART, OWNED, PAGE, ROOT, copies, definitions, left_over, main, table

SCHEMA = json.loads((ROOT / CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((ROOT / CHART / "values.yaml").read_text())


def test_every_copy_is_of_today() -> None:
    old = [str(path.relative_to(ROOT)) for path, text in copies(ROOT).items() if not path.is_file() or path.read_text() != text]
    assert old == [], "run `make chart`, which is `python -m tools.chart`"
    assert left_over(ROOT) == [], "run `make chart`, which is `python -m tools.chart`"


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((ROOT / CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_schema_knows_every_value_and_nothing_else() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert _names(SCHEMA) == _keys(VALUES, SCHEMA)


def _names(section: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, item in section["properties"].items():
        assert item["description"]
        inner = _names(item, f"{prefix}{name}.") if "properties" in item else {prefix + name}
        found |= inner - {"global"}
    assert section["additionalProperties"] is False
    return found


def _keys(values: dict[str, Any], section: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in values.items():
        item = section["properties"][name]
        found |= _keys(value, item, f"{prefix}{name}.") if "properties" in item else {prefix + name}
    return found


def test_the_defaults_meet_the_schema() -> None:
    jsonschema.validate(VALUES, SCHEMA, jsonschema.Draft7Validator)


def test_the_page_has_a_row_for_every_value() -> None:
    page = (ROOT / PAGE).read_text()
    rows = list(table(SCHEMA, VALUES))
    assert "\n".join(rows) in page
    assert len(rows) > len(_names(SCHEMA))


# --- the schema of the configuration ----------------------------------------------------------------------


def config_errors(config: dict[str, Any]) -> list[str]:
    schema = {"$ref": "#/definitions/Config", "definitions": definitions(json_schema())}
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(config)]


VENDOR = {"kind": "ringcentral", "mount": {"path": "/r"}, "upstream": "https://platform.ringcentral.com"}


def test_what_the_configuration_may_hold() -> None:
    assert config_errors({}) == []
    assert config_errors({"mode": "shadow", "vendors": {"ringcentral": VENDOR}, "limits": {"shutdown_grace_s": 12.5}}) == []
    assert config_errors({"vendors": {"ringcentral": {**VENDOR, "upstream": "${UPSTREAM}"}}, "state": {"max_bytes": 2_000_000}}) == []


@pytest.mark.parametrize(
    "config",
    [{"modes": "shadow"}, {"mode": "maybe"}, {"limits": {"max_headers": 2}}, {"vendors": {"r": {**VENDOR, "kind": "r"}}}, {"vendors": {}}],
)
def test_what_it_may_not_hold(config: dict[str, Any]) -> None:
    assert config_errors(config)


def test_what_the_chart_writes_itself_is_refused() -> None:
    names = {"StateSettings": "state", "AuditSettings": "audit", "SharedStateSettings": "shared_state"}
    for section, owned in OWNED.items():
        assert owned
        for name in owned:
            config = {name: "x"} if section == "Settings" else {names[section]: {name: "x"}}
            assert config_errors(config), f"{section}.{name}"


def test_no_pattern_looks_ahead() -> None:
    """Helm compiles patterns with Go's regexp, which knows no look-ahead: one such pattern, and the chart can be installed no more."""
    assert "(?" not in json.dumps(SCHEMA).replace("(?:", "")


def test_copies_are_renewed_and_left_overs_removed(tmp_path: Path) -> None:
    for path in (f"{CHART}/values.schema.json", f"{CHART}/values.yaml", PAGE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    rules, copied = tmp_path / "deploy/prometheus/rules", tmp_path / CHART / "files/rules"
    rules.mkdir(parents=True)
    copied.mkdir(parents=True)
    rule = {"groups": [{"name": "one", "rules": [{"alert": "A", "expr": "up == 0", "annotations": {"summary": "{{ $labels.instance }}"}}]}]}
    (rules / "one.yaml").write_text(yaml.safe_dump(rule))
    (copied / "gone.yaml").write_text("groups: []\n")
    assert main(tmp_path) == 0
    assert [file.name for file in copied.iterdir()] == ["one.yaml"]
    written = yaml.safe_load((tmp_path / "deploy/kustomize/components/monitoring/prometheusrule.yaml").read_text())
    assert written["spec"] == rule
    before = copies(tmp_path)
    assert main(tmp_path) == 0
    assert copies(tmp_path) == before
