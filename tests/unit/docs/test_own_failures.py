"""Every failure of our own has an alert that can fire and a test; that the tests exist is seen to for all pages."""

from __future__ import annotations

import re

from tests.unit.alerts.rules import ALERTS
from tests.unit.docs.pages import codes, read, rows

PAGE = "reference/own-failures.md"
CHECKS = {"state", "audit", "shared_state", "workers", "configuration"}


def failures() -> list[list[str]]:
    return [row for row in rows(read(PAGE)) if len(row) == 6]


def test_every_failure_has_a_test() -> None:
    assert len(failures()) > 15
    assert [row[0] for row in failures() if "::" not in row[5]] == []


def test_every_failure_that_is_told_of_names_its_alert() -> None:
    alerts = {alert.name for alert in ALERTS}
    named = [name for row in failures() for name in re.findall(r"Scopegate[A-Z]\w+", row[3])]
    assert len(named) > 15
    assert set(named) <= alerts
    silent = [row[0] for row in failures() if not re.search(r"Scopegate[A-Z]", row[3])]
    assert silent == ["The store is damaged, at the start or later", "Store, audit log and a recorder at once"]


def test_the_checks_are_those_of_readyz() -> None:
    assert {name for row in failures() for name in codes(row[2])} == CHECKS
