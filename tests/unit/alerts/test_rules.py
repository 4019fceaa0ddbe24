"""Rules, their tests and their runbooks belong together; what they name exists; and promtool finds nothing wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from proxy.decision.closing import LEARNING_ERROR
from proxy.decision.judge import PREDICTION_ERROR
from proxy.errors import ALL_REASONS
from tests.unit.alerts.rules import (
    ALERTS,
    FOLDER,
    RECORDS,
    RULES,
    TESTS,
    Case,
    asked_values,
    cases,
    group_orders,
    known_metrics,
    promtool,
    rules,
    unknown_in,
)
from tests.unit.docs.pages import DOCS, ROOT, blocks, code, codes, read, rows, section

BASE = "https://docs.example.com/scopegate/runbooks/"
PAGES = sorted(page for page in (DOCS / "runbooks").glob("*.md") if page.name != "README.md")
SECTIONS = ["## What it means", "## How to look", "## What to do"]
REQUIRED = {
    "a client starts being denied": "ScopegateClientDenied",
    "would-be denials before enforcing": "ScopegateWouldDeny",
    "false denial proven": "ScopegateFalseDenial",
    "missed denials": "ScopegateMissedDenials",
    "unknown operations rising": "ScopegateUnknownOperationsRising",
    "unknown tokens rising": "ScopegateUnknownTokensRising",
    "vendor refusing": "ScopegateVendorRefusing",
    "vendor unreachable": "ScopegateVendorUnreachable",
    "error-budget burn, fast": "ScopegateErrorBudgetFastBurn",
    "error-budget burn, slow": "ScopegateErrorBudgetSlowBurn",
    "time-outs": "ScopegateTimeouts",
    "shared store degraded": "ScopegateSharedStoreDegraded",
    "audit sink failing": "ScopegateAuditFailing",
    "audit sink with gaps": "ScopegateAuditEventsLost",
    "configuration reload failed": "ScopegateConfigReloadFailed",
    "overhead p99": "ScopegateOverheadHigh",
    "scope unused for 90 days": "ScopegateScopeUnused",
    "token near expiry without renewal": "ScopegateTokenNotRenewed",
    "vendor rate budget low": "ScopegateVendorRateBudgetLow",
    "series limit near": "ScopegateSeriesLimitNear",
    "target absent": "ScopegateTargetAbsent",
}
ALERT_NAMES = [rule.name for rule in ALERTS]


# --- promtool -------------------------------------------------------------------------------------------


def test_promtool_finds_nothing_wrong_with_the_rules_and_the_example() -> None:
    for checked in (promtool("check", "rules", *RULES), promtool("check", "config", FOLDER / "prometheus.yml")):
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "FAILED" not in checked.stdout


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_rules_do_what_their_tests_say(file: Path) -> None:
    tested = promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


BROKEN = [
    ("decisions", 'score="false_denial"}[1h])) > 0', 'score="false_denial"}[1h])) > 1', "one proof is not enough any more"),
    ("decisions", "and job_vendor:scopegate_unknown_operations:increase1h > 20", "", "no count beside a share"),
    ("decisions-days", "unless job_vendor_client:scopegate_denied:increase1d offset 1d > 2.5", "", "what is known is told anew"),
    ("vendors", "and job_vendor:scopegate_unreachable:increase15m > 20", "", "three requests wake somebody"),
    ("vendors", "connection_lost|bad_response|circuit_open", "connection_lost|bad_response", "an open circuit hides the cause"),
    ("faults", "and job:scopegate_own_faults:ratio5m > 14.4 * 0.001", "", "it does not end when the trouble ends"),
    ("faults", 'outcome!="bad_request"', 'outcome!="none"', "bad requests hide the proxy's faults"),
    ("faults-hours", "internal_error|no_descriptors", "internal_error|vendor_busy", "a slow vendor is the proxy's fault"),
    (
        "scopes",
        "unless max by (job, vendor, client, scope) (max_over_time",
        "and max by (job, vendor, client, scope) (max_over_time",
        "never used",
    ),
    ("process", 'up{job="scopegate"} == 1', 'up{job="scopegate"}', "targets that are all down are there"),
    (
        "recording",
        "rate(scopegate_overhead_seconds_bucket[10m])",
        "scopegate_overhead_seconds_bucket",
        "buckets since the beginning of time",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "harm"), BROKEN, ids=[harm for *_, harm in BROKEN])
def test_a_broken_rule_is_noticed(file: str, old: str, new: str, harm: str, tmp_path: Path) -> None:
    for part in ("rules", "tests"):
        shutil.copytree(FOLDER / part, tmp_path / part)
    texts = {rule: rule.read_text(encoding="utf-8") for rule in (tmp_path / "rules").iterdir()}
    assert any(old in text for text in texts.values())
    for rule, text in texts.items():
        rule.write_text(text.replace(old, new), encoding="utf-8")
    tested = promtool("test", "rules", tmp_path / "tests" / f"{file}.yaml")
    assert tested.returncode == 1
    assert "exp:" in tested.stderr + tested.stdout


# --- alerts and their pages -----------------------------------------------------------------------------


def test_all_that_is_asked_for_is_there() -> None:
    assert len(set(ALERT_NAMES)) == len(ALERT_NAMES) >= 20
    assert set(REQUIRED.values()) <= set(ALERT_NAMES)


@pytest.mark.parametrize("rule", ALERTS, ids=ALERT_NAMES)
def test_an_alert_tells_everything(rule: object) -> None:
    (alert,) = (each for each in ALERTS if each is rule)
    assert alert.labels["severity"] in {"page", "ticket"}
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert all(alert.annotations.values())
    assert alert.annotations["runbook_url"] == f"{BASE}{alert.name}.md"


def test_only_few_alerts_wake_somebody() -> None:
    woken = {alert.name for alert in ALERTS if alert.labels["severity"] == "page"}
    assert "ScopegateFalseDenial" in woken
    assert len(woken) <= len(ALERTS) // 4


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert sorted(page.stem for page in PAGES) == sorted(ALERT_NAMES)


def test_the_index_of_runbooks_tells_each_alert_with_its_severity() -> None:
    listed = [(re.findall(r"\[(\w+)\]\((\w+)\.md\)", row[0])[0], row[1]) for row in rows(read("runbooks/README.md"))]
    assert listed == [((alert.name, alert.name), alert.labels["severity"]) for alert in ALERTS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_how_to_look_and_what_to_do(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert all(len(section(text, heading)) > 100 for heading in ("## What it means", "## What to do"))
    assert {block.language for block in blocks(page)} & {"promql", "console"}


def test_the_queries_of_runbooks_are_valid_and_name_what_there_is(tmp_path: Path) -> None:
    queries = [block for page in PAGES for block in blocks(page) if block.language == "promql"]
    assert len(queries) > len(PAGES)
    known = known_metrics()
    assert [(block.page.stem, found) for block in queries for found in unknown_in(block.text, known)] == []
    recorded = [{"record": f"query:{number}", "expr": block.text} for number, block in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}), encoding="utf-8")
    checked = promtool("check", "rules", tmp_path / "queries.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


# --- expressions ----------------------------------------------------------------------------------------


def test_rules_name_only_metrics_and_labels_that_there_are() -> None:
    known = known_metrics()
    assert [(rule.name, found) for rule in rules() for found in unknown_in(rule.expr, known)] == []


def test_rules_ask_only_for_label_values_that_there_are() -> None:
    closed = {code(row[0]): set(codes(row[1])) for row in rows(read("reference/metrics.md")) if len(row) == 2 and row[0].startswith("`")}
    results = {code(row[0]) for row in rows(read("reference/metrics.md")) if len(row) == 2 and row[0].startswith("`")}
    closed["reason"] = {*ALL_REASONS, PREDICTION_ERROR, LEARNING_ERROR}
    closed["result"] = {*results, *(word for row in rows(read("reference/metrics.md")) for word in codes(row[-1]))}
    closed["job"] = {"scopegate"}
    asked = [(rule.name, *found) for rule in rules() for found in asked_values(rule.expr)]
    assert len(asked) > 40
    assert [each for each in asked if each[3] not in closed[each[2]]] == []


def test_no_rule_clamps() -> None:
    assert [rule.name for rule in rules() if "clamp" in rule.expr] == []


def test_every_recorded_number_is_used() -> None:
    used = " ".join(rule.expr for rule in rules())
    assert [record.name for record in RECORDS if not re.search(rf"(?<![\w:]){record.name}(?![\w:])", used)] == []


def test_what_an_alert_says_names_only_labels_that_it_has() -> None:
    for alert in ALERTS:
        told = set(re.findall(r"\$labels\.(\w+)", " ".join(alert.annotations.values())))
        fired = [labels for case in of(alert.name) for labels in case.expected]
        assert fired
        assert all(told <= labels.keys() for labels in fired), alert.name


# --- tests of rules -------------------------------------------------------------------------------------


def of(alert: str) -> list[Case]:
    return [case for case in cases() if case.expr == f'ALERTS{{alertname="{alert}", alertstate="firing"}}']


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_an_alert_is_tested_firing_quiet_and_with_low_traffic(alert: str) -> None:
    tested = of(alert)
    assert any(case.named("fires", case.expected) for case in tested)
    assert any(case.named("quiet", case.series) for case in tested)
    assert any(case.named("low-traffic", case.series) for case in tested)
    assert not any(case.named("quiet", case.expected) and case.expected for case in tested)


@pytest.mark.parametrize("record", [record.name for record in RECORDS])
def test_a_recorded_number_is_tested_where_it_counts_and_where_it_is_quiet(record: str) -> None:
    tested = [case for case in cases() if re.search(rf"(?<![\w:]){record}(?![\w:])", case.expr)]
    assert any(case.named("fires", case.expected) for case in tested)
    assert any(case.named("quiet", case.series) for case in tested)


def test_groups_are_evaluated_in_the_order_of_the_files() -> None:
    order = list(dict.fromkeys(rule.group for rule in (*RECORDS, *ALERTS)))
    assert group_orders() == dict.fromkeys((file.name for file in TESTS), order)


# --- other pages ----------------------------------------------------------------------------------------


def test_the_alertmanager_example_routes_every_severity_and_names_alerts_that_there_are() -> None:
    example = yaml.safe_load((FOLDER / "alertmanager.yml").read_text(encoding="utf-8"))
    routed = {matcher for route in example["route"]["routes"] for matcher in route["matchers"]}
    assert routed == {f'severity="{severity}"' for severity in {alert.labels["severity"] for alert in ALERTS}}
    named = re.findall(r"Scopegate\w+", str(example["inhibit_rules"]))
    assert named
    assert set(named) <= set(ALERT_NAMES)


def test_the_number_of_alerts_that_is_told_is_right() -> None:
    told = re.findall(r"(\d+) alerts", " ".join((ROOT / "docs/changelog.md").read_text(encoding="utf-8").split()))
    assert told == [str(len(ALERTS))]
