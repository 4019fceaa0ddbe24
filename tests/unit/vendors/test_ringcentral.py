from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.credentials import Secret
from proxy.model import Auth, Grants, Lack, OneOf, Operation, Reason, RefusalTemplate, ScopeInfo, Source, TokenEndpoint, TokenPlace
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.facts import Ended, Fact, Lacks
from proxy.vendors.refusals import BadRequest
from proxy.vendors.ringcentral import RingCentral
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Verdict
from tests.unit.vendors.support import denial, issued, lacks, sample, sample_object, seen, target

LOG = "/restapi/v1.0/account/~/call-log"
RECORDING = "/restapi/v1.0/account/~/recording/1"
LOGIN = "/restapi/oauth/token"
REVOKE = "/restapi/oauth/revoke"
OPERATIONS = (
    Operation("ringcentral", "readCompanyCallLog", "GET", "/restapi/v1.0/account/{accountId}/call-log", OneOf((("ReadCallLog",),))),
    Operation(
        "ringcentral",
        "readCallRecording",
        "GET",
        "/restapi/v1.0/account/{accountId}/recording/{recordingId}",
        OneOf((("ReadCallLog", "ReadCallRecording"),)),
    ),
    Operation("ringcentral", "getToken", "POST", LOGIN, OneOf((("x",),)), auth=Auth.CLIENT),
)
CATALOG = compile_catalog("ringcentral", OPERATIONS, aliases={"Glip": "TeamMessaging"})
VENDOR = RingCentral("ringcentral", CATALOG)
FORM = {"grant_type": "authorization_code", "code": "abc"}


def login(
    changes: dict[str, object] | None = None, *, without: str = "", form: dict[str, str] | bytes | None = None, status: int = 200
) -> tuple[Fact, ...]:
    body = {**sample_object("ringcentral/token.json"), **(changes or {})}
    body.pop(without, None)
    return VENDOR.learn(seen(VENDOR, "POST", LOGIN, status, body, form=FORM if form is None else form))


# --- the effective method ---


@pytest.mark.parametrize(
    ("method", "raw", "headers", "effective"),
    [
        ("GET", LOG, {}, "GET"),
        ("POST", LOG, {}, "POST"),
        ("POST", LOG, {"x-http-method-override": b"DELETE"}, "DELETE"),
        ("POST", LOG, {"x-http-method-override": b" DELETE\t"}, "DELETE"),
        ("POST", LOG + "?_method=PUT", {}, "PUT"),
        ("POST", LOG + "?%5Fmethod=PUT", {}, "PUT"),
        ("POST", LOG + "?_method=GET", {"x-http-method-override": b"GET"}, "GET"),
        ("GET", LOG + "?_method=GET", {}, "GET"),
    ],
)
def test_the_overriding_method_of_a_post_counts(method: str, raw: str, headers: dict[str, bytes], effective: str) -> None:
    assert VENDOR.effective_method(method, target(raw), headers) == effective


@pytest.mark.parametrize(
    ("method", "raw", "headers"),
    [
        ("POST", LOG + "?_method=GET", {"x-http-method-override": b"DELETE"}),
        ("POST", LOG + "?_method=GET&_method=DELETE", {}),
        ("POST", LOG, {"x-http-method-override": b"DELETE, DELETE"}),
        ("POST", LOG, {"x-http-method-override": b"delete"}),
        ("POST", LOG, {"x-http-method-override": b""}),
        ("POST", LOG, {"x-http-method-override": b"\xff"}),
        ("POST", LOG + "?_method=", {}),
        ("POST", LOG + "?_method=FROB", {}),
        ("GET", LOG + "?_method=DELETE", {}),
        ("PUT", LOG, {"x-http-method-override": b"DELETE"}),
        ("GET", LOG, {"x_http_method_override": b"GET"}),
        ("POST", LOG, {"x-http_method-override": b"DELETE"}),
    ],
)
def test_an_ambiguous_override_is_refused(method: str, raw: str, headers: dict[str, bytes]) -> None:
    answer = VENDOR.effective_method(method, target(raw), headers)
    assert isinstance(answer, BadRequest)
    assert answer.reason == "method_override"


