"""Every failure of our own has an alert that can fire and a test; that the tests exist is seen to for all pages."""

from __future__ import annotations

import re

from tests.unit.docs.pages import code, codes, read, rows

PAGE = "reference/own-failures.md"
CHECKS = {"state", "audit", "shared_state", "workers", "configuration"}


def failures() -> list[list[str]]:
    return [row for row in rows(read(PAGE)) if len(row) == 6]


def test_every_failure_has_a_test() -> None:
    assert len(failures()) > 15
    assert [row[0] for row in failures() if "::" not in row[5]] == []


def test_every_metric_in_an_alert_is_described_and_has_the_label_values_that_are_asked_for() -> None:
    metrics = {code(row[0]): set(codes(row[2])) for row in rows(read("reference/metrics.md")) if len(row) == 4}
    asked = [found for row in failures() for found in re.findall(r"((?:scopegate|process)_\w+)(?:\{(\w+))?", " ".join(codes(row[3])))]
    assert len(asked) > 15
    assert [(name, label) for name, label in asked if name not in metrics or (label and label not in metrics[name])] == []


def test_the_checks_are_those_of_readyz() -> None:
    assert {name for row in failures() for name in codes(row[2])} == CHECKS
