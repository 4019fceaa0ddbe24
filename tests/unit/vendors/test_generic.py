from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.credentials import Secret
from proxy.model import (
    Grants,
    Lack,
    OneOf,
    Operation,
    Reason,
    RefusalPattern,
    RefusalTemplate,
    ResourceRule,
    ScopeInfo,
    Source,
    TokenEndpoint,
    TokenPlace,
)
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.facts import Fact, Lacks
from proxy.vendors.generic import Generic
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Verdict
from tests.unit.vendors.support import denial, issued, jwt, seen, target

CATALOG = compile_catalog(
    "acme",
    (
        Operation("acme", "calls", "GET", "/calls", OneOf((("calls.read",),))),
        Operation("acme", "site", "GET", "/sites", OneOf((("site.read",),)), resource=ResourceRule("site", "query", "site")),
    ),
    scopes={"site.read": ScopeInfo("site.read", changeable=True)},
    aliases={"old.read": "calls.read"},
    token_endpoints=(TokenEndpoint("/answered"), TokenEndpoint("/asked", "request", ","), TokenEndpoint("/silent", "none")),
    recognise=(
        RefusalPattern(403, {"error": "insufficient_scope"}, "detail.scope"),
        RefusalPattern(403, {"error": {"code": 7}}),
        RefusalPattern(418, {}, "scope"),
    ),
)
VENDOR = Generic("acme", CATALOG)
ANSWER = {"access_token": "abc", "token_type": "Bearer"}


def login(raw: str, answer: Mapping[str, object], form: Mapping[str, str]) -> tuple[Fact, ...]:
    return VENDOR.learn(seen(VENDOR, "POST", raw, 200, dict(answer), form=form))


def test_catalogued_logins_are_watched() -> None:
    assert VENDOR.watch("POST", target("/asked"), None) == EVERY_BODY
    assert VENDOR.watch("POST", target("/calls"), None) == NO_WATCH
    assert [status for status in (200, 400, 401, 403, 404, 418) if VENDOR.watch_answer(status, None)] == [400, 401, 403, 418]


def test_the_place_of_the_token_and_the_method_are_taken_as_they_are() -> None:
    assert VENDOR.token_place() == TokenPlace()
    assert VENDOR.effective_method("POST", target("/calls?_method=DELETE"), {"x-http-method-override": b"DELETE"}) == "POST"


@pytest.mark.parametrize(
    ("raw", "answer", "form", "grants", "source"),
    [
        (
            "/answered",
            {"scope": "old.read b"},
            {"scope": "x"},
            Grants(frozenset({"calls.read", "b"}), complete=True),
            Source.TOKEN_RESPONSE,
        ),
        ("/answered", {}, {"scope": "x"}, Grants(), Source.NONE),
        ("/asked", {}, {"scope": "x,y"}, Grants(frozenset({"x", "y"}), complete=True), Source.TOKEN_REQUEST),
        ("/asked", {"scope": "z"}, {"scope": "x"}, Grants(frozenset({"z"}), complete=True), Source.TOKEN_RESPONSE),
        ("/asked", {}, {"a": "b"}, Grants(), Source.NONE),
        ("/silent", {"scope": "z"}, {"scope": "x"}, Grants(), Source.NONE),
    ],
)
def test_the_catalogue_says_which_side_tells_the_scopes(
    raw: str, answer: Mapping[str, object], form: Mapping[str, str], grants: Grants, source: Source
) -> None:
    fact = issued(login(raw, {**ANSWER, **answer}, {**form, "client_id": "app"}))
    assert fact.grants == grants
    assert fact.source is source
    assert fact.subject == "app"
    assert fact.expires_in == 3600


@pytest.mark.parametrize("answer", [{}, {**ANSWER, "scope": 1}, {**ANSWER, "refresh_token": 1}, {**ANSWER, "expires_in": 0}])
def test_a_doubtful_login_teaches_nothing(answer: Mapping[str, object]) -> None:
    assert login("/answered", answer, {"a": "b"}) == ()


def test_a_failed_login_teaches_nothing() -> None:
    assert VENDOR.learn(seen(VENDOR, "POST", "/answered", 401, dict(ANSWER), form={"a": "b"})) == ()


