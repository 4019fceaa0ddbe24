from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.model import (
    Deny,
    Grants,
    Indeterminate,
    Lack,
    NotKnown,
    OneOf,
    Operation,
    Permit,
    Reason,
    RefusalTemplate,
    ResourceRule,
    ScopeInfo,
    Source,
)
from proxy.prediction import predict
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.eightbyeight import EightByEight
from proxy.vendors.facts import Fact, Issued, Lacks
from proxy.vendors.resources import no_access_at_all
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Verdict
from tests.unit.vendors.support import basic, denial, issued, lacks, operation, sample, sample_object, seen, shape, target

USER = "reporting@example.com"
RECORDS = "/analytics/work/v2/call-records?pbxId=acmecorp&startTime=1&endTime=2&timeZone=UTC"
SUMMARY = "/analytics/work/v1/extsum?pbxId=acmecorp"
QUEUES = "/analytics/work/v2/pbxes/Ab3xYz/queues"
LOGIN = "/analytics/work/v1/oauth/token"
PRODUCT_LOGIN = "/oauth/v2/token"
BY_NAME = ResourceRule("pbx", "query", "pbxId", ",", "allpbxes")
BY_ID = ResourceRule("pbx-id", "path", "pbxId")
CATALOG = compile_catalog(
    "8x8",
    (
        Operation("8x8", "call-records", "GET", "/analytics/work/v2/call-records", OneOf((("CDR",),)), resource=BY_NAME),
        Operation("8x8", "ext-summary", "GET", "/analytics/work/v1/extsum", NotKnown(), resource=BY_NAME),
        Operation("8x8", "fixed", "GET", "/analytics/work/v1/fixed", NotKnown(learnable=False), resource=BY_NAME),
        Operation("8x8", "queues", "GET", "/analytics/work/v2/pbxes/{pbxId}/queues", NotKnown(), resource=BY_ID),
        Operation("8x8", "channels", "GET", "/vcc/channels", OneOf((("vcc",),))),
    ),
)
GRANTS: tuple[Mapping[str, object], ...] = (
    {"user": USER, "pbx": ["acmecorp"], "categories": ["CDR"]},
    {"user": USER, "pbx": ["other"], "categories": []},
    {"user": "Ann@example.com", "pbx": ["one"], "categories": ["CDR"]},
    {"user": "ann@example.com", "pbx": ["two"], "categories": ["CDR"]},
)
VENDOR = EightByEight("8x8", CATALOG, GRANTS)


def login(form: Mapping[str, str] | bytes | None = None, changes: dict[str, object] | None = None) -> tuple[Fact, ...]:
    body = {**sample_object("8x8/token.json"), **(changes or {})}
    return VENDOR.learn(seen(VENDOR, "POST", LOGIN, 200, body, form={"username": USER, "password": "p"} if form is None else form))


def product_login(changes: dict[str, object] | None = None, *without: str, form: Mapping[str, str] | None = None) -> tuple[Fact, ...]:
    body = {**sample_object("8x8/token-products.json"), **(changes or {})}
    for name in without:
        del body[name]
    sent = {"grant_type": "client_credentials"} if form is None else form
    return VENDOR.learn(seen(VENDOR, "POST", PRODUCT_LOGIN, 200, body, form=sent, headers={"authorization": basic("key")}))


def category_body(**changes: object) -> dict[str, object]:
    return {**sample_object("8x8/refusal-category.json"), **changes}


def category_text(user: str = USER, category: str = "CDR", names: str = "acmecorp") -> str:
    return f"user({user}) does not have access to api category({category}) for pbxId([{names}])."


# --- logins ---


@pytest.mark.parametrize(
    ("method", "raw", "watch"),
    [("POST", LOGIN, EVERY_BODY), ("POST", PRODUCT_LOGIN, EVERY_BODY), ("GET", LOGIN, NO_WATCH), ("POST", RECORDS, NO_WATCH)],
)
def test_both_logins_are_watched(method: str, raw: str, watch: object) -> None:
    assert VENDOR.watch(method, target(raw), None) == watch


def test_a_login_brings_the_configured_grants_of_its_user() -> None:
    fact = issued(login())
    assert fact.subject == USER
    assert fact.source is Source.CONFIGURED
    assert fact.expires_in == 1800
    assert fact.grants == Grants(bound=frozenset({("CDR", "pbx:acmecorp")}), complete_for=frozenset({"pbx:acmecorp", "pbx:other"}))


