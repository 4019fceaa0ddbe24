"""Renew what the chart and the Kustomize parts copy (`make chart`): the configuration's schema, the alerts, the table of values.

A chart and a Kustomize base see only files of their own folder, so they need copies; tests compare them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from proxy.settings import json_schema

ROOT: Final = Path(__file__).resolve().parent.parent
RULES: Final = "deploy/prometheus/rules"
CHART: Final = "deploy/helm/scopegate"
PAGE: Final = "docs/reference/helm-values.md"
COMPONENT: Final = "deploy/kustomize/components/monitoring/prometheusrule.yaml"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
OWNED: Final[Mapping[str, frozenset[str]]] = {
    "Settings": frozenset({"listen", "admin", "gateway_adapters", "tls"}),
    "StateSettings": frozenset({"path", "key"}),
    "AuditSettings": frozenset({"path", "key"}),
    "SharedStateSettings": frozenset({"url", "key", "ca_file"}),
}
"""Settings that the chart writes itself, from other values."""
FREE: Final = frozenset({"{}", "[]", '""', "null"})

Schema = dict[str, Any]


def main(root: Path) -> int:
    """Write every copy below `root`; return the exit code."""
    for path, text in copies(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in left_over(root):
        path.unlink()
    return 0


def copies(root: Path) -> dict[Path, str]:
    """Return every file that should exist below `root`, with its content."""
    rules = sorted((root / RULES).glob("*.y*ml"))
    found = {root / CHART / "files/rules" / rule.name: rule.read_text() for rule in rules}
    schema = renewed(json.loads((root / CHART / "values.schema.json").read_text()))
    found[root / CHART / "values.schema.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    page = root / PAGE
    before, after = page.read_text().split(BEGIN)[0], page.read_text().split(END)[1]
    values = yaml.safe_load((root / CHART / "values.yaml").read_text())
    found[page] = before + BEGIN + "\n" + "\n".join(table(schema, values)) + "\n\n" + END + after
    found[root / COMPONENT] = prometheus_rule([rule.read_text() for rule in rules])
    return found


def left_over(root: Path) -> list[Path]:
    """Return the chart's copies of rule files that are gone."""
    return [copy for copy in (root / CHART / "files/rules").glob("*") if not (root / RULES / copy.name).is_file()]


def renewed(schema: Schema) -> Schema:
    """Return the chart's schema with the configuration's schema of today."""
    return {**schema, "definitions": definitions(json_schema())}


def definitions(settings: Schema) -> Schema:
    """Return the configuration's schema as definitions: without what the chart writes itself, in what every Helm understands."""
    every: Schema = {**settings["$defs"], "Settings": {key: value for key, value in settings.items() if not key.startswith("$")}}
    told = {name: _portable(_without(every[name], OWNED.get(name, frozenset()))) for name in every}
    told["Config"] = {**told.pop("Settings"), "required": []}
    return _reachable(told, "Config")


def _without(section: Schema, owned: frozenset[str]) -> Schema:
    if not owned:
        return section
    kept = {name: item for name, item in section["properties"].items() if name not in owned}
    return {**section, "properties": kept, "required": [name for name in section.get("required", ()) if name not in owned]}


def _portable(item: Any) -> Any:
    """Leave out patterns that look ahead (Go has none; `scopegate check-config` knows them), titles, and values for display only."""
    if isinstance(item, list):
        return [_portable(entry) for entry in item]
    if not isinstance(item, dict):
        return item
    kept = {key: value for key, value in item.items() if not (key == "pattern" and isinstance(value, str) and "(?!" in value)}
    if "type" in kept or "$ref" in kept or "anyOf" in kept:
        kept = {key: value for key, value in kept.items() if key not in {"title", "default", "examples", "writeOnly"}}
    if "$ref" in kept:
        return {"$ref": kept["$ref"].replace("#/$defs/", "#/definitions/")}
    return {key: _portable(value) for key, value in kept.items()}


def _reachable(every: Schema, start: str) -> Schema:
    seen, left = set(), [start]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left.extend(re.findall(r'"#/definitions/(\w+)"', json.dumps(every[name])))
    return {name: every[name] for name in sorted(seen)}


def table(schema: Schema, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row for every value."""
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    for name, item, default in _rows(schema, values, ""):
        yield f"| `{name}` | {'section' if 'properties' in item else _shown(default)} | {item['description']} |"


def _rows(section: Schema, values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Schema, Any]]:
    for name, item in section["properties"].items():
        if name != "global":
            yield prefix + name, item, None if "properties" in item else values[name]
        if "properties" in item:
            yield from _rows(item, values[name], f"{prefix}{name}.")


def _shown(default: Any) -> str:
    text = json.dumps(default, ensure_ascii=False)
    if text in FREE:
        return "–"
    return f"`{default}`" if isinstance(default, str) else f"`{text}`"


def prometheus_rule(rules: list[str]) -> str:
    """Return a PrometheusRule of everything in rule files."""
    groups = [group for text in rules for group in yaml.safe_load(text)["groups"]]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "scopegate", "labels": {"app.kubernetes.io/name": "scopegate"}},
        "spec": {"groups": groups},
    }
    head = "# Written by `make chart` from deploy/prometheus/rules; change it there.\n"
    return head + yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=140)


if __name__ == "__main__":
    sys.exit(main(ROOT))
