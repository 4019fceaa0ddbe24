"""The rule files, their tests, and promtool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.promql import names, selectors
from tests.unit.docs.pages import ROOT, code, codes, read, rows

FOLDER: Final = ROOT / "deploy" / "prometheus"
RULES: Final = tuple(sorted((FOLDER / "rules").glob("*.yaml")))
TESTS: Final = tuple(sorted((FOLDER / "tests").glob("*.yaml")))
OF_PROMETHEUS: Final = {"up": set[str](), "scrape_duration_seconds": set[str]()}
OF_TARGETS: Final = {"job", "instance"}
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_CONDITION: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_SAMPLE: Final = re.compile(r"^(?:[\w:]*)\{(.*)\}$")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; skip the test where it is missing, except in CI."""
    found = shutil.which("promtool")
    if found is None and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip("promtool (Debian: prometheus) is missing: no rule was checked")
    assert found is not None, "promtool is missing"
    return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Rule:
    """One rule: an alert, or what is recorded under a name."""

    group: str
    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    is_alert: bool


def rules() -> list[Rule]:
    """Return every rule, in the order of the files."""
    return [_rule(group["name"], rule) for file in RULES for group in _load(file)["groups"] for rule in group["rules"]]


def _rule(group: str, rule: dict[str, Any]) -> Rule:
    name = rule.get("alert") or rule["record"]
    return Rule(group, name, rule["expr"], rule.get("labels", {}), rule.get("annotations", {}), "alert" in rule)


def _load(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


ALERTS: Final = tuple(rule for rule in rules() if rule.is_alert)
RECORDS: Final = tuple(rule for rule in rules() if not rule.is_alert)


@dataclass(frozen=True)
class Case:
    """What is asked in a test: the expression, the labels of its series, and of what is expected."""

    test: str
    expr: str
    series: tuple[dict[str, str], ...]
    expected: tuple[dict[str, str], ...]
    values: tuple[float, ...]

    def named(self, name: str, samples: tuple[dict[str, str], ...]) -> bool:
        """Say whether this is the case that is called `name`, by the test's title or by the job or instance of some samples."""
        return self.test.endswith(f", {name}") or any(name in (labels.get("job"), labels.get("instance")) for labels in samples)


def cases() -> Iterator[Case]:
    """Yield everything that the tests ask."""
    for file in TESTS:
        for test in _load(file)["tests"]:
            series = tuple(_labels(each["series"]) for each in test["input_series"])
            for asked in test["promql_expr_test"]:
                samples = asked["exp_samples"]
                expected = tuple(_labels(each["labels"]) for each in samples)
                yield Case(test["name"], asked["expr"], series, expected, tuple(each["value"] for each in samples))


def _labels(sample: str) -> dict[str, str]:
    found = _SAMPLE.match(sample)
    assert found, sample
    return {label: value for label, _, value in _CONDITION.findall(found[1])}


def group_orders() -> dict[str, list[str]]:
    """Return by file of tests in which order the groups are evaluated."""
    return {file.name: _load(file)["group_eval_order"] for file in TESTS}


# --- what an expression may name --------------------------------------------------------------------------


def known_metrics() -> dict[str, set[str]]:
    """Return the labels of each metric: of the reference, which is compared with the code, of rules, and of Prometheus."""
    described = {code(row[0]): (row[1], set(codes(row[2]))) for row in rows(read("reference/metrics.md")) if len(row) == 4}
    parts = {name + part: labels for name, (kind, labels) in described.items() if kind == "histogram" for part in ("_sum", "_count")}
    buckets = {f"{name}_bucket": {*labels, "le"} for name, (kind, labels) in described.items() if kind == "histogram"}
    recorded = {rule.name: set(rule.name.partition(":")[0].split("_")) for rule in RECORDS}
    return {name: labels for name, (_, labels) in described.items()} | parts | buckets | recorded | OF_PROMETHEUS


def unknown_in(expr: str, known: dict[str, set[str]]) -> list[str]:
    """Return what an expression names that there is not: metrics, and labels that none of its metrics (or that metric) has."""
    found = [f"metric {name}" for name in sorted(names(expr) - known.keys())]
    labels = OF_TARGETS | {label for name in names(expr) & known.keys() for label in known[name]} | {"__name__"}
    grouping = {label.strip() for group in _GROUPING.findall(expr) for label in group.split(",") if label.strip()}
    found += [f"label {label}" for label in sorted(grouping - labels)]
    for name, conditions in selectors(expr):
        asked = {label for label, _, _ in _CONDITION.findall(conditions)}
        found += [f"label {label} of {name}" for label in sorted(asked - known.get(name, set()) - OF_TARGETS)]
    return found


def asked_values(expr: str) -> Iterator[tuple[str, str, str]]:
    """Yield metric, label and value of every condition, alternatives one by one; patterns are left out."""
    for name, conditions in selectors(expr):
        for label, operator, value in _CONDITION.findall(conditions):
            for each in value.split("|") if "~" in operator else [value]:
                if re.fullmatch(r"[\w-]*", each):
                    yield name, label, each
