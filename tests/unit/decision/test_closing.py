"""The end of a request: one exchange, what the vendor did, and what it taught."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy import errors
from proxy.credentials import Secret
from proxy.decision.closing import Result
from proxy.identity.clients import Peer
from proxy.model import NO_RESOURCES, Grants, Lack, Mode, Permit, Source
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Exchange, Outcome, Predicted, ResponseKind
from tests.gates import BIG_BODY, FINGERPRINTER, WALL, House, client, make_head, plans, refusal_of_8x8, refusal_of_ringcentral

LOG = "/rc/restapi/v1.0/account/~/call-log"
RECORDS = "/8x8/analytics/v2/call-records"
LOGIN = "/rc/restapi/oauth/token"
TOKEN = "the-token"
LACKING = refusal_of_ringcentral("ReadCallLog")


def known(house: House, vendor: str = "rc", token: str = TOKEN) -> Grants | None:
    entry = house.stores[vendor].get(FINGERPRINTER(vendor, Secret(token)), house.clock.now())
    return entry.grants if entry is not None else None


# --- the record ------------------------------------------------------------------------------------------


def test_every_field_of_an_exchange() -> None:
    house = House(plans(), [client("app")])
    fingerprint = house.hold(TOKEN, "ReadCallLog")
    ruling = house.ask("POST", LOG + "?_method=GET&secret=canary", token=TOKEN, key="key-of-app", X_Request_ID="mine")
    ruling.peer = Peer("192.0.2.7")
    assert ruling.match is not None
    exchange = house.close(ruling, 200, request_bytes=1, response_bytes=2, duration=3.0, vendor_duration=2.5)
    assert exchange._replace(memo=None) == Exchange(
        decision_id=ruling.decision_id,
        request_id="mine",
        started_at=WALL + 1000,
        vendor="rc",
        client="app",
        mode="enforce",
        method="GET",
        operation="readCallLog",
        route="/restapi/v1.0/account/{accountId}/call-log",
        path="/restapi/v1.0/account/~/call-log",
        decision=Decision.PERMIT,
        predicted=Predicted.PERMIT,
        outcome=Outcome.FORWARDED,
        reason="",
        missing=(),
        evidence="token_response",
        fingerprint=fingerprint.hex(),
        cache=CacheResult.HIT,
        status=200,
        answered_by="vendor",
        actual=Actual.ACCEPTED,
        response_kind=ResponseKind.OK,
        fault="",
        request_bytes=1,
        response_bytes=2,
        duration=3.0,
        vendor_duration=2.5,
        peer="192.0.2.7",
        row=ruling.match.operation,
        knowledge=house.stores["rc"].get(fingerprint, house.clock.now()),
        resources=NO_RESOURCES,
        prediction=Permit(ruling.match.operation),
        trace=ruling.trace,
    )


def test_a_denial_is_recorded_with_what_is_missing() -> None:
    house = House(plans())
    house.hold(TOKEN)
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, "proxy")
    assert (exchange.decision, exchange.predicted, exchange.outcome) == (Decision.DENY, Predicted.DENY, Outcome.DENIED)
    assert (exchange.reason, exchange.missing) == ("missing_scope", (("ReadCallLog",),))
    assert (exchange.actual, exchange.response_kind) == (Actual.NOT_SENT, ResponseKind.NONE)


def test_what_could_not_be_read_is_recorded() -> None:
    house = House(plans())
    exchange = house.close(house.gate.reject(errors.MALFORMED), 400, "proxy")
    assert (exchange.vendor, exchange.path, exchange.operation, exchange.fingerprint) == ("none", "", "", "")
    assert (exchange.fault, exchange.outcome, exchange.predicted) == ("malformed_request", Outcome.BAD_REQUEST, Predicted.NONE)
    assert (exchange.client, exchange.cache, exchange.decision) == ("unidentified", CacheResult.NONE, Decision.NOT_APPLICABLE)


@pytest.mark.parametrize(
    ("target", "predicted"),
    [(LOG, Predicted.INDETERMINATE), ("/rc/no/such", Predicted.NOT_APPLICABLE), ("/rc/restapi/v1.0/status", Predicted.PERMIT)],
)
def test_predictions_are_recorded_as_they_are_counted(target: str, predicted: Predicted) -> None:
    house = House(plans())
    assert house.close(house.ask("GET", target)).predicted is predicted


def test_off_records_no_prediction() -> None:
    house = House(plans(mode=Mode.OFF))
    exchange = house.close(house.ask("GET", LOG))
    assert (exchange.predicted, exchange.decision, exchange.mode) == (Predicted.NONE, Decision.OFF, "off")


def test_a_shadowed_denial_meets_what_the_vendor_really_said() -> None:
    house = House(plans(mode=Mode.SHADOW))
    house.hold(TOKEN)
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, response_body=LACKING)
    assert (exchange.outcome, exchange.predicted, exchange.actual) == (Outcome.WOULD_DENY, Predicted.DENY, Actual.REFUSED_PERMISSION)


# --- what the vendor did ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "actual"),
    [
        (200, ResponseKind.OK, Actual.ACCEPTED),
        (302, ResponseKind.OK, Actual.ACCEPTED),
        (401, ResponseKind.AUTH, Actual.REFUSED_OTHER),
        (403, ResponseKind.OTHER_4XX, Actual.REFUSED_OTHER),
        (404, ResponseKind.OTHER_4XX, Actual.REFUSED_OTHER),
        (429, ResponseKind.RATE_LIMIT, Actual.REFUSED_OTHER),
        (503, ResponseKind.SERVER_ERROR, Actual.FAILED),
    ],
)
def test_kinds_of_answers(status: int, kind: ResponseKind, actual: Actual) -> None:
    house = House(plans())
    for body in (None, b"{}", b"not JSON"):
        exchange = house.close(house.ask("GET", LOG, token=TOKEN), status, response_body=body)
        assert (exchange.response_kind, exchange.actual) == (kind, actual)


def test_a_refusal_for_another_cause_confirms_no_denial() -> None:
    house = House(plans())
    body = json.dumps({"errorCode": "InsufficientPermissions", "errors": [{"errorCode": "CMN-408"}]}).encode()
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, response_body=body)
    assert (exchange.response_kind, exchange.actual) == (ResponseKind.PERMISSION, Actual.REFUSED_OTHER)


@pytest.mark.parametrize("fault", [errors.UNREACHABLE, errors.RESPONSE_TIMEOUT])
def test_a_vendor_that_failed_was_asked(fault: errors.Fault) -> None:
    house = House(plans())
    exchange = house.close(house.gate.refuse(house.ask("GET", LOG), fault), fault.status, "proxy")
    assert (exchange.response_kind, exchange.actual) == (ResponseKind.TRANSPORT, Actual.FAILED)
    assert (exchange.outcome, exchange.fault) == (Outcome.UPSTREAM_ERROR, fault.reason)


def test_a_busy_vendor_was_not_asked() -> None:
    house = House(plans())
    exchange = house.close(house.gate.refuse(house.ask("GET", LOG), errors.BUSY), 503, "proxy")
    assert (exchange.response_kind, exchange.actual, exchange.outcome) == (ResponseKind.NONE, Actual.NOT_SENT, Outcome.UPSTREAM_ERROR)


def test_an_answer_that_ended_early_is_a_failure_and_teaches_nothing() -> None:
    house = House(plans())
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, fault="response_truncated", response_body=LACKING)
    assert (exchange.response_kind, exchange.actual, exchange.outcome) == (ResponseKind.TRANSPORT, Actual.FAILED, Outcome.UPSTREAM_ERROR)
    assert known(house) is None


@pytest.mark.parametrize("status", [200, 403])
def test_a_client_that_left_teaches_nothing(status: int) -> None:
    house = House(plans())
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), status, fault="client_gone", response_body=LACKING)
    assert (exchange.fault, exchange.outcome) == ("client_gone", Outcome.FORWARDED)
    assert exchange.response_kind is (ResponseKind.OK if status == 200 else ResponseKind.OTHER_4XX)
    assert known(house) is None


# --- what it taught --------------------------------------------------------------------------------------


def login(house: House, token: str = TOKEN, **more: Any) -> Exchange:
    ruling = house.ask("POST", LOGIN, Content_Type="application/x-www-form-urlencoded")
    answer = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "scope": "ReadCallLog OldCallLog ReadAccounts"}
    bodies: dict[str, Any] = {"request_body": urlencode({"grant_type": "password"}).encode(), "response_body": json.dumps(answer).encode()}
    return house.close(ruling, **(bodies | more))


def test_a_login_teaches_the_scopes_of_the_token_inside() -> None:
    house = House(plans())
    assert login(house).actual is Actual.ACCEPTED
    assert known(house) == Grants(scopes=frozenset({"ReadCallLog", "ReadAccounts"}), complete=True)
    assert known(house, token="other") is None


def test_compressed_bodies_are_read_within_a_bound() -> None:
    answer = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "ReadCallLog"}
    house = House(plans())
    login(house, response_body=gzip.compress(json.dumps(answer).encode()), content_encoding=b" GZIP ")
    assert known(house) is not None
    bomb = House(plans())
    padded = json.dumps(answer).encode() + b" " * BIG_BODY
    login(bomb, response_body=gzip.compress(padded), content_encoding=b"gzip")
    assert known(bomb) is None


def test_a_compressed_form_is_read_too() -> None:
    house = House(plans())
    head = make_head(Content_Type="application/x-www-form-urlencoded", Content_Encoding="gzip")
    ruling = house.ask("POST", LOGIN, head)
    answer = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "A"}
    form = gzip.compress(b"grant_type=password")
    house.close(ruling, request_body=form, response_body=json.dumps(answer).encode())
    assert known(house) == Grants(scopes=frozenset({"A"}), complete=True)


def test_a_refusal_teaches_a_lack_of_the_requests_own_token() -> None:
    house = House(plans())
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, response_body=LACKING)
    assert (exchange.response_kind, exchange.actual) == (ResponseKind.PERMISSION, Actual.REFUSED_PERMISSION)
    assert known(house) == Grants(lacking=frozenset({Lack("ReadCallLog")}))


def test_a_refusal_without_a_token_teaches_nothing() -> None:
    house = House(plans())
    house.close(house.ask("GET", LOG), 403, response_body=LACKING)
    assert list(house.stores["rc"].items()) == []


def test_a_success_teaches_what_the_operation_needs() -> None:
    house = House(plans())
    house.close(house.ask("GET", LOG, token=TOKEN))
    assert known(house) == Grants(scopes=frozenset({"ReadCallLog"}))
    ((_, entry),) = house.stores["rc"].items()
    assert entry.source is Source.SUCCESS


def test_a_success_on_one_pbx_teaches_about_that_one() -> None:
    house = House(plans())
    house.close(house.ask("GET", RECORDS + "?pbxId=north", token=TOKEN))
    assert known(house, "8x8") == Grants(bound=frozenset({("CDR", "pbx:north")}))
    house.close(house.ask("GET", RECORDS + "?pbxId=south", token=TOKEN), 400, response_body=refusal_of_8x8("south"))
    grants = known(house, "8x8")
    assert grants is not None
    assert grants.lacking == frozenset({Lack("CDR", frozenset({"pbx:south"}))})


@pytest.mark.parametrize("status", [207, 302, 404, 500])
def test_only_a_plain_success_proves_anything(status: int) -> None:
    house = House(plans())
    house.close(house.ask("GET", LOG, token=TOKEN), status)
    assert known(house) is None


def test_a_success_of_nobody_or_while_off_proves_nothing() -> None:
    house, off = House(plans()), House(plans(mode=Mode.OFF))
    house.close(house.ask("GET", LOG))
    off.close(off.ask("GET", LOG, token=TOKEN))
    assert [list(store.items()) for store in (house.stores["rc"], off.stores["rc"])] == [[], []]


def test_a_wrong_denial_is_not_made_twice() -> None:
    house = House(plans(mode=Mode.SHADOW))
    house.hold(TOKEN)
    house.close(house.ask("GET", LOG, token=TOKEN))
    assert house.ask("GET", LOG, token=TOKEN).decision is Decision.PERMIT


def test_a_refusal_after_a_permit_takes_the_scope_away() -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadCallRecording")
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, response_body=LACKING)
    assert (exchange.predicted, exchange.actual) == (Predicted.PERMIT, Actual.REFUSED_PERMISSION)
    assert house.ask("GET", LOG, token=TOKEN).decision is Decision.DENY


def test_a_local_answer_teaches_nothing() -> None:
    house = House(plans())
    house.close(house.ask("GET", LOG, token=TOKEN), 403, "proxy", response_body=LACKING)
    assert known(house) is None


# --- what is read of an answer ---------------------------------------------------------------------------


def test_refusals_and_logins_are_read() -> None:
    house = House(plans())
    assert [house.closer.reads_answer(house.ask("GET", LOG), status) for status in (200, 403, 404)] == [False, True, False]
    assert house.closer.reads_answer(house.ask("POST", LOGIN), 200)


# --- scratch space of the recorders ----------------------------------------------------------------------


def test_scratch_space_is_shared_by_the_same_outcome_of_the_same_request_alone() -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadCallLog")
    head = make_head(TOKEN)
    head.repeats = True
    house.ask("GET", LOG, head)
    first, second, other, failed = (house.close(house.ask("GET", LOG, head), status) for status in (200, 200, 201, 500))
    assert first.memo is second.memo is not None
    assert other.memo is not first.memo
    assert failed.memo is None


def test_a_kept_denial_has_scratch_space_unless_something_went_wrong() -> None:
    house = House(plans())
    house.hold(TOKEN)
    assert house.close(house.ask("GET", LOG, token=TOKEN), 403, "proxy").memo is None
    assert house.close(house.ask("GET", LOG, token=TOKEN), 403, "proxy").memo is not None
    assert house.close(house.ask("GET", LOG, token=TOKEN), 403, "proxy", fault="client_gone").memo is None


def test_results_hold_no_body_unless_one_was_taken() -> None:
    assert (Result(200, "vendor").request_body, Result(200, "vendor").response_body) == (None, None)
