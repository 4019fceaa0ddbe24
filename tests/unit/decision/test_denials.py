"""What is told about a request that the vendor would refuse: its reason, and the resources that are to blame."""

from __future__ import annotations

import pytest

from proxy.decision.denials import denial_reason, predicted_denial
from proxy.grants import NEVER, Knowledge, LackRecord
from proxy.model import Deny, Grants, Lack, Named, Reason, Resources, Source, Unbounded
from proxy.prediction import WHOLE_RESOURCE
from proxy.protocol.targets import Target
from proxy.vendors.refusals import Denial
from tests.gates import plans

RC, EIGHT, _ = (plan.vendor for plan in plans())
TARGET = Target("/analytics/v2/call-records", None)
MATCH = EIGHT.catalog.find("GET", TARGET.path)
BOTH = Named(frozenset({"pbx:a", "pbx:b"}))


def deny(*scopes: str, resources: Resources = BOTH) -> Deny:
    assert MATCH is not None
    return Deny(MATCH.operation, (scopes,), resources.resources if isinstance(resources, Named) else frozenset())


def knowing(grants: Grants, *lacks: LackRecord) -> Knowledge:
    return Knowledge(grants, Source.CONFIGURED, 0.0, NEVER, "ann", lacks=lacks)


def told(grants: Grants, resources: Resources = BOTH) -> Denial:
    return predicted_denial(EIGHT, {}, deny("CDR", resources=resources), knowing(grants), "GET", TARGET, MATCH, resources)


@pytest.mark.parametrize(
    ("scope", "knowledge", "reason"),
    [
        ("ReadCallLog", None, Reason.MISSING_SCOPE),
        ("ReadCallLog", knowing(Grants()), Reason.MISSING_SCOPE),
        ("ReadCallLog", knowing(Grants(), LackRecord(Lack("ReadCallLog"), 0.0, NEVER, changeable=True)), Reason.MISSING_LICENCE),
        ("ReadCallLog", knowing(Grants(), LackRecord(Lack("ReadCallLog"), 0.0, NEVER)), Reason.MISSING_SCOPE),
        ("CDR", None, Reason.MISSING_LICENCE),
    ],
)
def test_a_right_that_an_administrator_can_grant_is_a_licence(scope: str, knowledge: Knowledge | None, reason: Reason) -> None:
    assert denial_reason(EIGHT, deny(scope), knowledge) is reason


def test_only_the_resource_that_is_lacking_is_blamed() -> None:
    denial = told(Grants(bound=frozenset({("CDR", "pbx:a")}), complete_for=frozenset({"pbx:a", "pbx:b"})))
    assert (denial.resources, denial.whole_resource, denial.subject) == (Named(frozenset({"pbx:b"})), False, "ann")


def test_a_resource_without_any_access_is_blamed_first() -> None:
    denial = told(Grants(complete_for=frozenset({"pbx:a"}), lacking=frozenset({Lack(WHOLE_RESOURCE, frozenset({"pbx:b"}))})))
    assert (denial.resources, denial.whole_resource) == (Named(frozenset({"pbx:b"})), True)


def test_all_are_blamed_where_none_stands_out() -> None:
    assert told(Grants(lacking=frozenset({Lack("CDR", BOTH.resources)}))).resources == BOTH


@pytest.mark.parametrize("resources", [Unbounded(), Named(frozenset({"pbx:a"}))])
def test_one_resource_or_an_open_list_is_told_as_it_is(resources: Resources) -> None:
    assert told(Grants(complete=True), resources).resources == resources


def test_without_knowledge_nobody_is_named() -> None:
    denial = predicted_denial(RC, {}, deny("CDR"), None, "GET", TARGET, MATCH, BOTH, at=5.0, recheck_at=6.0)
    assert (denial.subject, denial.at, denial.recheck_at, denial.missing) == ("", 5.0, 6.0, (("CDR",),))
