"""Every documented error is known, the proxy's own answers are told apart from the vendor's, and nothing else is guessed at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.analysis.diagnosis import Diagnosis, SaidBy, diagnose
from proxy.analysis.pasting import read_pasted
from proxy.model import ErrorKind
from proxy.protocol import targets
from proxy.protocol.targets import Target
from proxy.settings import Problems, builtin_config_directory, load_catalog
from proxy.telemetry.exchange import Decision, Outcome, ResponseKind
from proxy.telemetry.json_lines import JsonLines
from proxy.vendors.base import Vendor
from proxy.vendors.refusals import METHOD_OVERRIDE
from proxy.vendors.registry import make_vendor
from proxy.vendors.seen import Seen
from tests.gates import House, client, plans
from tests.unit.telemetry.support import DENIED, FORWARDED

SAMPLES = Path(__file__).parents[2] / "samples"
MISSING_LOG = "In order to call this API endpoint, application needs to have [ReadCallLog] permission"
NO_CDR = "user(reporting@example.com) does not have access to api category(CDR) for pbxId([acmecorp])."


def vendor(kind: str) -> Vendor:
    source = load_catalog(builtin_config_directory() / "catalogs" / f"{kind}.yaml")
    assert not isinstance(source, Problems)
    return make_vendor(kind, kind, source.catalog)


VENDORS = {kind: vendor(kind) for kind in ("ringcentral", "8x8", "newvoicemedia")}


def meaning(text: str, *kinds: str) -> Diagnosis | None:
    return diagnose(read_pasted(text), [VENDORS[kind] for kind in kinds or VENDORS])


def known(text: str, *kinds: str) -> Diagnosis:
    diagnosis = meaning(text, *kinds)
    assert diagnosis is not None, text
    return diagnosis


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "kind", "error", "scope", "user", "resource"),
    [
        ("ringcentral/refusal-ReadCallLog.json", ErrorKind.APP_PERMISSION, "CMN-401", "ReadCallLog", "", ""),
        ("ringcentral/refusal-ReadCallRecording.json", ErrorKind.APP_PERMISSION, "CMN-401", "ReadCallRecording", "", ""),
        ("ringcentral/refusal-user-permission.json", ErrorKind.USER_PERMISSION, "CMN-408", "ReadCompanyCallLog", "", ""),
        ("8x8/refusal-category.json", ErrorKind.LICENCE_OR_ACCESS_LEVEL, "105-400-038", "CDR", "reporting@example.com", "acmecorp"),
        ("8x8/refusal-pbx.json", ErrorKind.USER_PERMISSION, "whole-pbx", "", "reporting@example.com", "acmecorp"),
        ("8x8/refusal-pbx-id.json", ErrorKind.USER_PERMISSION, "whole-pbx-id", "", "reporting@example.com", "Ab3xYz"),
        ("8x8/bad-api-key.json", ErrorKind.NOT_AUTHENTICATED, "SHA001", "", "", ""),
        ("8x8/bad-login.json", ErrorKind.NOT_AUTHENTICATED, "invalid_grant", "", "", ""),
        ("newvoicemedia/version-missing.json", ErrorKind.BAD_REQUEST, "version-missing", "", "", ""),
        ("newvoicemedia/unauthorized.json", ErrorKind.NOT_AUTHENTICATED, "unauthorized", "", "", ""),
    ],
)
def test_every_documented_error_is_known(name: str, kind: ErrorKind, error: str, scope: str, user: str, resource: str) -> None:
    for diagnosis in (known(sample(name)), known(sample(name), name.split("/", maxsplit=1)[0])):
        assert diagnosis.said_by is SaidBy.VENDOR
        assert (diagnosis.vendor, diagnosis.kind, diagnosis.error) == (name.split("/", maxsplit=1)[0], kind, error)
        assert (diagnosis.scope, diagnosis.user, diagnosis.resource) == (scope, user, resource)
        assert diagnosis.meaning
        assert diagnosis.whose
        assert diagnosis.remediation


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ringcentral/refusal-ReadCallLog.json", 403),
        ("ringcentral/refusal-user-permission.json", 403),
        ("8x8/refusal-category.json", 400),
        ("8x8/refusal-pbx.json", 403),
        ("8x8/refusal-pbx-id.json", 403),
        ("8x8/bad-api-key.json", 400),
        ("8x8/bad-login.json", 400),
        ("newvoicemedia/version-missing.json", 400),
        ("newvoicemedia/unauthorized.json", 401),
    ],
)
def test_traffic_and_this_table_agree_on_what_is_about_permissions(name: str, status: int) -> None:
    body, owner = sample(name), VENDORS[name.split("/", maxsplit=1)[0]]
    seen = Seen("GET", Target("/", None), None, {}, None, status, body.encode())
    about_permission = owner.classify(seen).kind is ResponseKind.PERMISSION
    permission_kinds = {ErrorKind.APP_PERMISSION, ErrorKind.USER_PERMISSION, ErrorKind.LICENCE_OR_ACCESS_LEVEL}
    assert (known(body).kind in permission_kinds) == about_permission


@pytest.mark.parametrize(
    ("text", "error", "scope"),
    [
        (MISSING_LOG, "app-permission", "ReadCallLog"),
        (f"2026-11-21 ERROR {MISSING_LOG} (gave up)", "app-permission", "ReadCallLog"),
        (f"400 Bad Request: {NO_CDR}", "category", "CDR"),
        ('{"errorCode": "InsufficientPermissions", "errors": [{"errorCode": "CMN-401"}]}', "CMN-401", ""),
        ('{"code": "105-400-038"}', "105-400-038", ""),
        ('{"errorCode": "OAU-129"}', "OAU-129", ""),
        ('{"error":"invalid_token","error_description":"Access token expired: abc"}', "invalid_token", ""),
    ],
)
def test_parts_of_an_error_are_enough(text: str, error: str, scope: str) -> None:
    diagnosis = known(text)
    assert (diagnosis.error, diagnosis.scope) == (error, scope)


def test_the_steps_for_a_scope_are_those_of_a_denial() -> None:
    steps = known(sample("ringcentral/refusal-ReadCallLog.json")).remediation
    assert steps[: len(VENDORS["ringcentral"].catalog.scope("ReadCallLog").remediation)] == (
        VENDORS["ringcentral"].catalog.scope("ReadCallLog").remediation
    )
    assert "user reporting@example.com and PBX acmecorp" in " ".join(known(sample("8x8/refusal-category.json")).remediation)


def test_an_old_name_of_a_scope_is_explained_by_the_new_one() -> None:
    assert known(MISSING_LOG.replace("ReadCallLog", "Glip")).scope == "TeamMessaging"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "403 Forbidden",
        '{"message": "Forbidden"}',
        '{"errorCode": "XYZ-999", "message": "no"}',
        f"HTTP/1.1 404 Not Found\n\n{json.dumps({'errorCode': 'CMN-401', 'message': MISSING_LOG})}",  # never documented with this status
        json.dumps({"errorCode": "XYZ-999", "message": MISSING_LOG}),  # the words of one error under the code of another
    ],
)
def test_what_is_not_known_is_not_guessed_at(text: str) -> None:
    assert meaning(text) is None


def test_another_vendors_error_is_not_known() -> None:
    assert meaning(sample("ringcentral/refusal-ReadCallLog.json"), "8x8", "newvoicemedia") is None


# --- the proxy's own --------------------------------------------------------------------------------------


def denied(house: House, target: str, token: str) -> str:
    ruling = house.ask("GET", target, token=token)
    assert ruling.answer is not None
    return ruling.answer.body.decode()


def test_a_denial_of_the_proxy_is_told_apart_from_the_vendors() -> None:
    house = House(plans())
    house.hold("t", "ReadAccounts")
    body = denied(house, "/rc/restapi/v1.0/account/~/call-log", token="t")
    diagnosis = known(body)
    assert (diagnosis.said_by, diagnosis.kind, diagnosis.error) == (SaidBy.PROXY, "denial", "missing_scope")
    assert (diagnosis.vendor, diagnosis.operation, diagnosis.scope) == ("rc", "readCallLog", "ReadCallLog")
    assert diagnosis.decision_id == json.loads(body)["scopegate"]["decision_id"]
    assert diagnosis.remediation


def test_a_refusal_by_policy_is_the_operators() -> None:
    house = House(plans(), [client("app")])
    body = denied(house, "/rc/restapi/v1.0/account/~/call-log", token="t")
    without_our_member = json.dumps({name: value for name, value in json.loads(body).items() if name != "scopegate"})
    for text in (body, without_our_member, "error SCG-POLICY"):
        diagnosis = known(text)
        assert (diagnosis.said_by, diagnosis.kind) == (SaidBy.PROXY, "policy")
        assert "operator" in diagnosis.whose


FAULTS = [value for value in vars(errors).values() if isinstance(value, errors.Fault)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.reason)
def test_every_fault_of_the_proxy_is_known(fault: errors.Fault) -> None:
    diagnosis = known(json.dumps(errors.problem(fault)))
    assert (diagnosis.said_by, diagnosis.kind, diagnosis.error) == (SaidBy.PROXY, "fault", fault.reason)
    assert fault.detail in diagnosis.meaning


@pytest.mark.parametrize("reason", sorted({*targets.REASONS, METHOD_OVERRIDE}))
def test_every_refused_target_is_known(reason: str) -> None:
    assert known(json.dumps(errors.problem(errors.from_bad_target(reason, "it is odd")))).error == reason


def test_a_problem_of_somebody_else_is_not_ours() -> None:
    assert meaning('{"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "no", "reason": "quota"}') is None


def test_a_log_line_tells_what_became_of_the_request() -> None:
    lines = JsonLines()
    denied_line = known(lines(DENIED).decode())
    assert (denied_line.kind, denied_line.error, denied_line.scope) == ("denial", "missing_scope", "ReadCallLog")
    assert denied_line.decision_id == DENIED.decision_id
    shadow = known(lines(DENIED._replace(decision=Decision.WOULD_DENY, outcome=Outcome.WOULD_DENY, answered_by="vendor")).decode())
    assert "forwarded it" in shadow.meaning
    broken = known(lines(FORWARDED._replace(fault=errors.DNS.reason, status=502, answered_by="proxy")).decode())
    assert (broken.kind, broken.error) == ("fault", errors.DNS.reason)
    refused = known(lines(FORWARDED._replace(status=403, response_kind=ResponseKind.PERMISSION)).decode())
    assert (refused.said_by, refused.kind) == (SaidBy.VENDOR, "forwarded")
    assert "403" in refused.meaning


@given(st.text(max_size=200), st.sampled_from(sorted(VENDORS)))
def test_any_text_gets_an_answer(text: str, kind: str) -> None:
    meaning(text, kind)
    meaning(json.dumps({"errorCode": text, "message": text, "scopegate": {"reason": text}, "reason": text}), kind)
