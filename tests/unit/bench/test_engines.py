"""All engines get the same rules, and the table says what each one took."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

from bench.engines.report import DENY, FIGURE, GATE, MARK, PERMIT, PREDICT, document, publish
from bench.engines.rules import (
    Case,
    casbin_lines,
    cedar_each,
    cedar_grouped,
    cedar_groups,
    cedar_token,
    holds,
    make_cases,
    make_rules,
    rego_data,
    uid,
)
from bench.performance.publishing import PAGE
from bench.performance.results import Run
from tests.gates import ringcentral_catalog
from tests.unit.bench.samples import costs, run
from tests.unit.docs.pages import ROOT, rows

CATALOG = ringcentral_catalog()
RULES = make_rules(CATALOG)
PEERS = {key: {"title": key, "version": "1.2.3", "does": "decides"} for key in (PREDICT, GATE, "cedar")}
READINGS = [
    *costs(PERMIT, PREDICT, FIGURE, 2_000, 2_000),
    *costs(PERMIT, GATE, FIGURE, 10_000, 10_000),
    *costs(PERMIT, "cedar", FIGURE, 1_000, 1_000),
    *costs(DENY, PREDICT, FIGURE, 4_000),
    *costs(DENY, "cedar", FIGURE, 40_000),
]


def sample() -> Run:
    made = run(READINGS)
    return replace(made, about=replace(made.about, peers=PEERS))


def test_rules_say_what_each_operation_needs_and_leave_out_what_nobody_knows() -> None:
    assert RULES["deleteCallLog"] == (("EditCallLog", "ReadCallLog"), ("EditAccounts",))
    assert RULES["readStatus"] == ((),)
    assert "readMystery" not in RULES


def test_cases_are_what_they_are_said_to_be() -> None:
    for permitted in (True, False):
        cases = make_cases(CATALOG, permitted, 20, random.Random(3))
        assert [case.permitted() for case in cases] == [permitted] * 20
        assert all(any(case.scopes.issuperset(each) for each in RULES[case.operation.id]) is permitted for case in cases)


def test_a_case_is_decided_by_its_scopes() -> None:
    operation = next(each for each in CATALOG.operations if each.id == "deleteCallLog")
    assert Case(operation, "t", frozenset({"EditAccounts"})).permitted()
    assert not Case(operation, "t", frozenset({"EditCallLog"})).permitted()


def test_cedar_has_a_policy_for_each_alternative_or_for_each_set_of_scopes() -> None:
    policy = 'permit(principal, action == Action::"deleteCallLog", resource) when { principal.scopes.containsAll(["EditAccounts"]) };'
    assert policy in cedar_each(RULES).splitlines()
    assert len(cedar_each(RULES).splitlines()) == sum(map(len, RULES.values()))
    grouped = cedar_grouped(RULES).splitlines()
    assert len(grouped) == len({each for needed in RULES.values() for each in needed})
    wanted = 'permit(principal, action in Action::"needs EditAccounts", resource) when { principal.scopes.containsAll(["EditAccounts"]) };'
    assert wanted in grouped


def test_every_action_is_in_the_groups_of_its_alternatives() -> None:
    actions = {each["uid"]["id"]: [parent["id"] for parent in each["parents"]] for each in cedar_groups(RULES)}
    assert actions["deleteCallLog"] == ["needs EditCallLog ReadCallLog", "needs EditAccounts"]
    assert {group for groups in actions.values() for group in groups} <= set(actions)


def test_a_token_is_an_entity_with_scopes() -> None:
    assert cedar_token("t", frozenset({"B", "A"}))["attrs"] == {"scopes": ["A", "B"]}
    assert json.loads(uid("Action", 'a"b').removeprefix("Action::")) == 'a"b'


def test_casbin_has_a_line_for_each_alternative() -> None:
    assert ["EditCallLog ReadCallLog", "deleteCallLog"] in casbin_lines(RULES)
    assert holds(frozenset({"A", "B", "C"}), "A B")
    assert not holds(frozenset({"A"}), "A B")
    assert holds(frozenset(), "")


def test_rego_reads_the_same() -> None:
    assert rego_data(RULES)["operations"]["readStatus"] == [[]]


def test_the_table_has_ratios_and_lost_rows_too() -> None:
    told = rows(document(sample()))
    assert ["cedar", "1.0", "0.50", "0.10", "40.0", "10.00", "–"] in told
    assert [GATE, "10.0", "5.00", "1.00", "–", "–", "–"] in told
    assert ["cedar", "1.2.3", "decides"] in told


def test_publishing_changes_its_own_part_only(tmp_path: Path) -> None:
    page = tmp_path / PAGE
    page.parent.mkdir(parents=True)
    before = (ROOT / PAGE).read_text()
    page.write_text(before)
    publish(sample(), tmp_path)
    mark = f"<!-- {MARK}: begin -->"
    assert page.read_text().partition(mark)[0] == before.partition(mark)[0]
    assert "| cedar | 1.0 | 0.50 |" in page.read_text()
