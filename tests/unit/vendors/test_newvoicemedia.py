from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.credentials import Secret
from proxy.model import Auth, Grants, Lack, NotKnown, OneOf, Operation, Reason, RefusalTemplate, Source, TokenEndpoint
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.facts import Fact, Lacks, ShapeSeen, UserAccess
from proxy.vendors.newvoicemedia import NewVoiceMedia
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Verdict, Watch
from tests.unit.vendors.support import basic, denial, issued, jwt, lacks, sample, sample_object, seen, shape, target

USER_ID = "895db16f-5270-6ef8-e173-10ea365aefcc"
USERS = "/useradmin/users"
ACCESS = f"/useradmin/users/{USER_ID}/permissions/accessPermissions"
LOGIN = "/Auth/connect/token"
ANY_OF = OneOf((("users:read",), ("users:write",), ("self:read",)))
ROUTE = "/useradmin/users/{userId}/permissions/accessPermissions"
OPERATIONS = (
    Operation("newvoicemedia", "users", "GET", USERS, OneOf((("users:read",), ("users:write",)))),
    Operation("newvoicemedia", "user", "GET", "/useradmin/users/{userId}", ANY_OF, partial=frozenset({"self:read"})),
    Operation("newvoicemedia", "access", "GET", ROUTE, ANY_OF),
    Operation("newvoicemedia", "set-access", "PATCH", ROUTE, OneOf((("users:write",),))),
    Operation("newvoicemedia", "both", "GET", "/both", OneOf((("stats", "admin:read"), ("globalpci",)))),
    Operation("newvoicemedia", "unknown", "GET", "/unknown", NotKnown()),
    Operation("newvoicemedia", "renamed-login", "POST", "/renamed/token", OneOf((("x",),)), auth=Auth.CLIENT),
)
CATALOG = compile_catalog("newvoicemedia", OPERATIONS)
VENDOR = NewVoiceMedia("newvoicemedia", CATALOG)
ASKING = {"grant_type": "client_credentials", "scope": "users:read stats", "client_id": "app"}


def login(
    form: Mapping[str, str] | bytes = ASKING,
    changes: Mapping[str, object] | None = None,
    *,
    raw: str = LOGIN,
    headers: Mapping[str, bytes] | None = None,
    vendor: NewVoiceMedia = VENDOR,
) -> tuple[Fact, ...]:
    body = {**sample_object("newvoicemedia/token.json"), **(changes or {})}
    return vendor.learn(seen(vendor, "POST", raw, 200, body, form=form, headers=headers))


# --- logins ---


@pytest.mark.parametrize(
    ("method", "raw", "watch"),
    [
        ("POST", LOGIN, EVERY_BODY),
        ("POST", "/auth/connect/token", NO_WATCH),
        ("GET", LOGIN, NO_WATCH),
        ("POST", "/renamed/token", EVERY_BODY),
        ("GET", ACCESS, Watch(response=True)),
        ("PATCH", ACCESS, NO_WATCH),
        ("POST", USERS, NO_WATCH),
        ("GET", USERS, NO_WATCH),
    ],
)
def test_logins_and_access_permissions_are_watched(method: str, raw: str, watch: Watch) -> None:
    where = target(raw)
    assert VENDOR.watch(method, where, CATALOG.find(method, where.path)) == watch


@pytest.mark.parametrize("raw", [LOGIN, "/renamed/token"])
def test_without_a_scope_in_the_answer_the_token_has_what_was_asked_for(raw: str) -> None:
    fact = issued(login(raw=raw))
    assert fact.grants == Grants(scopes=frozenset({"users:read", "stats"}), complete=True)
    assert fact.source is Source.TOKEN_REQUEST
    assert fact.subject == "app"
    assert fact.expires_in == 7200


def test_a_scope_in_the_answer_outranks_the_one_asked_for() -> None:
    fact = issued(login(changes={"scope": "stats"}))
    assert fact.grants == Grants(scopes=frozenset({"stats"}), complete=True)
    assert fact.source is Source.TOKEN_RESPONSE


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ({"grant_type": "client_credentials"}, {}),
        ({"grant_type": "client_credentials", "scope": ""}, {}),
        ({"grant_type": "password", "scope": "stats"}, {}),
        ({"scope": "stats"}, {}),
        (ASKING, {"scope": ""}),
    ],
)
def test_otherwise_nothing_is_known_of_its_scopes(form: Mapping[str, str], changes: Mapping[str, object]) -> None:
    fact = issued(login(form, changes))
    assert fact.grants == Grants()
    assert fact.source is Source.NONE