def test_the_token_may_stand_in_the_query_unless_the_catalogue_says_otherwise() -> None:
    assert VENDOR.token_place().query_parameter == "access_token"
    place = TokenPlace(header="X-Token")
    assert RingCentral("r", replace(CATALOG, token_in=place)).token_place() == place


@pytest.mark.parametrize(
    ("method", "raw", "watch"),
    [
        ("POST", LOGIN, EVERY_BODY),
        ("POST", REVOKE, EVERY_BODY),
        ("GET", LOGIN, NO_WATCH),
        ("GET", REVOKE, NO_WATCH),
        ("POST", LOG, NO_WATCH),
    ],
)
def test_logins_and_revocations_are_watched(method: str, raw: str, watch: object) -> None:
    assert VENDOR.watch(method, target(raw), None) == watch


def test_a_catalogue_may_name_other_token_endpoints() -> None:
    vendor = RingCentral("r", replace(CATALOG, token_endpoints=(TokenEndpoint("/other"),)))
    assert vendor.watch("POST", target("/other"), None) == EVERY_BODY
    assert vendor.watch("POST", target(LOGIN), None) == NO_WATCH


# --- logins ---


def test_a_login_tells_all_scopes_of_the_token() -> None:
    fact = issued(login({"scope": "ReadCallLog\nGlip  ReadAccounts"}))
    body = sample_object("ringcentral/token.json")
    assert fact.token == Secret(str(body["access_token"]))
    assert fact.grants == Grants(scopes=frozenset({"ReadCallLog", "TeamMessaging", "ReadAccounts"}), complete=True)
    assert fact.source is Source.TOKEN_RESPONSE
    assert fact.expires_in == 3600
    assert fact.refresh_token == Secret(str(body["refresh_token"]))
    assert fact.session == body["session_id"]
    assert fact.subject == body["owner_id"]
    assert fact.replaces is None


def test_a_refresh_names_the_refresh_token_it_spent() -> None:
    fact = issued(login(form={"grant_type": "refresh_token", "refresh_token": "old"}))
    assert fact.replaces == Secret("old")


@pytest.mark.parametrize("changes", [{"scope": ""}, {"scope": "  "}])
def test_an_empty_scope_is_no_proof_of_having_none(changes: dict[str, object]) -> None:
    fact = issued(login(changes))
    assert fact.grants == Grants()
    assert fact.source is Source.NONE


@pytest.mark.parametrize("name", ["scope", "refresh_token", "session_id", "owner_id"])
def test_a_login_without_an_optional_member_is_still_a_login(name: str) -> None:
    fact = issued(login(without=name))
    assert fact.grants.complete is (name != "scope")


def test_the_life_of_knowledge_is_capped_at_a_week() -> None:
    assert issued(login({"expires_in": 10**400})).expires_in == 7 * 24 * 3600
    assert issued(login({"owner_id": 256440016, "token_type": "BEARER"})).subject == "256440016"


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": "two words"},
        {"access_token": "tök"},
        {"access_token": 7},
        {"access_token": ""},
        {"access_token": "a" * 9000},
        {"token_type": "mac"},
        {"token_type": None},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": "3600"},
        {"expires_in": True},
        {"expires_in": None},
        {"scope": ["ReadCallLog"]},
        {"scope": None},
        {"scope": "Read\u200bCallLog"},
        {"scope": "x" * 200},
        {"scope": "a " * 2000},
        {"refresh_token": 1},
        {"refresh_token": "\n"},
        {"session_id": []},
        {"owner_id": "x" * 400},
        {"owner_id": 1.5},
    ],
)
def test_one_odd_member_and_a_login_teaches_nothing(changes: dict[str, object]) -> None:
    assert login(changes) == ()


