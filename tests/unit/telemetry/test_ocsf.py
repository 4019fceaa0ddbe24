"""Every kind of event against the official schema, and what an event says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.grants import Knowledge
from proxy.model import Grants, Source
from proxy.protocol.trace_context import NO_TRACE
from proxy.telemetry import audit_records
from proxy.telemetry.audit_records import Kind
from proxy.telemetry.exchange import Actual, Decision, Exchange, Outcome, Predicted, ResponseKind
from proxy.telemetry.ocsf import MAX_PATH, AuditLog, Events
from tests.unit.telemetry.ocsf_schema import problems
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED, but

KNOWN = Knowledge(
    Grants(frozenset({"ReadAccounts"}), frozenset({("CDR", "acmecorp")})), Source.CONFIGURED, 0.0, 1.0, subject="amy@example.com"
)

WOULD_DENY = but(
    DENIED, decision=Decision.WOULD_DENY, outcome=Outcome.WOULD_DENY, answered_by="vendor", actual=Actual.REFUSED_PERMISSION, mode="shadow"
)
EXCHANGES = {
    "permit": FORWARDED,
    "deny": DENIED,
    "would-deny": WOULD_DENY,
    "false denial": but(WOULD_DENY, actual=Actual.ACCEPTED, status=200),
    "indeterminate": but(FORWARDED, decision=Decision.INDETERMINATE, predicted=Predicted.INDETERMINATE, evidence="none"),
    "not-applicable": but(FORWARDED, decision=Decision.NOT_APPLICABLE, predicted=Predicted.NOT_APPLICABLE, operation="", route=""),
    "off": but(FORWARDED, decision=Decision.OFF, predicted=Predicted.NONE, mode="off"),
    "bad request": BAD_REQUEST,
    "a new trace": but(DENIED, trace=replace(DENIED.trace, parent_id="")),
    "no trace": but(DENIED, trace=NO_TRACE),
    "no path": but(BAD_REQUEST, path="", request_id=""),
    "upstream error": but(
        FORWARDED, outcome=Outcome.UPSTREAM_ERROR, fault="upstream_unreachable", status=502, answered_by="proxy", actual=Actual.FAILED,
        response_kind=ResponseKind.TRANSPORT,
    ),
    "internal error": but(FORWARDED, outcome=Outcome.INTERNAL_ERROR, fault="internal_error", status=500, answered_by="proxy"),
    "policy": but(DENIED, reason="policy_not_allowed", predicted=Predicted.PERMIT, missing=(), policy="scope"),
    "odd method": but(FORWARDED, method="PROPFIND"),
    "delete": but(FORWARDED, method="DELETE"),
    "update": but(FORWARDED, method="PATCH"),
    "create": but(FORWARDED, method="POST"),
    "known user": but(DENIED, knowledge=KNOWN, peer="192.0.2.7"),
    "ipv6": but(FORWARDED, peer="2001:db8::1"),
    "no token": but(FORWARDED, fingerprint=""),
    "long path": but(FORWARDED, path="/" + "x" * 5000),
    "odd request id": but(FORWARDED, request_id='a"b\\c\x7f\udc80ä'),
}  # fmt: skip


def event_of(exchange: Exchange, **options: Any) -> dict[str, Any]:
    encoded = Events(**options)(exchange._replace(revision="abc123"))
    assert encoded.endswith(b"}}")
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    event: dict[str, Any] = json.loads(encoded)
    assert next(reversed(event)) == "unmapped"
    assert event["unmapped"]
    return event


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_kind_of_event_is_valid_by_the_official_schema(name: str) -> None:
    event = event_of(EXCHANGES[name])
    assert problems(event) == []
    assert (event["class_uid"], event["type_uid"]) == (6003, 600300 + event["activity_id"])
    assert event["metadata"]["profiles"] == ["security_control", "trace"]


def test_the_validation_would_notice() -> None:
    event = event_of(FORWARDED)
    assert problems(event | {"surprise": 1})
    assert problems({name: value for name, value in event.items() if name != "actor"})
    assert problems(event | {"action_id": 5})
    assert problems(event | {"trace": {}})
    assert problems(event | {"metadata": event["metadata"] | {"profiles": []}})
    assert problems(event | {"metadata": event["metadata"] | {"version": "1.7.0"}})


@pytest.mark.parametrize("kind", Kind)
def test_every_record_of_the_log_itself_is_valid_too(kind: Kind) -> None:
    line = audit_records.record(kind, 1795291200.25, "text", {"more": 1})
    assert problems(json.loads(line)) == []
    assert line.startswith(audit_records.MARK)
    assert audit_records.read(line) == {"record": kind, "more": 1}


def test_a_gap_tells_how_many_are_missing_and_from_when_to_when() -> None:
    line = audit_records.gap(1795291300.0, 7, 1795291200.25, 1795291201.5)
    event = json.loads(line)
    assert problems(event) == []
    assert (event["count"], event["start_time"], event["end_time"]) == (7, 1795291200250, 1795291201500)
    assert audit_records.read(line)["missing"] == 7
    assert audit_records.span(line) == (1795291200250, 1795291201500)


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"class_uid":1008,', b'{"class_uid":1008,"unmapped":3}', audit_records.MARK + b"[" * 100_000]
)
def test_what_is_no_record_tells_nothing(line: bytes) -> None:
    assert audit_records.read(line) == {}


@pytest.mark.parametrize(
    ("name", "action", "disposition"),
    [
        ("permit", "Allowed", "Allowed"),
        ("indeterminate", "Allowed", "Allowed"),
        ("deny", "Denied", "Unauthorized"),
        ("policy", "Denied", "Unauthorized"),
        ("would-deny", "Observed", "Logged"),
        ("off", "Observed", "No Action"),
        ("bad request", "Denied", "Rejected"),
        ("upstream error", "Allowed", "Error"),
        ("internal error", "Unknown", "Error"),
    ],
)
def test_action_and_disposition_say_what_the_proxy_did(name: str, action: str, disposition: str) -> None:
    event = event_of(EXCHANGES[name])
    assert (event["action"], event["disposition"]) == (action, disposition)


@pytest.mark.parametrize(
    ("method", "activity"),
    [
        ("GET", "Read"),
        ("HEAD", "Read"),
        ("POST", "Create"),
        ("PUT", "Update"),
        ("PATCH", "Update"),
        ("DELETE", "Delete"),
        ("LOCK", "Other"),
    ],
)
def test_the_method_tells_the_activity(method: str, activity: str) -> None:
    assert event_of(but(FORWARDED, method=method))["activity_name"] == activity


def test_a_denial_says_who_wanted_what_and_why_not() -> None:
    event = event_of(but(DENIED, knowledge=KNOWN, peer="192.0.2.7"))
    assert event["actor"] == {"app_name": "call-archiver", "user": {"uid": DENIED.fingerprint, "name": "amy@example.com"}}
    assert event["src_endpoint"] == {"ip": "192.0.2.7"}
    assert event["api"] == {
        "operation": "readCompanyCallLog",
        "service": {"name": "ringcentral"},
        "response": {"code": 403, "error": "missing_scope"},
    }
    assert event["http_request"] == {"http_method": "GET", "url": {"path": DENIED.path}}
    assert event["metadata"]["uid"] == DENIED.decision_id
    assert event["metadata"]["correlation_uid"] == DENIED.request_id
    assert event["trace"] == {
        "uid": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span": {"uid": "e26b5d41903c7f08", "parent_uid": "00f067aa0ba902b7", "start_time": 1795291200250, "end_time": 1795291200250},
    }
    assert (event["status"], event["status_code"], event["status_detail"]) == ("Failure", "403", "missing_scope")
    assert event["time"] == 1795291200250
    assert event["authorizations"] == [
        {"decision": "deny", "policy": {"name": "readCompanyCallLog", "type": "prediction", "is_applied": True}}
    ]
    own = event["unmapped"]
    assert own["missing"] == [["ReadCallLog"], ["ReadCallLog", "ReadAccounts"]]
    assert own["held"] == ["CDR@acmecorp", "ReadAccounts"]
    assert (own["configuration"], own["route"], own["evidence"]) == ("abc123", DENIED.route, "token_response")


def test_a_refusal_by_policy_is_not_taken_for_a_prediction() -> None:
    event = event_of(EXCHANGES["policy"])
    prediction, rule = event["authorizations"]
    assert prediction == {"decision": "permit", "policy": {"name": "readCompanyCallLog", "type": "prediction", "is_applied": False}}
    policy = {"name": "clients.call-archiver", "type": "policy", "is_applied": True, "desc": "scope"}
    assert rule == {"decision": "deny", "policy": policy}
    assert event["unmapped"]["policy"] == "scope"
    assert event["severity"] == "Medium"


def test_users_are_left_out_on_request() -> None:
    assert event_of(but(DENIED, knowledge=KNOWN), subjects=False)["actor"]["user"] == {"uid": DENIED.fingerprint}


def test_a_long_path_is_cut_and_says_so() -> None:
    event = event_of(EXCHANGES["long path"])
    assert len(event["http_request"]["url"]["path"]) == MAX_PATH
    assert event["unmapped"]["path_cut"] is True
    assert "path_cut" not in event_of(FORWARDED)["unmapped"]


def test_nothing_that_a_caller_sends_can_forge_a_line() -> None:
    event = event_of(but(FORWARDED, path='/a"}}\n{"class_uid":1008', method='G"T', client="x\n"))
    assert event["http_request"]["url"]["path"] == '/a"}}\n{"class_uid":1008'


def test_exchanges_that_share_a_memo_differ_only_in_what_is_their_own() -> None:
    events, memo = Events(), dict[object, Any]()
    first = json.loads(events(but(FORWARDED, memo=memo)))
    second = json.loads(events(but(FORWARDED, memo=memo, decision_id="other", path="/other", status=200, started_at=1795291201.0)))
    assert (second["metadata"]["uid"], second["http_request"]["url"]["path"], second["time"]) == ("other", "/other", 1795291201000)
    assert {name for name in first if first[name] != second[name]} == {"metadata", "http_request", "time", "trace"}
    assert list(memo) == [events]


def test_different_outcomes_are_never_mixed_up() -> None:
    events = Events()
    for _ in range(2):
        told = [json.loads(events(exchange))["message"] for exchange in (FORWARDED, DENIED, WOULD_DENY, BAD_REQUEST)]
        assert len(set(told)) == 4


def test_the_recorder_hands_events_on() -> None:
    taken: list[bytes] = []
    AuditLog(taken.append).record(FORWARDED)
    assert taken == [Events()(FORWARDED)]