def test_a_catalogue_may_say_that_logins_tell_nothing() -> None:
    vendor = NewVoiceMedia("n", replace(CATALOG, token_endpoints=(TokenEndpoint("/t", scope_from="none"),)))
    assert issued(login(raw="/t", vendor=vendor)).grants == Grants()
    assert issued(login({"grant_type": "password", "scope": "a"}, {"scope": "b"}, raw="/t", vendor=vendor)).grants == Grants()


def test_a_missing_life_time_is_the_documented_one() -> None:
    body = sample_object("newvoicemedia/token.json")
    del body["expires_in"]
    assert issued(VENDOR.learn(seen(VENDOR, "POST", LOGIN, 200, body, form=ASKING))).expires_in == 7200


@pytest.mark.parametrize(
    ("form", "headers", "subject"),
    [
        ({"grant_type": "client_credentials", "scope": "a"}, {"authorization": basic("my%20app")}, "my app"),
        ({"client_id": "app"}, {"authorization": basic("app")}, "app"),
        ({"client_id": "app"}, {"authorization": b"Basic ###"}, "app"),
        ({"client_id": "app"}, {"authorization": b"Basic YWJj"}, "app"),
        ({"client_id": "app"}, {"authorization": b"Bearer abc"}, "app"),
        ({"scope": "a"}, {}, ""),
    ],
)
def test_the_client_is_the_subject(form: Mapping[str, str], headers: Mapping[str, bytes], subject: str) -> None:
    assert issued(login(form, headers=headers)).subject == subject


@pytest.mark.parametrize(
    ("form", "changes", "headers"),
    [
        (ASKING, {}, {"authorization": basic("another")}),
        (ASKING, {"access_token": "\n"}, {}),
        (ASKING, {"token_type": "mac"}, {}),
        (ASKING, {"expires_in": "7200"}, {}),
        (ASKING, {"scope": 7}, {}),
        ({**ASKING, "scope": "users:\u00e9"}, {}, {}),
        (b"grant_type=client_credentials&scope=a&scope=b", {}, {}),
    ],
)
def test_a_doubtful_login_teaches_nothing(
    form: Mapping[str, str] | bytes, changes: Mapping[str, object], headers: Mapping[str, bytes]
) -> None:
    assert login(form, changes, headers=headers) == ()


def test_a_failed_login_teaches_nothing() -> None:
    assert VENDOR.learn(seen(VENDOR, "POST", LOGIN, 400, {"error": "invalid_scope"}, form=ASKING)) == ()


# --- tokens that tell their scopes themselves ---


@pytest.mark.parametrize(
    ("claims", "scopes", "seconds"),
    [
        ({"scope": "users:read stats"}, {"users:read", "stats"}, 7200),
        ({"scope": ["users:read"], "exp": 1_000_600, "iat": 1_000_000}, {"users:read"}, 600),
        ({"scp": ["stats"], "exp": 5, "iat": 9}, {"stats"}, 7200),
        ({"scp": "a", "scope": "a", "exp": 10**9, "iat": 0}, {"a"}, 7 * 24 * 3600),
        ({"scope": "a", "exp": "later", "iat": 0}, {"a"}, 7200),
    ],
)
def test_a_jwt_may_carry_its_scopes(claims: Mapping[str, object], scopes: set[str], seconds: float) -> None:
    fact = VENDOR.knowledge_in_token(Secret(jwt(claims)))
    assert fact is not None
    assert fact.grants == Grants(scopes=frozenset(scopes), complete=True)
    assert fact.source is Source.TOKEN_CLAIM
    assert fact.expires_in == seconds
    assert fact.subject == ""


@pytest.mark.parametrize(
    "token",
    [
        b"opaque",
        b"a.b",
        b"e30.e30.e30.e30",
        jwt({}),
        jwt({"scope": ""}),
        jwt({"scope": []}),
        jwt({"scope": 7}),
        jwt({"scope": "a", "scp": "b"}),
        jwt({"scope": ["a", 1]}),
        jwt(["scope"]),
        jwt({"scope": "a"}, header="none"),
        b"e30.e*0.c2ln",
        b"e30.e3.c2ln",
        b"e30." + b"A" * 5 + b".c2ln",
    ],
)
def test_another_token_tells_nothing(token: bytes) -> None:
    assert VENDOR.knowledge_in_token(Secret(token)) is None