def test_a_jwt_may_carry_its_scopes() -> None:
    fact = VENDOR.knowledge_in_token(Secret(jwt({"scp": ["old.read"]})))
    assert fact is not None
    assert fact.grants.scopes == {"calls.read"}
    assert fact.expires_in == 3600


REFUSED = {"error": "insufficient_scope", "detail": {"scope": "old.read"}}


def test_a_recognised_refusal_that_names_one_scope_proves_its_lack() -> None:
    refusal = seen(VENDOR, "GET", "/calls", 403, REFUSED)
    assert VENDOR.classify(refusal) == Verdict(ResponseKind.PERMISSION, about_scope=True)
    assert VENDOR.learn(refusal) == (Lacks(Lack("calls.read")),)


def test_a_lack_is_bound_to_the_resources_of_the_request() -> None:
    body = {"error": "insufficient_scope", "detail": {"scope": "site.read"}}
    facts = VENDOR.learn(seen(VENDOR, "GET", "/sites?site=a", 403, body))
    assert facts == (Lacks(Lack("site.read", frozenset({"site:a"})), changeable=True),)
    assert VENDOR.learn(seen(VENDOR, "GET", "/sites", 403, body)) == ()


@pytest.mark.parametrize("raw", ["/calls", "/nowhere"])
def test_a_scope_that_other_operations_bind_to_resources_is_not_lacking_everywhere(raw: str) -> None:
    body = {"error": "insufficient_scope", "detail": {"scope": "site.read"}}
    assert VENDOR.learn(seen(VENDOR, "GET", raw, 403, body)) == ()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"error": "insufficient_scope", "detail": {"scope": "a b"}}),
        (403, {"error": "insufficient_scope", "detail": {"scope": ""}}),
        (403, {"error": "insufficient_scope", "detail": "scope"}),
        (403, {"error": "insufficient_scope"}),
        (403, {"error": {"code": 7, "text": "x"}}),
        (418, {"scope": 7}),
    ],
)
def test_a_recognised_refusal_that_names_no_single_scope_teaches_nothing(status: int, body: object) -> None:
    refusal = seen(VENDOR, "GET", "/calls", status, body)
    assert VENDOR.classify(refusal) == Verdict(ResponseKind.PERMISSION, about_scope=True)
    assert VENDOR.learn(refusal) == ()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, REFUSED),
        (403, {"error": "other"}),
        (403, {"error": {"code": True}}),
        (403, b"{"),
        (403, {"error": {"code": 7.0}}),
        (403, None),
    ],
)
def test_an_answer_that_fits_no_pattern_is_told_by_its_status(status: int, body: object) -> None:
    answer = seen(VENDOR, "GET", "/calls", status, body)
    assert VENDOR.classify(answer) == Verdict(ResponseKind.AUTH if status == 401 else ResponseKind.OTHER_4XX)
    assert VENDOR.learn(answer) == ()


def test_a_denial_is_refused_as_in_rfc_6750_or_as_the_catalogue_words_it() -> None:
    missing = denial(VENDOR, "GET", "/calls", (("a", "b"),))
    body = VENDOR.write_refusal(missing, None).body
    assert body == {"error": "insufficient_scope", "error_description": "The access token lacks a b", "scope": "a b"}
    worded = Generic("acme", replace(CATALOG, refusal=RefusalTemplate(451, {"need": ["{scope}", "{nothing}", 1], "op": "{operation}"})))
    refusal = worded.write_refusal(missing, None)
    assert refusal.status == 451
    assert refusal.body == {"need": ["a", "{nothing}", 1], "op": "calls"}


def test_a_policy_refusal_has_a_code_of_our_own() -> None:
    refusal = VENDOR.write_policy_refusal(denial(VENDOR, "GET", "/calls", (), reason=Reason.POLICY))
    assert refusal.status == 403
    assert refusal.body["code"] == "SCG-POLICY"
    assert VENDOR.write_refusal(denial(VENDOR, "GET", "/calls", ()), None).body["code"] == "SCG-POLICY"


@pytest.mark.parametrize(("missing", "words"), [((("a",),), "access to a"), ((), "the missing access")])
def test_without_a_catalogue_text_the_steps_say_whom_to_ask(missing: tuple[tuple[str, ...], ...], words: str) -> None:
    steps = VENDOR.remediation(denial(VENDOR, "GET", "/calls", missing))
    assert words in steps[0]
    assert "acme" in steps[0]