def test_a_configured_user_without_a_category_is_denied_only_on_the_pbxs_named() -> None:
    grants = issued(login()).grants
    records = operation(CATALOG, "call-records")
    verdicts = {
        name: predict(records, grants, VENDOR.resources(CATALOG.find("GET", records.route), target(f"{records.route}?pbxId={name}")))
        for name in ("acmecorp", "other", "third")
    }
    assert [name for name, verdict in verdicts.items() if isinstance(verdict, Deny)] == ["other"]


def test_a_user_without_configured_grants_is_known_by_name_only() -> None:
    fact = issued(login({"username": "bob@example.com"}))
    assert fact.subject == "bob@example.com"
    assert fact.grants == Grants()
    assert fact.source is Source.NONE


@pytest.mark.parametrize(
    ("user", "pbx"),
    [
        ("REPORTING@Example.com", {"pbx:acmecorp", "pbx:other"}),
        ("Ann@example.com", {"pbx:one"}),
        ("ann@example.com", {"pbx:two"}),
        ("ANN@EXAMPLE.COM", set()),
    ],
)
def test_case_is_forgiven_only_where_one_configured_user_can_be_meant(user: str, pbx: set[str]) -> None:
    assert issued(login({"username": user})).grants.complete_for == pbx


def test_grants_that_are_no_lists_of_names_grant_nothing() -> None:
    odd = EightByEight("8x8", CATALOG, ({"user": USER, "pbx": "acmecorp", "categories": ["CDR", 7]},))
    facts = odd.learn(seen(odd, "POST", LOGIN, 200, sample("8x8/token.json"), form={"username": USER}))
    assert issued(facts).grants == Grants()


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ({"user": USER}, {}),
        ({"username": ""}, {}),
        ({"username": "x" * 321}, {}),
        ({"username": "a\nb"}, {}),
        (b"username=a&username=b", {}),
        (None, {"access_token": None}),
        (None, {"token_type": "mac"}),
        (None, {"expires_in": "1800"}),
    ],
)
def test_a_doubtful_login_teaches_nothing(form: Mapping[str, str] | bytes | None, changes: dict[str, object]) -> None:
    assert login(form, changes) == ()


def test_a_failed_login_teaches_nothing() -> None:
    answer = seen(VENDOR, "POST", LOGIN, 400, sample("8x8/bad-login.json"), form={"username": USER})
    assert VENDOR.learn(answer) == ()
    assert VENDOR.classify(answer) == Verdict(ResponseKind.OTHER_4XX)


@pytest.mark.parametrize("without", [(), ("api_product_list",), ("api_product_list_json",)])
def test_the_api_products_of_a_token_are_all_its_scopes(without: tuple[str, ...]) -> None:
    fact = issued(product_login(None, *without))
    assert fact.grants.scopes == {"QM - API", "vcc"}
    assert fact.grants.complete
    assert fact.source is Source.TOKEN_RESPONSE
    assert fact.subject == "key"
    assert fact.expires_in == 1799


@pytest.mark.parametrize(("products", "channels"), [(["vcc"], Permit), (["storage"], Deny)])
def test_api_products_decide_about_products_and_never_about_categories(products: list[str], channels: type) -> None:
    grants = issued(product_login({"api_product_list_json": products}, "api_product_list")).grants
    assert isinstance(predict(operation(CATALOG, "channels"), grants), channels)
    for raw in (RECORDS, "/analytics/work/v2/call-records", SUMMARY, QUEUES):
        match = CATALOG.find("GET", target(raw).path)
        assert match is not None
        assert isinstance(predict(match.operation, grants, VENDOR.resources(match, target(raw))), Indeterminate)


@pytest.mark.parametrize(
    "changes",
    [
        {"api_product_list": "[vcc]"},
        {"api_product_list": "QM - API, vcc"},
        {"api_product_list": "[QM - API, vcc"},
        {"api_product_list": ["QM - API", "vcc"]},
        {"api_product_list": "[" + "a," * 9000 + "a]"},
        {"api_product_list": "[]", "api_product_list_json": []},
        {"api_product_list_json": ["QM - API", "vcc", 1]},
        {"api_product_list_json": ["QM - API", "v[cc"]},
        {"api_product_list_json": "vcc"},
        {"expires_in": "soon"},
        {"expires_in": "0"},
        {"token_type": "mac"},
    ],
)
def test_doubtful_products_teach_nothing(changes: dict[str, object]) -> None:
    assert product_login(changes) == ()