# --- access permissions ---


def access(changes: Mapping[str, object] | None = None, raw: str = ACCESS, method: str = "GET", status: int = 200) -> tuple[Fact, ...]:
    body = {**sample_object("newvoicemedia/access-permissions.json"), **(changes or {})}
    return VENDOR.learn(seen(VENDOR, method, raw, status, body))


def test_the_documented_answer_tells_a_users_access_permissions() -> None:
    assert access() == (UserAccess(USER_ID, 1, 1, {"CPA_View": "Yes", "CPA_ACD": "Modify"}),)
    assert access({"meta": {"page": 2, "pageCount": 3}, "accessPermissions": []}) == (UserAccess(USER_ID, 2, 3, {}),)


def entry(key: object = "CPA_View", level: object = "Yes") -> dict[str, object]:
    return {"permissionKey": key, "permissionLevel": level}


@pytest.mark.parametrize(
    "changes",
    [
        {"userId": "2f9207ca-8922-4245-bfc5-d8f42939e29a"},
        {"userId": 7},
        {"meta": None},
        {"meta": {"page": "1", "pageCount": 1}},
        {"meta": {"page": 1, "pageCount": True}},
        {"meta": {"page": 2, "pageCount": 1}},
        {"meta": {"page": 0, "pageCount": 1}},
        {"meta": {"page": 1, "pageCount": 10**10}},
        {"accessPermissions": None},
        {"accessPermissions": [entry()] * 2},
        {"accessPermissions": [entry(key=f"k{number}") for number in range(5001)]},
        {"accessPermissions": ["CPA_View"]},
        {"accessPermissions": [entry(key=1)]},
        {"accessPermissions": [entry(key="a b")]},
        {"accessPermissions": [entry(level=1)]},
        {"accessPermissions": [entry(level="Everything")]},
    ],
)
def test_doubtful_access_permissions_teach_nothing(changes: Mapping[str, object]) -> None:
    assert access(changes) == ()


def test_only_a_successful_get_of_that_user_tells_access_permissions() -> None:
    assert access(status=206) == ()
    assert access(method="PATCH") == ()
    assert access(raw=f"/useradmin/users/{USER_ID}") == ()
    assert access({"userId": "a'b"}, raw="/useradmin/users/a'b/permissions/accessPermissions") == ()
    assert VENDOR.learn(seen(VENDOR, "GET", ACCESS, 200, b"[]")) == ()


def test_a_route_without_the_users_id_tells_nothing() -> None:
    mine = Operation("newvoicemedia", "mine", "GET", "/me/permissions/accessPermissions", ANY_OF)
    vendor = NewVoiceMedia("n", compile_catalog("newvoicemedia", (mine,)))
    body = sample("newvoicemedia/access-permissions.json")
    assert vendor.learn(seen(vendor, "GET", "/me/permissions/accessPermissions", 200, body)) == ()


# --- refusals ---


@pytest.mark.parametrize(
    ("raw", "status", "verdict"),
    [
        (USERS, 403, Verdict(ResponseKind.PERMISSION, about_scope=True)),
        ("/unknown", 403, Verdict(ResponseKind.OTHER_4XX)),
        ("/nowhere", 403, Verdict(ResponseKind.OTHER_4XX)),
        (USERS, 401, Verdict(ResponseKind.AUTH)),
        (USERS, 400, Verdict(ResponseKind.OTHER_4XX)),
        (USERS, 200, Verdict(ResponseKind.OK)),
    ],
)
def test_a_403_where_scopes_are_needed_is_a_permission_refusal(raw: str, status: int, verdict: Verdict) -> None:
    assert VENDOR.classify(seen(VENDOR, "GET", raw, status, sample("newvoicemedia/unauthorized.json"))) == verdict


def test_a_plain_403_proves_no_lack() -> None:
    assert lacks(VENDOR.learn(seen(VENDOR, "GET", USERS, 403, {"message": "Forbidden"}))) == []


