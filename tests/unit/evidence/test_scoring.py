"""The truth table: what was predicted, what the vendor answered, and what comparing them comes to."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.credentials import Secret
from proxy.evidence.scoring import NOT_SCORED, Cause, Score, Scored, score
from proxy.grants import NEVER, Knowledge, LackRecord
from proxy.model import Deny, Grants, Lack, Mode, Source
from proxy.telemetry.exchange import Exchange
from proxy.vendors.facts import Lacks
from tests.gates import FINGERPRINTER, WALL, House, client, plans, refusal_of_8x8, refusal_of_ringcentral

LOG = "/rc/restapi/v1.0/account/~/call-log"
RECORDING = "/rc/restapi/v1.0/account/~/recording/1"
RECORDS = "/8x8/analytics/v2/call-records?pbxId=acme"
TOKEN = "the-token"
LACKING = refusal_of_ringcentral("ReadCallLog")
USER_LACKS = b'{"errorCode":"CMN-408","message":"m","errors":[{"errorCode":"CMN-408","message":"m"}]}'

ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "200": (200, {}),
    "201": (201, {}),
    "204": (204, {}),
    "207": (207, {}),
    "302": (302, {}),
    "304": (304, {}),
    "400": (400, {"response_body": b"{}"}),
    "401": (401, {"response_body": b"{}"}),
    "403 about the scope": (403, {"response_body": LACKING}),
    "403 about a user": (403, {"response_body": USER_LACKS}),
    "403 of a firewall": (403, {"response_body": b"<html>"}),
    "404": (404, {}),
    "412": (412, {}),
    "429": (429, {}),
    "500": (500, {}),
    "200 broken off": (200, {"fault": "upstream_broke_off"}),
    "no answer": (502, {"answered_by": "proxy", "fault": "upstream_unreachable"}),
}


def shadow(*scopes: str, presume: bool = True) -> House:
    house = House(plans(mode=Mode.SHADOW, presume=presume))
    house.hold(TOKEN, *scopes)
    return house


def exchange(house: House, status: int, target: str = LOG, method: str = "GET", **more: Any) -> Exchange:
    return house.close(house.ask(method, target, token=TOKEN), status, **more)


def told(scored: Scored) -> str:
    return scored.score if scored.cause is Cause.NONE else f"{scored.score} ({scored.cause})"


COMPARABLE_TO_NOTHING = {
    "207": "partial",
    "302": "redirect",
    "304": "redirect",
    "400": "other_refusal",
    "401": "auth",
    "403 about a user": "other_permission",
    "403 of a firewall": "other_refusal",
    "404": "other_refusal",
    "412": "other_refusal",
    "429": "rate_limit",
    "500": "server_error",
    "200 broken off": "broken_off",
    "no answer": "broken_off",
}
ACCEPTED = ("200", "201", "204")


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    ("held", "accepted", "refused"),
    [((), "false_denial", "correct_denial"), (("ReadCallLog",), "correct_permit", "missed_denial")],
    ids=["predicted deny", "predicted permit"],
)
def test_what_was_predicted_meets_what_was_answered(held: tuple[str, ...], accepted: str, refused: str, answer: str) -> None:
    status, more = ANSWERS[answer]
    expected = f"not_comparable ({COMPARABLE_TO_NOTHING[answer]})" if answer in COMPARABLE_TO_NOTHING else refused
    assert told(score(exchange(shadow(*held), status, **more))) == (accepted if answer in ACCEPTED else expected)


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_was_not_known_is_at_most_unforeseen(answer: str) -> None:
    status, more = ANSWERS[answer]
    scored = score(exchange(House(plans(mode=Mode.SHADOW)), status, **more))
    assert scored == (Scored(Score.UNFORESEEN) if answer == "403 about the scope" else NOT_SCORED)


@pytest.mark.parametrize("target", ["/rc/restapi/v1.0/status", "/rc/no/such/operation"])
@pytest.mark.parametrize("answer", ["200", "403 about the scope"])
def test_what_nobody_can_deny_is_not_scored(target: str, answer: str) -> None:
    status, more = ANSWERS[answer]
    assert score(exchange(shadow(), status, target, **more)) == NOT_SCORED


def test_mode_off_and_local_answers_are_not_scored() -> None:
    assert score(exchange(House(plans(mode=Mode.OFF)), 200)) == NOT_SCORED
    house = House(plans())
    house.hold(TOKEN)
    assert score(exchange(house, 403, answered_by="proxy")) == NOT_SCORED


def test_a_missed_denial_that_rested_on_implied_scopes_says_so() -> None:
    assert told(score(exchange(shadow("ReadCallRecording"), 403, response_body=LACKING))) == "missed_denial (presumed)"


def test_any_scope_predicted_to_be_lacking_confirms_a_denial() -> None:
    for scope in ("ReadCallLog", "ReadCallRecording"):
        scored = score(exchange(shadow(), 403, RECORDING, response_body=refusal_of_ringcentral(scope)))
        assert scored == Scored(Score.CORRECT_DENIAL)


def test_another_scope_than_predicted_confirms_nothing() -> None:
    scored = score(exchange(shadow("ReadCallLog"), 403, RECORDING, response_body=refusal_of_ringcentral("EditAccounts")))
    assert told(scored) == "not_comparable (other_scope)"


def test_any_refusal_confirms_a_learned_one_of_an_operation_whose_requirement_is_not_known() -> None:
    house = shadow()
    house.know("rc", TOKEN, Grants(lacking=frozenset({Lack("operation:readMystery")})))
    scored = score(exchange(house, 403, "/rc/restapi/v1.0/mystery", response_body=refusal_of_ringcentral("Whatever")))
    assert scored == Scored(Score.CORRECT_DENIAL)


@pytest.mark.parametrize(
    ("named", "expected"), [("CDR", "correct_denial"), ("*", "correct_denial"), ("VO", "not_comparable (other_scope)")]
)
def test_a_refusal_of_the_whole_resource_confirms_a_denial_on_it(named: str, expected: str) -> None:
    house = House(plans(mode=Mode.SHADOW))
    house.know("8x8", TOKEN, Grants(complete_for=frozenset({"pbx:acme"})))
    found = exchange(house, 400, RECORDS, response_body=refusal_of_8x8("acme"))
    assert found.refused_for == "CDR"
    assert told(score(found._replace(refused_for=named))) == expected


# --- what changed in the meantime ------------------------------------------------------------------------


def test_a_login_between_decision_and_answer_overtakes_the_decision() -> None:
    house = shadow()
    ruling = house.ask("GET", LOG, token=TOKEN)
    house.hold(TOKEN, "ReadCallLog")
    assert told(score(house.close(ruling, 200))) == "not_comparable (overtaken)"


def test_a_token_that_was_forgotten_meanwhile_overtakes_the_decision() -> None:
    house = shadow()
    ruling = house.ask("GET", LOG, token=TOKEN)
    house.stores["rc"].clear()
    assert told(score(house.close(ruling, 200))) == "not_comparable (overtaken)"


def test_news_that_would_deny_as_well_overtake_nothing() -> None:
    house = shadow()
    ruling = house.ask("GET", LOG, token=TOKEN)
    house.hold(TOKEN, "ReadAccounts")
    assert score(house.close(ruling, 200)) == Scored(Score.FALSE_DENIAL)


def test_of_two_requests_at_a_time_one_proves_the_denial_false() -> None:
    house = shadow()
    rulings = [house.ask("GET", LOG, token=TOKEN) for _ in range(2)]
    assert [told(score(house.close(ruling, 200))) for ruling in rulings] == ["false_denial", "not_comparable (overtaken)"]


def know_lack(house: House, vendor: str, lack: Lack, *, changeable: bool) -> None:
    record = LackRecord(lack, WALL, NEVER, changeable, recheck=NEVER)
    knowledge = Knowledge(Grants(), Source.REFUSAL, WALL, NEVER, "ann").with_lack(record)
    house.stores[vendor].put(FINGERPRINTER(vendor, Secret(TOKEN)), knowledge)


def test_a_right_that_an_administrator_may_have_granted_was_not_denied_falsely() -> None:
    house = House(plans(mode=Mode.SHADOW))
    know_lack(house, "8x8", Lack("CDR", frozenset({"pbx:acme"})), changeable=True)
    found = exchange(house, 200, RECORDS)
    assert isinstance(found.prediction, Deny)
    assert told(score(found)) == "not_comparable (account_corrected)"


def test_a_right_that_nobody_can_have_granted_was() -> None:
    house = House(plans(mode=Mode.SHADOW))
    know_lack(house, "rc", Lack("ReadCallLog"), changeable=False)
    assert score(exchange(house, 200)) == Scored(Score.FALSE_DENIAL)


def test_part_of_what_was_lacking_being_grantable_excuses_nothing() -> None:
    house = House(plans(mode=Mode.SHADOW))
    know_lack(house, "8x8", Lack("CDR", frozenset({"pbx:acme"})), changeable=True)
    known = house.stores["8x8"].get(FINGERPRINTER("8x8", Secret(TOKEN)), 0.0)
    assert known is not None
    fixed = LackRecord(Lack("ADMIN", frozenset({"pbx:acme"})), WALL, NEVER)
    house.stores["8x8"].put(FINGERPRINTER("8x8", Secret(TOKEN)), known.with_lack(fixed))
    assert score(exchange(house, 200, RECORDS, "DELETE")) == Scored(Score.FALSE_DENIAL)


@pytest.mark.parametrize("status", [200, 400])
def test_a_recheck_asks_for_news_and_scores_nothing(status: int) -> None:
    house = House(plans())
    house.learners["8x8"].apply(
        Lacks(Lack("CDR", frozenset({"pbx:acme"})), changeable=True), FINGERPRINTER("8x8", Secret(TOKEN)), house.clock.moment()
    )
    house.clock.moved += 60.0
    body = None if status == 200 else refusal_of_8x8("acme")
    found = exchange(house, status, RECORDS, response_body=body)
    assert found.decision == "indeterminate"
    assert score(found) == NOT_SCORED


# --- policy ---------------------------------------------------------------------------------------------


def test_policy_is_no_prediction() -> None:
    house = House(plans(mode=Mode.SHADOW), [client("app")])
    house.hold(TOKEN, "ReadCallLog")
    found = exchange(house, 200)  # nobody's key: policy would refuse, and the prediction was right
    assert found.decision == "would-deny"
    assert score(found) == Scored(Score.CORRECT_PERMIT)