@pytest.mark.parametrize("without", ["access_token", "token_type", "expires_in"])
def test_a_login_without_a_necessary_member_teaches_nothing(without: str) -> None:
    assert login(without=without) == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b"\xff\xfe",
        b'{"access_token":"a","token_type":"bearer","expires_in":60,"scope":"A","scope":"B"}',
        b'{"access_token":"a","token_type":"bearer","expires_in":NaN,"scope":"A"}',
        b'{"access_token":"a","token_type":"bearer","expires_in":1e999,"scope":"A"}',
        b'{"access_token":"a","token_type":"bearer","expires_in":60,"scope":"A","x":' + b"[" * 100_000,
        b'{"access_token":"a","token_type":"bearer","expires_in":60,"scope":"A"}' + b" " * 3_000_000,
        None,
    ],
)
def test_a_malformed_or_oversized_answer_teaches_nothing(body: bytes | None) -> None:
    assert VENDOR.learn(seen(VENDOR, "POST", LOGIN, 200, body, form=FORM)) == ()


@pytest.mark.parametrize("form", [b"grant_type=refresh_token&grant_type=password", b"a=%ff", b"x" * 70_000, b"junk", b"\xff=1"])
def test_a_malformed_or_doubled_form_teaches_nothing(form: bytes) -> None:
    assert login(form=form) == ()


def test_a_login_that_failed_was_not_read_or_is_no_form_teaches_nothing() -> None:
    body = sample("ringcentral/token.json")
    assert login(status=201) == ()
    assert VENDOR.learn(seen(VENDOR, "POST", LOGIN, 200, body)) == ()
    assert VENDOR.learn(seen(VENDOR, "GET", LOGIN, 200, body, form=FORM)) == ()
    assert VENDOR.learn(seen(VENDOR, "POST", LOGIN, 200, body, form=FORM, headers={"content-type": b"application/json"})) == ()
    form_type = {"content-type": b"Application/X-WWW-form-urlencoded; charset=utf-8"}
    assert VENDOR.learn(seen(VENDOR, "POST", LOGIN, 200, body, form=FORM, headers=form_type)) != ()


# --- revocations ---


def test_a_revocation_ends_the_token_it_names() -> None:
    assert VENDOR.learn(seen(VENDOR, "POST", REVOKE, 200, b"", form={"token": "abc"})) == (Ended(Secret("abc")),)
    assert VENDOR.learn(seen(VENDOR, "POST", REVOKE + "?token=abc", 200, b"", form={"a": "b"})) == (Ended(Secret("abc")),)
    assert VENDOR.learn(seen(VENDOR, "POST", REVOKE + "?token=abc", 200, b"", form={"token": "abc"})) == (Ended(Secret("abc")),)


@pytest.mark.parametrize(
    ("method", "raw", "status", "form"),
    [
        ("POST", REVOKE, 400, {"token": "abc"}),
        ("POST", REVOKE, 200, {"other": "abc"}),
        ("POST", REVOKE, 200, b"token=a&token=b"),
        ("POST", REVOKE, 200, {"token": "\n"}),
        ("POST", REVOKE + "?token=other", 200, {"token": "abc"}),
        ("POST", REVOKE, 200, None),
        ("DELETE", REVOKE, 200, {"token": "abc"}),
    ],
)
def test_a_doubtful_revocation_ends_nothing(method: str, raw: str, status: int, form: dict[str, str] | bytes | None) -> None:
    assert VENDOR.learn(seen(VENDOR, method, raw, status, b"", form=form)) == ()


# --- refusals ---


@pytest.mark.parametrize("scope", ["ReadCallLog", "ReadCallRecording"])
def test_the_documented_refusal_proves_that_the_app_permission_is_missing(scope: str) -> None:
    refusal = seen(VENDOR, "GET", RECORDING, 403, sample(f"ringcentral/refusal-{scope}.json"))
    assert VENDOR.classify(refusal) == Verdict(ResponseKind.PERMISSION, about_scope=True)
    assert VENDOR.learn(refusal) == (Lacks(Lack(scope)),)