@pytest.mark.parametrize(
    "body",
    [{"error": "insufficient_scope"}, {"message": "Insufficient scope."}, {"error_description": "a missing required scope", "error": "x"}],
)
def test_insufficient_scope_proves_that_no_scope_that_would_do_is_held(body: Mapping[str, object]) -> None:
    facts = lacks(VENDOR.learn(seen(VENDOR, "GET", USERS, 403, body)))
    assert facts == [Lacks(Lack("users:read")), Lacks(Lack("users:write"))]


def test_a_scope_for_ones_own_records_and_joint_scopes_stay_open() -> None:
    body = {"error": "insufficient_scope"}
    own = lacks(VENDOR.learn(seen(VENDOR, "GET", f"/useradmin/users/{USER_ID}", 403, body)))
    assert [fact.lack.scope for fact in own] == ["users:read", "users:write"]
    joint = lacks(VENDOR.learn(seen(VENDOR, "GET", "/both", 403, body)))
    assert [fact.lack.scope for fact in joint] == ["globalpci"]


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (USERS, 401, {"error": "insufficient_scope"}),
        ("/unknown", 403, {"error": "insufficient_scope"}),
        ("/nowhere", 403, {"error": "insufficient_scope"}),
        (USERS, 403, b"insufficient_scope"),
        (USERS, 403, None),
        (USERS, 403, {"message": "insufficient scope" + " " * 1000}),
        (USERS, 403, {"message": ["insufficient scope"]}),
    ],
)
def test_elsewhere_nothing_is_learned_from_a_refusal(raw: str, status: int, body: object) -> None:
    assert VENDOR.learn(seen(VENDOR, "GET", raw, status, body)) == ()


def test_a_refusal_that_speaks_of_access_shows_its_shape() -> None:
    body = {"message": "You do not have access", "statusCode": 403, "requestId": "a1b2", "docs": None}
    template = shape(VENDOR.learn(seen(VENDOR, "GET", ACCESS + "?limit=25", 403, body))).template
    assert template == RefusalTemplate(403, {"message": "You do not have access", "statusCode": 403, "docs": None})
    refusal = VENDOR.write_refusal(denial(VENDOR, "GET", USERS, (("users:read",), ("users:write",))), template)
    assert refusal.body == template.body


@pytest.mark.parametrize(
    "body",
    [
        {"message": "You cannot look at yourself"},
        {"message": "Access to users:read required"},
        {"message": f"No access to {USER_ID}"},
        {"message": "No access for region emea"},
        {"message": 403},
        {"error": "Forbidden"},
    ],
)
def test_a_refusal_that_is_about_one_caller_or_operation_shows_no_shape(body: Mapping[str, object]) -> None:
    facts = VENDOR.learn(seen(VENDOR, "GET", ACCESS + "?filter=emea", 403, body))
    assert [fact for fact in facts if isinstance(fact, ShapeSeen)] == []


# --- local answers ---


def test_a_denial_is_a_403_that_names_every_scope_that_would_do() -> None:
    refusal = VENDOR.write_refusal(denial(VENDOR, "GET", ACCESS, (("users:read",), ("users:write",), ("self:read",))), None)
    assert refusal.status == 403
    assert list(refusal.body) == ["message"]
    assert "users:read or users:write or self:read" in str(refusal.body["message"])


def test_the_catalogue_may_word_it() -> None:
    vendor = NewVoiceMedia("n", replace(CATALOG, refusal=RefusalTemplate(403, {"message": "no {scopes}"}, {"X-Need": "{scope}"})))
    refusal = vendor.write_refusal(denial(vendor, "GET", USERS, (("a", "b"),)), None)
    assert refusal.body == {"message": "no a b"}
    assert refusal.headers == {"X-Need": "a"}


def test_a_policy_refusal_cannot_be_taken_for_the_vendors() -> None:
    refusal = VENDOR.write_policy_refusal(denial(VENDOR, "GET", USERS, (), reason=Reason.POLICY, message="Not for this app"))
    assert refusal.status == 403
    assert refusal.body == {"message": "Not for this app", "code": "SCG-POLICY"}
    assert VENDOR.write_refusal(denial(VENDOR, "GET", USERS, ()), None).body["code"] == "SCG-POLICY"


def test_the_steps_name_the_scopes_and_the_login() -> None:
    steps = " ".join(VENDOR.remediation(denial(VENDOR, "GET", USERS, (("users:read",), ("users:write",)))))
    assert "users:read or users:write" in steps
    assert LOGIN in steps