def test_a_product_login_without_products_or_with_two_clients_teaches_nothing() -> None:
    assert product_login(None, "api_product_list", "api_product_list_json") == ()
    assert product_login(form={"client_id": "somebody else"}) == ()


# --- refusals of a category ---


def test_the_documented_refusal_proves_that_the_category_is_missing_on_that_pbx() -> None:
    refusal = seen(VENDOR, "GET", RECORDS, 400, sample("8x8/refusal-category.json"), subject=USER)
    assert VENDOR.classify(refusal) == Verdict(ResponseKind.PERMISSION, about_scope=True)
    assert lacks(VENDOR.learn(refusal)) == [Lacks(Lack("CDR", frozenset({"pbx:acmecorp"})), changeable=True, subject=USER)]


@pytest.mark.parametrize("subject", ["", "Reporting@Example.com"])
def test_the_user_may_be_unknown_or_written_in_another_case(subject: str) -> None:
    assert lacks(VENDOR.learn(seen(VENDOR, "GET", RECORDS, 400, sample("8x8/refusal-category.json"), subject=subject)))


def test_several_pbxs_are_a_joint_lack_of_those_the_refusal_names() -> None:
    body = category_body(message=category_text(names="one, two"))
    facts = VENDOR.learn(seen(VENDOR, "GET", "/analytics/work/v2/call-records?pbxId=one,two,three", 400, body))
    assert lacks(facts) == [Lacks(Lack("CDR", frozenset({"pbx:one", "pbx:two"})), changeable=True, subject=USER)]


@pytest.mark.parametrize("query", ["?pbxId=allpbxes", "", "?pbxId=a&pbxId=b"])
def test_a_request_that_names_no_pbx_may_be_told_any(query: str) -> None:
    facts = VENDOR.learn(seen(VENDOR, "GET", f"/analytics/work/v2/call-records{query}", 400, category_body()))
    assert lacks(facts) == [Lacks(Lack("CDR", frozenset({"pbx:acmecorp"})), changeable=True, subject=USER)]


def test_an_operation_of_unknown_requirement_learns_its_stand_in_too() -> None:
    body = category_body(message=category_text(category="EXT"))
    facts = lacks(VENDOR.learn(seen(VENDOR, "GET", SUMMARY, 400, body)))
    named = frozenset({"pbx:acmecorp"})
    assert facts == [
        Lacks(Lack("EXT", named), changeable=True, subject=USER),
        Lacks(Lack("operation:ext-summary", named), changeable=True, subject=USER),
    ]
    grants = Grants(lacking=frozenset(fact.lack for fact in facts))
    match = CATALOG.find("GET", "/analytics/work/v1/extsum")
    assert isinstance(predict(operation(CATALOG, "ext-summary"), grants, VENDOR.resources(match, target(SUMMARY))), Deny)


def test_an_operation_that_depends_on_more_than_itself_learns_no_stand_in() -> None:
    facts = lacks(VENDOR.learn(seen(VENDOR, "GET", "/analytics/work/v1/fixed?pbxId=acmecorp", 400, category_body())))
    assert [fact.lack.scope for fact in facts] == ["CDR"]


@pytest.mark.parametrize(
    ("raw", "status", "body", "subject"),
    [
        (RECORDS, 400, category_body(), "somebody@example.com"),
        (RECORDS, 400, category_body(message=category_text(names="other")), USER),
        (RECORDS, 400, category_body(message=category_text(names="acmecorp, other")), USER),
        (RECORDS, 400, category_body(message=category_text(names="acmecorp,")), USER),
        (RECORDS, 400, category_body(message=category_text(names="")), USER),
        (RECORDS, 400, category_body(message=category_text(names="[acmecorp]")), USER),
        (RECORDS, 400, category_body(message=category_text(user="x) does not have access (")), ""),
        (RECORDS, 400, category_body(message=category_text(category="C(D)R")), USER),
        (RECORDS, 400, category_body(message="prefix " + category_text()), USER),
        (RECORDS, 400, category_body(message=[category_text()]), USER),
        (RECORDS, 400, category_body(code="105-400-039"), USER),
        (RECORDS, 400, category_body(status=403), USER),
        (RECORDS, 400, category_body(status=True), USER),
        (RECORDS, 403, category_body(status=403), USER),
        (RECORDS, 500, category_body(), USER),
        (QUEUES, 400, category_body(), USER),
        ("/vcc/channels", 400, category_body(), USER),
        ("/unknown?pbxId=acmecorp", 400, category_body(), USER),
        (RECORDS, 400, b'{"code":"105-400-038","code":"x","message":"m"}', USER),
    ],
)
def test_a_contradictory_or_foreign_refusal_teaches_nothing(raw: str, status: int, body: object, subject: str) -> None:
    assert VENDOR.learn(seen(VENDOR, "GET", raw, status, body, subject=subject)) == ()