def test_an_alias_is_learned_by_its_canonical_name() -> None:
    body = sample("ringcentral/refusal-ReadCallLog.json").replace(b"ReadCallLog", b"Glip")
    assert VENDOR.learn(seen(VENDOR, "GET", LOG, 403, body)) == (Lacks(Lack("TeamMessaging")),)


def test_a_users_own_permission_is_counted_but_never_learned() -> None:
    refusal = seen(VENDOR, "GET", LOG, 403, sample("ringcentral/refusal-user-permission.json"))
    assert VENDOR.classify(refusal) == Verdict(ResponseKind.PERMISSION, about_scope=False)
    assert VENDOR.learn(refusal) == ()


def changed(path: tuple[str | int, ...], value: object) -> bytes:
    body = sample_object("ringcentral/refusal-ReadCallLog.json")
    place = body
    for step in path[:-1]:
        place = place[step]  # type: ignore[index,assignment]
    place[path[-1]] = value  # type: ignore[index]
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("permissionName",), "ReadAccounts"),
        (("permissionName",), ["ReadCallLog"]),
        (("errors", 0, "permissionName"), "ReadAccounts"),
        (("message",), "In order to call this API endpoint, application needs to have [ReadAccounts] permission"),
        (("errors", 0, "message"), "something else"),
        (("errors",), []),
        (("errors",), [{"errorCode": "CMN-401"}, {"errorCode": "CMN-401"}]),
        (("errors", 0, "errorCode"), "CMN-408"),
        (("errors", 0, "errorCode"), ["CMN-401"]),
        (("errorCode",), "CMN-401"),
        (("errors",), [*json.loads(sample("ringcentral/refusal-ReadCallLog.json"))["errors"], {"errorCode": "CMN-109"}]),
        (("errors",), {"errorCode": "CMN-401"}),
        (("errors",), ["CMN-401"]),
    ],
)
def test_a_contradictory_refusal_teaches_nothing(path: tuple[str | int, ...], value: object) -> None:
    assert VENDOR.learn(seen(VENDOR, "GET", LOG, 403, changed(path, value))) == ()


def test_with_the_code_at_the_top_and_another_in_the_list_nobody_knows_which_error_the_name_belongs_to() -> None:
    body = json.loads(changed(("errorCode",), "CMN-401"))
    body["errors"][0]["errorCode"] = "InsufficientPermissions"
    refusal = seen(VENDOR, "GET", LOG, 403, body)
    assert VENDOR.classify(refusal).about_scope
    assert VENDOR.learn(refusal) == ()


@pytest.mark.parametrize("name", ["Read CallLog", "x" * 65, "", "*", "operation:readCompanyCallLog"])
def test_an_implausible_permission_name_is_not_learned(name: str) -> None:
    body = sample("ringcentral/refusal-ReadCallLog.json").replace(b"ReadCallLog", name.encode())
    assert VENDOR.learn(seen(VENDOR, "GET", LOG, 403, body)) == ()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, ResponseKind.OK),
        (400, ResponseKind.OTHER_4XX),
        (401, ResponseKind.AUTH),
        (404, ResponseKind.OTHER_4XX),
        (429, ResponseKind.RATE_LIMIT),
        (503, ResponseKind.SERVER_ERROR),
    ],
)
def test_the_refusal_text_under_another_status_is_no_permission_refusal(status: int, kind: ResponseKind) -> None:
    answer = seen(VENDOR, "GET", LOG, status, sample("ringcentral/refusal-ReadCallLog.json"))
    assert VENDOR.classify(answer) == Verdict(kind)
    assert VENDOR.learn(answer) == ()


@pytest.mark.parametrize("body", [None, b"<html>", b'{"errorCode":"CMN-109"}', b'{"errors":["x"]}', b'{"errors":3}'])
def test_another_403_is_no_permission_refusal(body: bytes | None) -> None:
    assert VENDOR.classify(seen(VENDOR, "GET", LOG, 403, body)) == Verdict(ResponseKind.OTHER_4XX)
    assert lacks(VENDOR.learn(seen(VENDOR, "GET", LOG, 403, body))) == []


