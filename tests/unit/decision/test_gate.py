"""What the gate decides and answers: contract sections 3, 4 and 6, one request at a time."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from proxy import errors
from proxy.catalogs.catalog import Match
from proxy.credentials import Secret
from proxy.decision.repeats import KeptRulings, has_no_say
from proxy.decision.ruling import Ruling
from proxy.model import Deny, Grants, Indeterminate, Lack, Mode, Named, NotApplicable, OnUnknown, Permit, Reason, Source, Unbounded
from proxy.policy.rules import Rules
from proxy.telemetry.exchange import CacheResult, Decision, Outcome
from proxy.vendors.facts import Lacks
from proxy.vendors.refusals import Denial, Refusal
from proxy.vendors.ringcentral import RingCentral
from proxy.vendors.seen import EVERY_BODY, NO_WATCH
from tests.gates import (
    FINGERPRINTER,
    WALL,
    House,
    MountPlan,
    body_of,
    client,
    fields_of,
    jwt,
    make_head,
    plans,
    refusal_of_8x8,
    ringcentral_catalog,
)

LOG = "/rc/restapi/v1.0/account/~/call-log"
RECORDS = "/8x8/analytics/v2/call-records"
TOKEN = "the-token"
DENY_UNKNOWN_TOKEN = Rules(on_unknown_token=OnUnknown.DENY)


def told(ruling: Ruling) -> tuple[Decision, Outcome, int | None]:
    return ruling.decision, ruling.outcome, ruling.answer.status if ruling.answer is not None else None


FORWARDED = Outcome.FORWARDED, None
DENIED = Decision.DENY, Outcome.DENIED, 403

# --- predictions become answers --------------------------------------------------------------------------


def test_what_is_held_is_forwarded() -> None:
    house = House(plans())
    fingerprint = house.hold(TOKEN, "ReadCallLog")
    ruling = house.ask("GET", LOG + "?page=2", token=TOKEN)
    assert told(ruling) == (Decision.PERMIT, *FORWARDED)
    assert isinstance(ruling.prediction, Permit)
    assert (ruling.fingerprint, ruling.cache) == (fingerprint, CacheResult.HIT)
    assert ruling.target is not None
    assert ruling.target.raw() == "/restapi/v1.0/account/~/call-log?page=2"
    assert (ruling.evidence.source, ruling.evidence.observed_at) == (Source.TOKEN_RESPONSE, WALL)


def test_an_implied_scope_is_presumed_unless_scopes_are_read_to_the_letter() -> None:
    trusting, literal = House(plans()), House(plans(presume=False))
    for house in (trusting, literal):
        house.hold(TOKEN, "ReadCallRecording")
    assert told(trusting.ask("GET", LOG, token=TOKEN)) == (Decision.PERMIT, *FORWARDED)
    assert told(literal.ask("GET", LOG, token=TOKEN)) == DENIED


@pytest.mark.parametrize("path", [LOG + "/", LOG.replace("call-log", "Call-Log"), "/rc/RestAPI/v1.0/account/~/call-log/?page=2"])
def test_another_spelling_of_a_known_path_is_refused_for_everybody_and_only_noted_in_shadow(path: str) -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadCallLog")
    for token in (TOKEN, "", "unknown"):
        ruling = house.ask("GET", path, token=token)
        assert (ruling.fault, ruling.outcome, body_of(ruling)["status"]) == ("ambiguous_path", Outcome.BAD_REQUEST, 400)
        assert "/restapi/v1.0/account/{accountId}/call-log" in body_of(ruling)["detail"]
    assert house.ask("PUT", path, token=TOKEN).answer is None
    shadow, off = House(plans(mode=Mode.SHADOW)), House(plans(mode=Mode.OFF))
    assert (shadow.ask("GET", path).answer, shadow.ask("GET", path).fault) == (None, "ambiguous_path")
    assert (off.ask("GET", path).answer, off.ask("GET", path).fault) == (None, "")
    policed = House(plans(mode=Mode.SHADOW), clients=[client("app")])
    assert policed.ask("GET", path, key="key-of-app").decision is Decision.NOT_APPLICABLE


def test_the_spelling_counts_for_the_method_that_the_vendor_acts_on() -> None:
    house = House(plans())
    assert house.ask("POST", LOG + "/", X_HTTP_Method_Override="PUT").answer is None
    assert house.ask("POST", LOG + "/", X_HTTP_Method_Override="DELETE").fault == "ambiguous_path"


def test_doubt_is_forwarded() -> None:
    house = House(plans())
    for token in ("", TOKEN):
        ruling = house.ask("GET", LOG, token=token)
        assert told(ruling) == (Decision.INDETERMINATE, *FORWARDED)
        assert ruling.cache is (CacheResult.MISS if token else CacheResult.NONE)
        assert ruling.evidence.source is Source.NONE


def test_what_is_not_catalogued_is_forwarded() -> None:
    house = House(plans())
    ruling = house.ask("GET", "/rc/no/such", token=TOKEN)
    assert told(ruling) == (Decision.NOT_APPLICABLE, *FORWARDED)
    assert isinstance(ruling.prediction, NotApplicable)


def test_a_verdict_that_needs_no_knowledge_has_no_evidence() -> None:
    house = House(plans())
    house.hold(TOKEN)
    ruling = house.ask("GET", "/rc/restapi/v1.0/status", token=TOKEN)
    assert told(ruling) == (Decision.PERMIT, *FORWARDED)
    assert ruling.evidence.source is Source.NONE


def test_login_bodies_are_watched() -> None:
    house = House(plans())
    assert house.ask("POST", "/rc/restapi/oauth/token").watch == EVERY_BODY
    assert house.ask("GET", LOG).watch == NO_WATCH


# --- the local refusal, field by field -------------------------------------------------------------------


def test_every_member_of_a_refusal() -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadAccounts")
    ruling = house.ask("GET", LOG, token=TOKEN)
    assert told(ruling) == DENIED
    body = body_of(ruling)
    message = "In order to call this API endpoint, application needs to have [ReadCallLog] permission"
    assert list(body) == ["errorCode", "message", "errors", "permissionName", "scopegate"]
    assert body["errors"] == [{"errorCode": "CMN-401", "message": message, "permissionName": "ReadCallLog"}]
    member = body["scopegate"]
    explanation = member.pop("explanation")
    assert member == {
        "decision_id": ruling.decision_id,
        "vendor": "rc",
        "operation": "readCallLog",
        "method": "GET",
        "route": "/restapi/v1.0/account/{accountId}/call-log",
        "reason": "missing_scope",
        "required": [["ReadCallLog"]],
        "held": ["ReadAccounts"],
        "missing": [["ReadCallLog"]],
        "evidence": {"source": "token_response", "observed_at": "2026-11-21T20:00:00Z"},
        "remediation": ["Add it."],
        "documentation": ["https://docs.example/log"],
    }
    assert "needs ReadCallLog" in explanation
    assert "The token of ann lacks ReadCallLog; it holds ReadAccounts." in explanation


def test_every_header_of_a_refusal() -> None:
    house = House(plans())
    house.hold(TOKEN)
    ruling = house.ask("DELETE", LOG, token=TOKEN, X_Request_ID="mine")
    assert fields_of(ruling) == {
        "Scopegate-Answered-By": "proxy",
        "Scopegate-Decision": "deny",
        "Scopegate-Decision-Id": ruling.decision_id,
        "X-Request-ID": "mine",
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Scopegate-Reason": "missing_scope",
        "WWW-Authenticate": 'Bearer realm="rc", error="insufficient_scope", scope="EditAccounts"',
    }
    assert body_of(ruling)["scopegate"]["missing"] == [["EditAccounts"], ["EditCallLog", "ReadCallLog"]]
    assert (ruling.reason, ruling.missing) == (Reason.MISSING_SCOPE, (("EditAccounts",), ("EditCallLog", "ReadCallLog")))


def test_ids_are_ulids_and_a_request_without_an_id_gets_the_decisions() -> None:
    house = House(plans())
    first, second = house.ask("GET", LOG), house.ask("GET", LOG)
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", first.decision_id)
    assert first.decision_id < second.decision_id
    assert first.request_id == first.decision_id


def test_head_is_judged_as_get_and_named_as_head() -> None:
    house = House(plans())
    house.hold(TOKEN)
    for method in ("HEAD", "GET", "HEAD"):
        ruling = house.ask(method, LOG, token=TOKEN)
        assert told(ruling) == DENIED
        member = body_of(ruling)["scopegate"]
        assert (member["method"], member["operation"]) == (method, "readCallLog")
        assert f"{method} /restapi" in member["explanation"]


def test_8x8_names_user_and_pbx_and_when_it_will_be_tried_again() -> None:
    house = House(plans())
    house.know("8x8", TOKEN, Grants(complete_for=frozenset({"pbx:north"})), Source.CONFIGURED)
    ruling = house.ask("GET", RECORDS + "?pbxId=north", token=TOKEN)
    assert told(ruling) == (Decision.DENY, Outcome.DENIED, 400)
    body = body_of(ruling)
    assert body["code"] == "105-400-038"
    assert body["message"] == "user(ann) does not have access to api category(CDR) for pbxId([north])."
    assert body["scopegate"]["reason"] == "missing_licence_or_access_level"
    assert ruling.resources == Named(frozenset({"pbx:north"}))
    assert "lets one such" not in body["scopegate"]["explanation"]


def test_a_name_in_the_request_cannot_take_the_place_of_the_decision_id() -> None:
    house = House(plans())
    name = "\ue000decision-id\ue000"
    house.know("8x8", TOKEN, Grants(complete_for=frozenset({f"pbx:{name}"})), Source.CONFIGURED)
    ruling = house.ask("GET", RECORDS + "?pbxId=%EE%80%80decision-id%EE%80%80", token=TOKEN)
    assert ruling.decision is Decision.DENY
    assert body_of(ruling)["scopegate"]["decision_id"] == ruling.decision_id
    assert name in body_of(ruling)["message"]


# --- methods ---------------------------------------------------------------------------------------------


def test_the_effective_method_counts() -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadCallLog")
    for ruling in (
        house.ask("POST", LOG, token=TOKEN, X_HTTP_Method_Override="DELETE"),
        house.ask("POST", LOG + "?_method=DELETE", token=TOKEN),
    ):
        assert told(ruling) == DENIED
        assert (ruling.effective_method, ruling.method) == ("DELETE", "POST")
        assert body_of(ruling)["scopegate"]["operation"] == "deleteCallLog"
    assert told(house.ask("POST", LOG + "?_method=GET", token=TOKEN)) == (Decision.PERMIT, *FORWARDED)


@pytest.mark.parametrize("mode", Mode)
def test_contradictory_methods_are_never_sent(mode: Mode) -> None:
    ruling = House(plans(mode=mode)).ask("POST", LOG + "?_method=GET", token=TOKEN, X_HTTP_Method_Override="DELETE")
    assert (ruling.outcome, ruling.fault, fields_of(ruling)["Scopegate-Reason"]) == (
        Outcome.BAD_REQUEST,
        "method_override",
        "method_override",
    )


# --- modes -----------------------------------------------------------------------------------------------


def test_shadow_forwards_and_says_what_it_would_have_done() -> None:
    house = House(plans(mode=Mode.SHADOW))
    house.hold(TOKEN)
    ruling = house.ask("GET", LOG, token=TOKEN)
    assert told(ruling) == (Decision.WOULD_DENY, Outcome.WOULD_DENY, None)
    assert (ruling.reason, ruling.missing) == (Reason.MISSING_SCOPE, (("ReadCallLog",),))
    assert b"Scopegate-Decision: would-deny\r\n" in ruling.stamp(b"vendor")


def test_off_forwards_without_deciding() -> None:
    house = House(plans(mode=Mode.OFF), [client("app")])
    house.hold(TOKEN)
    ruling = house.ask("GET", LOG, token=TOKEN)
    assert told(ruling) == (Decision.OFF, *FORWARDED)
    assert ruling.prediction is None


def test_off_still_knows_which_resources_an_answer_is_about() -> None:
    ruling = House(plans(mode=Mode.OFF)).ask("GET", RECORDS + "?pbxId=north", token=TOKEN)
    assert ruling.resources == Named(frozenset({"pbx:north"}))
    assert House(plans(mode=Mode.OFF)).ask("GET", RECORDS, token=TOKEN).resources == Unbounded()


@pytest.mark.parametrize(
    ("of_vendor", "of_client", "decision"),
    [
        (Mode.ENFORCE, None, Decision.DENY),
        (Mode.ENFORCE, Mode.SHADOW, Decision.WOULD_DENY),
        (Mode.ENFORCE, Mode.OFF, Decision.OFF),
        (Mode.SHADOW, Mode.ENFORCE, Decision.DENY),
        (Mode.OFF, Mode.ENFORCE, Decision.DENY),
        (Mode.OFF, None, Decision.OFF),
    ],
)
def test_the_clients_mode_outranks_the_vendors(of_vendor: Mode, of_client: Mode | None, decision: Decision) -> None:
    house = House(plans(mode=of_vendor), [client("app", of_client), client("other")])
    house.hold(TOKEN)
    ruling = house.ask("GET", LOG, token=TOKEN, key="key-of-app")
    assert (ruling.decision, ruling.client.name) == (decision, "app")


# --- policy ----------------------------------------------------------------------------------------------


def assert_policy(ruling: Ruling, reason: Reason) -> dict[str, Any]:
    assert told(ruling) == DENIED
    assert ruling.reason is reason
    body = body_of(ruling)
    fields = fields_of(ruling)
    assert fields["Scopegate-Reason"] == body["scopegate"]["reason"] == reason.value
    assert fields["WWW-Authenticate"] == f'Bearer realm="{body["scopegate"]["vendor"]}", error="insufficient_scope"'
    assert "SCG-POLICY" in (body.get("errorCode"), body.get("code"))
    assert body["scopegate"]["missing"] == []
    return body


@pytest.mark.parametrize("key", ["", "key-of-nobody"])
def test_a_stranger_is_refused_even_where_the_vendor_would_say_yes(key: str) -> None:
    house = House(plans(), [client("app")])
    house.hold(TOKEN, "ReadCallLog")
    body = assert_policy(house.ask("GET", LOG, token=TOKEN, key=key), Reason.POLICY)
    assert body["errors"][0]["errorCode"] == "SCG-POLICY"
    assert body["scopegate"]["held"] == ["ReadCallLog"]


def test_a_stranger_is_told_of_the_vendors_refusal_neither() -> None:
    house = House(plans(), [client("app")])
    house.hold(TOKEN)
    for _ in range(2):
        assert house.ask("GET", LOG, token=TOKEN, key="key-of-app").reason is Reason.MISSING_SCOPE
        assert_policy(house.ask("GET", LOG, token=TOKEN), Reason.POLICY)


def test_unknown_operations_may_be_refused() -> None:
    house = House(plans(rules=Rules(on_unknown_operation=OnUnknown.DENY)))
    for target in ("/rc/no/such", "/8x8/no/such"):
        body = assert_policy(house.ask("GET", target, token=TOKEN), Reason.UNKNOWN_OPERATION)
        assert (body["scopegate"]["operation"], body["scopegate"]["route"], body["scopegate"]["required"]) == (None, None, [])
    assert house.ask("GET", LOG, token=TOKEN).answer is None


def test_unknown_tokens_may_be_refused_but_not_logins() -> None:
    house = House(plans(rules=DENY_UNKNOWN_TOKEN))
    house.hold("known", "ReadCallLog")
    for token in (TOKEN, ""):
        assert_policy(house.ask("GET", LOG, token=token), Reason.UNKNOWN_TOKEN)
    assert house.ask("GET", LOG, token="known").answer is None
    assert house.ask("POST", "/rc/restapi/oauth/token").answer is None


def test_what_a_token_says_of_itself_refuses_but_allows_nothing() -> None:
    good, poor = jwt({"scope": "read"}), jwt({"scope": "other"})
    house = House(plans())
    assert told(house.ask("GET", "/things", token=good, host="gen.test")) == (Decision.PERMIT, *FORWARDED)
    assert told(house.ask("GET", "/things", token=poor, host="gen.test")) == DENIED
    strict = House(plans(rules=DENY_UNKNOWN_TOKEN))
    for _ in range(2):
        assert_policy(strict.ask("GET", "/things", token=good, host="gen.test"), Reason.UNKNOWN_TOKEN)


def test_policy_in_shadow_forwards() -> None:
    ruling = House(plans(mode=Mode.SHADOW), [client("app")]).ask("GET", LOG, token=TOKEN)
    assert told(ruling) == (Decision.WOULD_DENY, Outcome.WOULD_DENY, None)
    assert ruling.reason is Reason.POLICY


# --- a changeable lack is tried again --------------------------------------------------------------------


def house_with_a_lack() -> House:
    house = House(plans())
    lack = Lacks(Lack("CDR", frozenset({"pbx:north"})), changeable=True)
    house.learners["8x8"].apply(lack, FINGERPRINTER("8x8", Secret(TOKEN)), house.clock.moment())
    return house


def test_one_safe_request_is_let_through_when_it_is_time() -> None:
    house = house_with_a_lack()
    target = RECORDS + "?pbxId=north"
    early = house.ask("GET", target, token=TOKEN)
    assert told(early) == (Decision.DENY, Outcome.DENIED, 400)
    assert "From 2026-11-21T20:17:40Z on" in body_of(early)["scopegate"]["explanation"]
    house.clock.moved += 60
    assert house.ask("DELETE", target, token=TOKEN).answer is not None
    ruling = house.ask("GET", target, token=TOKEN)
    assert told(ruling) == (Decision.INDETERMINATE, *FORWARDED)
    assert isinstance(ruling.prediction, Indeterminate)
    assert (ruling.reason, ruling.missing, ruling.evidence.source) == ("", (), Source.NONE)
    assert house.ask("GET", target, token=TOKEN).answer is not None
    house.clock.moved += 60
    assert house.ask("HEAD", target, token=TOKEN).answer is None


def test_an_unsafe_request_is_told_of_no_second_try() -> None:
    ruling = house_with_a_lack().ask("DELETE", RECORDS + "?pbxId=north", token=TOKEN)
    assert ruling.decision is Decision.DENY
    assert "lets one such" not in body_of(ruling)["scopegate"]["explanation"]


def test_shadow_needs_no_second_try() -> None:
    house = house_with_a_lack()
    house.plans[1].mode = Mode.SHADOW
    house = House(house.plans, stores=house.stores, clock=house.clock)
    house.clock.moved += 60
    assert house.ask("GET", RECORDS + "?pbxId=north", token=TOKEN).decision is Decision.WOULD_DENY


def test_nothing_is_ever_tried_again_that_only_a_login_changes() -> None:
    house = House(plans())
    house.hold(TOKEN)
    house.clock.moved = 1e9
    assert house.ask("GET", LOG, token=TOKEN).answer is not None


# --- what is kept for the next request -------------------------------------------------------------------


def test_a_kept_refusal_has_its_own_ids_and_the_same_words() -> None:
    house = House(plans())
    house.hold(TOKEN)
    head = make_head(token=TOKEN)
    rulings = []
    for _ in range(4):
        rulings.append(house.ask("GET", LOG, head))
        head.repeats = True
    assert len({body_of(ruling)["scopegate"]["decision_id"] for ruling in rulings}) == 4
    assert all(body_of(ruling)["scopegate"]["decision_id"] == fields_of(ruling)["Scopegate-Decision-Id"] for ruling in rulings)
    answers = {ruling.answer.body.replace(ruling.decision_id.encode(), b"") for ruling in rulings if ruling.answer is not None}
    assert len(answers) == 1


def test_a_kept_refusal_ends_with_what_it_rests_on() -> None:
    house = House(plans())
    house.hold(TOKEN)
    head = make_head(token=TOKEN)
    head.repeats = True
    assert house.ask("GET", LOG, head).answer is not None
    assert house.ask("GET", LOG, head).answer is not None
    house.hold(TOKEN, "ReadCallLog")
    assert house.ask("GET", LOG, head).answer is None
    assert house.ask("GET", LOG, head).answer is None
    house.hold(TOKEN)
    assert house.ask("GET", LOG, head).answer is not None
    house.stores["rc"].forget(FINGERPRINTER("rc", Secret(TOKEN)))
    assert house.ask("GET", LOG, head).decision is Decision.INDETERMINATE


def test_a_refusal_that_speaks_of_a_resource_is_not_given_for_another() -> None:
    house = House(plans())
    house.hold(TOKEN)
    for number in ("1", "2"):
        explanation = body_of(house.ask("GET", f"/rc/restapi/v1.0/extension/{number}", token=TOKEN))["scopegate"]["explanation"]
        assert f"for {number}." in explanation


class Constant(RingCentral):
    """RingCentral, whose policy refusals have nothing of the request in them either."""

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        return replace(super().write_policy_refusal(denial), constant=True)


def test_a_refusal_by_policy_is_never_kept() -> None:
    house = House([MountPlan(Constant("rc", ringcentral_catalog()), "/rc")], [client("app")])
    house.hold(TOKEN)
    for key, reason in (("", Reason.POLICY), ("key-of-app", Reason.MISSING_SCOPE), ("", Reason.POLICY)):
        ruling = house.ask("GET", LOG, token=TOKEN, key=key)
        assert (ruling.reason, body_of(ruling)["scopegate"]["reason"]) == (reason, reason.value)


def test_kept_rulings_are_bounded_and_belong_to_one_gate() -> None:
    house, other = House(plans()), House(plans())
    head = make_head()
    head.repeats = True
    first = house.ask("GET", "/rc/path/0", head)
    for number in range(100):
        house.ask("GET", f"/rc/path/{number}", head)
    assert isinstance(head.rulings, KeptRulings)
    assert len(head.rulings.by_target) <= 32
    assert other.ask("GET", "/rc/path/0", head).mount is other.gate.mounts[0]
    assert first.mount is house.gate.mounts[0]


def test_a_query_that_has_no_say_finds_the_ruling_on_its_path() -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadCallLog")
    head = make_head(TOKEN)
    head.repeats = True
    asked = [house.ask("GET", f"{LOG}?page={number}&from=10%3A00", head) for number in range(4)]
    assert isinstance(head.rulings, KeptRulings)
    assert list(head.rulings.by_target) == [("GET", LOG.encode())]
    assert [ruling.target and ruling.target.query for ruling in asked] == [f"page={number}&from=10%3A00" for number in range(4)]


@pytest.mark.parametrize("query", ["_method=GET", "%5fmethod=GET", "a=b&access_token=x", "a&access%5Ftoken=x", "x=_method", "a=\x01"])
def test_a_query_that_may_have_a_say_is_read_each_time(query: str) -> None:
    assert not has_no_say(query.encode(), ("_method", "access_token"))


def test_a_vendor_that_tells_nothing_of_queries_has_each_of_them_read() -> None:
    house = House(plans())
    house.hold(TOKEN, "ReadCallLog")
    vendor: Any = house.gate.mounts[0].vendor
    vendor.heeded = None
    head = make_head(TOKEN)
    head.repeats = True
    for number in range(3):
        house.ask("GET", f"{LOG}?page={number}", head)
    assert isinstance(head.rulings, KeptRulings)
    assert len(head.rulings.by_target) == 3


def test_two_apps_that_share_a_token_share_no_scratch_space() -> None:
    house = House(plans(), [client("one"), client("two")])
    house.hold(TOKEN)
    memos = [house.ask("GET", LOG, token=TOKEN, key=f"key-of-{name}").memos for name in ("one", "one", "two", "two")]
    assert memos[1] is not memos[2]
    assert memos[2] is memos[3]


# --- the proxy's own faults ------------------------------------------------------------------------------


def test_a_fault_is_a_problem_document() -> None:
    house = House(plans())
    ruling = house.ask("GET", "/nowhere", token=TOKEN)
    assert told(ruling) == (Decision.NOT_APPLICABLE, Outcome.BAD_REQUEST, 404)
    assert body_of(ruling) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": errors.NO_MOUNT.detail,
        "reason": "no_such_mount",
        "decision_id": ruling.decision_id,
    }
    fields = fields_of(ruling)
    assert (fields["Content-Type"], fields["Scopegate-Reason"]) == ("application/problem+json", "no_such_mount")
    assert (fields["Scopegate-Answered-By"], fields["Cache-Control"]) == ("proxy", "no-store")
    assert "WWW-Authenticate" not in fields


@pytest.mark.parametrize(
    ("fault", "outcome", "status"),
    [
        (errors.UNREACHABLE, Outcome.UPSTREAM_ERROR, 502),
        (errors.RESPONSE_TIMEOUT, Outcome.UPSTREAM_ERROR, 504),
        (errors.BUSY, Outcome.UPSTREAM_ERROR, 503),
        (errors.INTERNAL, Outcome.INTERNAL_ERROR, 500),
        (errors.BODY_TOO_LARGE, Outcome.BAD_REQUEST, 413),
    ],
)
def test_a_fault_after_the_decision_keeps_the_decision(fault: errors.Fault, outcome: Outcome, status: int) -> None:
    house = House(plans())
    ruling = house.gate.refuse(house.ask("GET", LOG), fault)
    assert told(ruling) == (Decision.INDETERMINATE, outcome, status)
    assert ruling.fault == fault.reason
    assert ruling.answer is not None
    assert ruling.answer.close is fault.close
    assert fields_of(ruling).get("Retry-After") == ("1" if fault is errors.BUSY else None)


def test_what_could_not_be_read_is_answered_too() -> None:
    ruling = House(plans()).gate.reject(errors.HEADERS_TOO_LARGE)
    assert told(ruling) == (Decision.NOT_APPLICABLE, Outcome.BAD_REQUEST, 431)
    assert (ruling.method, ruling.head, ruling.mount, ruling.request_id) == ("", None, None, ruling.decision_id)
    assert House(plans()).gate.reject(errors.BODY_TOO_LARGE, "PUT").method == "PUT"


def test_a_token_in_two_places_is_never_sent() -> None:
    house = House(plans())
    ruling = house.ask("GET", LOG + "?access_token=other", token=TOKEN)
    assert (told(ruling), ruling.fault) == ((Decision.NOT_APPLICABLE, Outcome.BAD_REQUEST, 400), "two_credentials")
    assert house.ask("GET", LOG + f"?access_token={TOKEN}", token=TOKEN).answer is None


def test_the_refusal_of_one_vendor_teaches_the_gate() -> None:
    house = House(plans())
    target = RECORDS + "?pbxId=north"
    house.close(house.ask("GET", target, token=TOKEN), 400, response_body=refusal_of_8x8("north"))
    ruling = house.ask("GET", target, token=TOKEN)
    assert isinstance(ruling.prediction, Deny)
    assert isinstance(ruling.match, Match)
    assert (ruling.evidence.source, ruling.evidence.observed_at) == (Source.REFUSAL, house.clock.wall())
    assert house.ask("GET", RECORDS + "?pbxId=south", token=TOKEN).answer is None
    assert house.bugs == []