def test_a_refusal_that_names_a_pbx_says_nothing_about_ids() -> None:
    by_id = Operation("8x8", "by-id", "GET", "/by-id", NotKnown(), resource=ResourceRule("pbx-id", "query", "id"))
    vendor = EightByEight("8x8", compile_catalog("8x8", (by_id,)))
    assert vendor.learn(seen(vendor, "GET", "/by-id", 400, category_body())) == ()


def test_too_many_names_teach_nothing() -> None:
    body = category_body(message=category_text(names=",".join("a" for _ in range(65))))
    assert VENDOR.learn(seen(VENDOR, "GET", "/analytics/work/v2/call-records", 400, body)) == ()


def test_the_code_with_another_text_is_a_permission_refusal_that_names_nothing() -> None:
    assert VENDOR.classify(seen(VENDOR, "GET", RECORDS, 400, category_body(message="?"))) == Verdict(ResponseKind.PERMISSION)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, sample("8x8/bad-api-key.json"), ResponseKind.OTHER_4XX),
        (400, b"", ResponseKind.OTHER_4XX),
        (401, b'{"error":"invalid_token"}', ResponseKind.AUTH),
        (403, b'{"status":403,"error":"Forbidden"}', ResponseKind.OTHER_4XX),
        (403, sample("8x8/refusal-category.json"), ResponseKind.OTHER_4XX),
        (200, sample("8x8/refusal-category.json"), ResponseKind.OK),
        (429, b"", ResponseKind.RATE_LIMIT),
    ],
)
def test_other_answers_are_not_permission_refusals(status: int, body: bytes, kind: ResponseKind) -> None:
    assert VENDOR.classify(seen(VENDOR, "GET", RECORDS, status, body)) == Verdict(kind)


# --- refusals of a whole PBX ---


@pytest.mark.parametrize(
    ("raw", "name", "resource"), [(RECORDS, "8x8/refusal-pbx.json", "pbx:acmecorp"), (QUEUES, "8x8/refusal-pbx-id.json", "pbx-id:Ab3xYz")]
)
def test_a_pbx_that_is_not_granted_lacks_every_scope(raw: str, name: str, resource: str) -> None:
    refusal = seen(VENDOR, "GET", raw, 403, sample(name), subject=USER)
    assert VENDOR.classify(refusal) == Verdict(ResponseKind.PERMISSION, about_scope=True)
    assert lacks(VENDOR.learn(refusal)) == [Lacks(Lack("*", frozenset({resource})), changeable=True, subject=USER)]
    match = CATALOG.find("GET", target(raw).path)
    assert match is not None
    lacking = frozenset({Lack("*", frozenset({resource}))})
    assert isinstance(predict(match.operation, Grants(lacking=lacking), refusal.resources), Deny)
    assert no_access_at_all(lacking, refusal.resources)


@pytest.mark.parametrize(
    ("raw", "changes", "subject"),
    [
        ("/analytics/work/v2/call-records?pbxId=acmecorp,other", {}, USER),
        ("/analytics/work/v2/call-records?pbxId=other", {}, USER),
        ("/analytics/work/v2/call-records?pbxId=allpbxes", {}, USER),
        ("/unknown?pbxId=acmecorp", {}, USER),
        ("/vcc/channels?pbxId=acmecorp", {}, USER),
        (QUEUES, {}, USER),
        (RECORDS, {}, "somebody@example.com"),
        (RECORDS, {"message": "another text"}, USER),
        (RECORDS, {"exception": None}, USER),
        (RECORDS, {"error": "Forbidden"}, USER),
        (RECORDS, {"status": 400}, USER),
        (RECORDS, {"messages": "text"}, USER),
        (RECORDS, {"messages": ["text"]}, USER),
        (RECORDS, {"messages": []}, USER),
    ],
)
def test_a_doubtful_refusal_of_a_pbx_teaches_nothing(raw: str, changes: dict[str, object], subject: str) -> None:
    body = {**sample_object("8x8/refusal-pbx.json"), **changes}
    assert VENDOR.learn(seen(VENDOR, "GET", raw, 403, body, subject=subject)) == ()