# --- local answers ---


@pytest.mark.parametrize("scope", ["ReadCallLog", "ReadCallRecording"])
def test_a_denial_is_answered_exactly_as_documented(scope: str) -> None:
    refusal = VENDOR.write_refusal(denial(VENDOR, "GET", RECORDING, ((scope,),)), None)
    assert refusal.status == 403
    assert json.dumps(refusal.body, indent=2) + "\n" == sample(f"ringcentral/refusal-{scope}.json").decode()
    assert refusal.indent


def test_a_denial_names_the_first_missing_permission_of_the_shortest_way_out() -> None:
    both = denial(VENDOR, "GET", RECORDING, (("ReadCallLog", "ReadCallRecording"), ("A", "B", "C")))
    shape = RefusalTemplate(403, {"message": "seen elsewhere"})
    assert VENDOR.write_refusal(both, shape).body["permissionName"] == "ReadCallLog"


def test_our_own_answer_is_understood_like_the_vendors() -> None:
    refusal = VENDOR.write_refusal(denial(VENDOR, "GET", LOG, (("ReadCallLog",),)), None)
    assert VENDOR.learn(seen(VENDOR, "GET", LOG, 403, refusal.body)) == (Lacks(Lack("ReadCallLog")),)


def test_a_policy_refusal_cannot_be_taken_for_the_vendors() -> None:
    refusal = VENDOR.write_policy_refusal(denial(VENDOR, "GET", LOG, (), reason=Reason.POLICY, message="Not for this app"))
    assert refusal.status == 403
    error = {"errorCode": "SCG-POLICY", "message": "Not for this app"}
    assert refusal.body == {**error, "errors": [error]}
    assert VENDOR.classify(seen(VENDOR, "GET", LOG, 403, refusal.body)) == Verdict(ResponseKind.OTHER_4XX)


def test_a_denial_without_a_missing_scope_is_answered_as_policy() -> None:
    body = VENDOR.write_refusal(denial(VENDOR, "GET", LOG, ()), None).body
    assert body["errorCode"] == "SCG-POLICY"
    assert body["message"]


# --- advice ---


def test_the_catalogues_steps_come_first_each_once() -> None:
    infos = {name: ScopeInfo(name, remediation=("one", f"two {name}"), documentation=("https://d",)) for name in ("A", "B")}
    vendor = RingCentral("ringcentral", replace(CATALOG, scopes=infos))
    missing = denial(vendor, "GET", LOG, (("A", "B"),))
    assert vendor.remediation(missing) == ("one", "two A", "two B")
    assert vendor.documentation(missing) == ("https://d",)


def test_without_a_catalogue_text_the_steps_name_the_permission_and_the_console() -> None:
    steps = " ".join(VENDOR.remediation(denial(VENDOR, "GET", LOG, (("ReadCallLog",),))))
    assert "ReadCallLog" in steps
    assert "Developer Console" in steps
    assert "new token" in steps


@pytest.mark.parametrize(
    ("reason", "raw", "words"),
    [
        (Reason.POLICY, LOG, ["readCompanyCallLog", "clients", "Scopegate-Key"]),
        (Reason.POLICY, "/nowhere", ["this request", "clients", "Scopegate-Key"]),
        (Reason.UNKNOWN_TOKEN, LOG, ["vendors.ringcentral.on_unknown_token", "through the proxy"]),
        (Reason.UNKNOWN_OPERATION, "/nowhere", ["vendors.ringcentral.on_unknown_operation", "catalogue"]),
    ],
)
def test_where_the_operators_rule_denied_the_steps_name_the_setting(reason: Reason, raw: str, words: list[str]) -> None:
    own = denial(VENDOR, "GET", raw, (("ReadCallLog",),), reason=reason)
    steps = " ".join(VENDOR.remediation(own))
    assert [word for word in words if word not in steps] == []
    assert VENDOR.documentation(own) == ()
