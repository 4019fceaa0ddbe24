"""A decision without sending anything is the decision that traffic meets."""

from __future__ import annotations

import pytest

from proxy.decision.asking import Asked, ask, decision_name, given_scopes, requirement_json
from proxy.grants import NEVER, Knowledge
from proxy.model import (
    AnyToken,
    Deny,
    Grants,
    Indeterminate,
    Lack,
    NotApplicable,
    NotKnown,
    OneOf,
    Operation,
    Permit,
    Prediction,
    Requirement,
    Source,
)
from proxy.protocol.targets import Target
from proxy.vendors.refusals import BadRequest
from tests.gates import House, body_of, plans

PLANS = plans()
RC, EIGHT, GENERIC = (plan.vendor for plan in PLANS)
ACCOUNT = "/restapi/v1.0/account/~"
LOG = Target(f"{ACCOUNT}/call-log", None)
RECORDS = "/analytics/v2/call-records"
OPERATION = Operation("v", "o", "GET", "/", AnyToken())


def asked(method: str, target: Target, *scopes: str, vendor: int = 0, knows: bool = True, literal: bool = False) -> Asked:
    one = PLANS[vendor].vendor
    knowledge = given_scopes(one, frozenset(scopes)) if knows else None
    answer = ask(one, {} if literal else one.catalog.implied_by, method, target, knowledge)
    assert isinstance(answer, Asked)
    return answer


def test_given_scopes_are_all_a_token_holds_by_their_real_names() -> None:
    known = given_scopes(RC, frozenset({"OldCallLog", "X"}), "ann")
    assert known == Knowledge(Grants(scopes=frozenset({"ReadCallLog", "X"}), complete=True), Source.GIVEN, 0.0, NEVER, "ann")


def test_every_member_of_a_permit() -> None:
    answer = asked("GET", LOG, "ReadCallLog")
    assert isinstance(answer.prediction, Permit)
    assert answer.members == {
        "decision": "permit",
        "vendor": "rc",
        "operation": "readCallLog",
        "method": "GET",
        "route": "/restapi/v1.0/account/{accountId}/call-log",
        "required": [["ReadCallLog"]],
        "held": ["ReadCallLog"],
        "missing": [],
        "explanation": "The request is permitted by the scopes held; the proxy forwards it.",
    }


def test_every_member_of_a_deny() -> None:
    answer = asked("DELETE", LOG, "EditCallLog")
    explanation = answer.members.pop("explanation")
    assert answer.members == {
        "decision": "deny",
        "vendor": "rc",
        "operation": "deleteCallLog",
        "method": "DELETE",
        "route": "/restapi/v1.0/account/{accountId}/call-log",
        "required": [["EditCallLog", "ReadCallLog"], ["EditAccounts"]],
        "held": ["EditCallLog"],
        "missing": [["ReadCallLog"], ["EditAccounts"]],
        "reason": "missing_scope",
        "evidence": {"source": "given"},
        "remediation": ["Add it."],
        "documentation": ["https://docs.example/log"],
    }
    assert "This token lacks ReadCallLog; it holds EditCallLog. Those are the scopes given with the question." in str(explanation)


@pytest.mark.parametrize(
    ("answer", "decision", "sentence"),
    [
        (asked("GET", LOG, "ReadCallRecording"), "permit", "by scopes that imply what is needed"),
        (asked("GET", LOG, "ReadCallRecording", literal=True), "deny", "needs ReadCallLog"),
        (asked("GET", Target("/restapi/v1.0/status", None)), "permit", "Any valid token of RingCentral will do"),
        (asked("POST", Target("/restapi/oauth/token", None)), "permit", "needs no access token"),
        (asked("GET", LOG, knows=False), "indeterminate", "Give the token's scopes to get a verdict."),
        (asked("GET", Target(RECORDS, None), "x", vendor=1), "deny", "needs CDR"),
        (asked("GET", Target("/no/such", None), "x"), "not-applicable", "knows no such operation"),
    ],
)
def test_what_is_told(answer: Asked, decision: str, sentence: str) -> None:
    assert answer.members["decision"] == decision
    assert sentence in str(answer.members["explanation"])


def test_known_but_undecided_is_not_asked_for_scopes() -> None:
    answer = asked("GET", Target("/restapi/v1.0/mystery", None), "x")
    assert answer.members["decision"] == "indeterminate"
    assert answer.members["required"] == "unknown"
    assert "Give the token's scopes" not in str(answer.members["explanation"])


def test_nothing_is_told_about_an_operation_that_is_not_there() -> None:
    members = asked("GET", Target("/no/such", None)).members
    assert (members["operation"], members["route"], members["required"], members["missing"]) == (None, None, None, [])


def test_the_effective_method_is_decided() -> None:
    assert asked("POST", Target(LOG.path, "_method=DELETE"), "ReadCallLog").members["operation"] == "deleteCallLog"
    contradiction = ask(RC, {}, "POST", Target(LOG.path, "_method=DELETE&_method=GET"), None)
    assert isinstance(contradiction, BadRequest)


@pytest.mark.parametrize(
    ("prediction", "name"),
    [
        (Permit(OPERATION), "permit"),
        (Deny(OPERATION, (("a",),)), "deny"),
        (Indeterminate(OPERATION, "why"), "indeterminate"),
        (NotApplicable(), "not-applicable"),
    ],
)
def test_the_words_of_the_header(prediction: Prediction, name: str) -> None:
    assert decision_name(prediction) == name


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [(AnyToken(), []), (OneOf((("a", "b"), ("c",))), [["a", "b"], ["c"]]), (NotKnown(), "unknown")],
)
def test_requirements_as_users_see_them(requirement: Requirement, expected: object) -> None:
    assert requirement_json(Operation("v", "o", "GET", "/", requirement)) == expected
    assert requirement_json(None) is None


@pytest.mark.parametrize(
    ("vendor", "method", "target", "grants"),
    [
        ("rc", "GET", LOG, Grants(scopes=frozenset({"x"}), complete=True)),
        ("rc", "HEAD", LOG, Grants(complete=True)),
        ("rc", "DELETE", LOG, Grants(lacking=frozenset({Lack("ReadCallLog"), Lack("EditAccounts")}))),
        ("rc", "GET", Target("/restapi/v1.0/extension/9", None), Grants(complete=True)),
        (
            "8x8",
            "GET",
            Target(RECORDS, "pbxId=a,b"),
            Grants(bound=frozenset({("CDR", "pbx:a")}), complete_for=frozenset({"pbx:a", "pbx:b"})),
        ),
        ("8x8", "GET", Target("/products", None), Grants(complete=True)),
        ("gen", "GET", Target("/things/1", None), Grants(complete=True)),
    ],
)
def test_what_is_told_is_what_traffic_is_told(vendor: str, method: str, target: Target, grants: Grants) -> None:
    house = House(plans())
    fingerprint = house.know(vendor, "token", grants)
    host = "gen.test" if vendor == "gen" else "proxy.test"
    prefix = "" if vendor == "gen" else f"/{vendor}"
    ruling = house.ask(method, prefix + target.raw(), token="token", host=host)
    member = body_of(ruling)["scopegate"]
    assert ruling.mount is not None
    mount = ruling.mount
    answer = ask(mount.vendor, mount.implied_by, method, target, mount.store.get(fingerprint, 0.0))
    assert isinstance(answer, Asked)
    told = str(member["explanation"]).replace(", so the proxy answered it and did not send it", "", 1)
    assert {**answer.members, "decision_id": ruling.decision_id} == {**member, "decision": "deny", "explanation": told}