def test_a_403_without_any_text_is_not_recognised() -> None:
    assert VENDOR.classify(seen(VENDOR, "GET", RECORDS, 403, {"status": 403, "error": "Access Denied"})) == Verdict(ResponseKind.OTHER_4XX)


# --- shapes ---


@pytest.mark.parametrize(
    ("raw", "name", "status", "variant"),
    [
        (RECORDS, "8x8/refusal-category.json", 400, "category"),
        (RECORDS, "8x8/refusal-pbx.json", 403, "pbx"),
        (QUEUES, "8x8/refusal-pbx-id.json", 403, "pbx-id"),
    ],
)
def test_filling_a_learned_shape_for_the_same_caller_gives_the_vendors_own_body(raw: str, name: str, status: int, variant: str) -> None:
    seen_shape = shape(VENDOR.learn(seen(VENDOR, "GET", raw, status, sample(name), subject=USER)))
    assert seen_shape.variant == variant
    match = CATALOG.find("GET", target(raw).path)
    assert match is not None
    scope = "CDR" if variant == "category" else match.operation.stand_in_scope
    same = denial(VENDOR, "GET", raw, ((scope,),), subject=USER, whole_resource=variant != "category")
    refusal = VENDOR.write_refusal(same, seen_shape.template)
    expected = sample_object(name)
    if "path" in expected:
        expected["path"] = target(raw).path
    assert refusal.status == status
    assert json.dumps(refusal.body) == json.dumps(expected)


def test_nothing_of_one_caller_reaches_another() -> None:
    body = category_body(
        timestamp="yesterday",
        timeStamp="2026-11-21 20:00:00.123456",
        path="/internal/acmecorp",
        exception=category_text(),
        traceId="4bf92f3577b34da6",
        customer="acmecorp",
        account="Reporting team",
        owner={"name": "Example"},
        error="Bad Request {really}",
        detail="no CDR for you",
        retryable=False,
        hint=None,
        nested={"error": "Bad Request", "items": ["none", None]},
        acmecorp="x",
        region="us2",
        scopegate={"decision": "deny"},
        deep={"a": {"b": {"c": "d"}}},
        many=["a"] * 17,
        opaque="abcdefghijklmnopqrstuvwxyzabcdef",
        number=7,
    )
    template = shape(VENDOR.learn(seen(VENDOR, "GET", RECORDS, 400, body, subject=USER))).template
    assert template.status == 400
    text = "user({user}) does not have access to api category({scope}) for pbxId([{resource}])."
    assert template.body == {
        "status": 400,
        "code": "105-400-038",
        "message": text,
        "timeStamp": "{timestamp_s6none}",
        "path": "{path}",
        "exception": text,
        "error": "Bad Request {{really}}",
        "retryable": False,
        "hint": None,
        "nested": {"error": "Bad Request", "items": ["none", None]},
    }
    other = denial(VENDOR, "GET", "/analytics/work/v2/call-records?pbxId=%7Buser%7D", (("CDR",),), subject="eve{resource}@b.c")
    filled = VENDOR.write_refusal(other, template).body
    assert filled["message"] == "user(eve{resource}@b.c) does not have access to api category(CDR) for pbxId([{user}])."
    assert filled["error"] == "Bad Request {really}"
    assert filled["timeStamp"] == "2026-11-21 20:00:00.123000"


def test_a_shape_has_a_bounded_number_of_members() -> None:
    body = category_body(**{f"member{'x' * index}": None for index in range(30)})
    assert len(shape(VENDOR.learn(seen(VENDOR, "GET", RECORDS, 400, body, subject=USER))).template.body) == 16


# --- local answers ---


def test_before_a_refusal_was_seen_the_documented_text_is_used() -> None:
    refusal = VENDOR.write_refusal(denial(VENDOR, "GET", RECORDS, (("CDR",),), subject=USER), None)
    assert refusal.status == 400
    assert json.dumps(refusal.body, indent=2) + "\n" == sample("8x8/refusal-category.json").decode()


def test_the_catalogue_may_word_the_refusal_of_a_category() -> None:
    vendor = EightByEight("8x8", replace(CATALOG, refusal=RefusalTemplate(400, {"m": "{user} {scope} {resource}"})))
    assert vendor.write_refusal(denial(vendor, "GET", RECORDS, (("CDR",),)), None).body == {"m": "unknown CDR acmecorp"}
    whole = denial(vendor, "GET", RECORDS, (("CDR",),), whole_resource=True)
    assert vendor.write_refusal(whole, None).body["error"] == "Access Denied"


def test_several_pbxs_are_listed_and_a_stand_in_is_named_by_its_operation() -> None:
    raw = "/analytics/work/v1/extsum?pbxId=b,a"
    body = VENDOR.write_refusal(denial(VENDOR, "GET", raw, (("operation:ext-summary",),), subject=USER), None).body
    assert body["message"] == category_text(category="ext-summary", names="a, b")


@pytest.mark.parametrize(("raw", "name"), [(RECORDS, "8x8/refusal-pbx.json"), (QUEUES, "8x8/refusal-pbx-id.json")])
def test_a_pbx_that_is_not_granted_is_refused_in_its_own_documented_shape(raw: str, name: str) -> None:
    whole = denial(VENDOR, "GET", raw, (("CDR",),), subject=USER, whole_resource=True)
    refusal = VENDOR.write_refusal(whole, RefusalTemplate(400, {"a shape of": "another variant"}))
    assert refusal.status == 403
    assert list(refusal.body) == list(sample_object(name))
    answer = seen(VENDOR, "GET", raw, 403, refusal.body, subject=USER)
    assert [fact.lack.scope for fact in lacks(VENDOR.learn(answer))] == ["*"]


def test_a_missing_api_product_is_not_refused_as_a_pbx() -> None:
    missing = denial(VENDOR, "GET", "/vcc/channels", (("vcc",),))
    refusal = VENDOR.write_refusal(missing, RefusalTemplate(403, {"of": "a PBX"}))
    assert VENDOR.shape_variant(missing) == "product"
    assert refusal.status == 403
    assert "vcc" in str(refusal.body["message"])


def test_a_policy_refusal_cannot_be_taken_for_the_vendors() -> None:
    refusal = VENDOR.write_policy_refusal(denial(VENDOR, "GET", RECORDS, (), reason=Reason.POLICY, message="Not for this app"))
    assert refusal.status == 403
    assert refusal.body == {"status": 403, "code": "SCG-POLICY", "message": "Not for this app"}
    assert VENDOR.classify(seen(VENDOR, "GET", RECORDS, 403, refusal.body)) == Verdict(ResponseKind.OTHER_4XX)
    assert VENDOR.write_refusal(denial(VENDOR, "GET", RECORDS, ()), None).body["code"] == "SCG-POLICY"


# --- advice ---


def test_the_steps_name_the_user_and_the_pbx() -> None:
    steps = VENDOR.remediation(denial(VENDOR, "GET", RECORDS, (("CDR",),), reason=Reason.MISSING_LICENCE, subject=USER))
    assert USER in steps[0]
    assert "acmecorp" in steps[0]
    text = " ".join(steps)
    assert [word for word in ("licence", "Supervisor", "Admin Console", "CDR") if word not in text] == []


def test_the_catalogues_steps_follow_the_user_and_the_pbx() -> None:
    vendor = EightByEight(
        "8x8",
        replace(CATALOG, scopes={"CDR": ScopeInfo("CDR", remediation=("do this",)), "vcc": ScopeInfo("vcc", remediation=("or this",))}),
    )
    steps = vendor.remediation(denial(vendor, "GET", RECORDS, (("CDR",),)))
    assert "the 8x8 user whose login" in steps[0]
    assert steps[1:] == ("do this",)
    assert vendor.remediation(denial(vendor, "GET", "/vcc/channels", (("vcc",),))) == ("or this",)


def test_for_a_whole_pbx_the_steps_are_about_access_to_it() -> None:
    steps = " ".join(VENDOR.remediation(denial(VENDOR, "GET", QUEUES, (("operation:queues",),), subject=USER, whole_resource=True)))
    assert "Ab3xYz" in steps
    assert USER in steps
    assert "/analytics/work/v2/pbxes/" in steps


def test_an_unknown_resource_is_never_wholly_absent() -> None:
    match = CATALOG.find("GET", "/analytics/work/v2/call-records")
    open_ended = VENDOR.resources(match, target("/analytics/work/v2/call-records"))
    assert not no_access_at_all(frozenset({Lack("*", frozenset({"pbx:a"}))}), open_ended)


def test_what_is_learned_at_login_is_an_issued_token() -> None:
    assert all(isinstance(fact, Issued) for fact in (*login(), *product_login()))
