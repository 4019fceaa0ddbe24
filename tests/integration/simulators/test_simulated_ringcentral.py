"""The simulated RingCentral against its documentation: logins, every refusal byte by byte, overrides, paging, data."""

import asyncio
import base64
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import aiohttp
import pytest
from ringcentral import SDK
from ringcentral.http.api_exception import ApiException

from proxy.simulators import Document, RingCentralSimulator, load_document
from proxy.simulators.ringcentral_accounts import RateLimit
from proxy.simulators.ringcentral_bodies import recording_content
from proxy.simulators.routes import shipped_catalog

TOKEN = "/restapi/oauth/token"
REVOKE = "/restapi/oauth/revoke"
CALL_LOG = "/restapi/v1.0/account/~/call-log"
EXTENSION = "/restapi/v1.0/account/~/extension/~"
RECORDING = "/restapi/v1.0/account/~/recording/500001"
JWT = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "demo-jwt-amy"}

READ_CALL_LOG_MISSING = b"""{
  "errorCode": "InsufficientPermissions",
  "message": "In order to call this API endpoint, application needs to have [ReadCallLog] permission",
  "errors": [
    {
      "errorCode": "CMN-401",
      "message": "In order to call this API endpoint, application needs to have [ReadCallLog] permission",
      "permissionName": "ReadCallLog"
    }
  ],
  "permissionName": "ReadCallLog"
}"""
COMPANY_CALL_LOG_MISSING = b"""{
  "errorCode": "CMN-408",
  "message": "In order to call this API endpoint, user needs to have [FullCompanyCallLog] permission for requested resource.",
  "errors": [
    {
      "errorCode": "CMN-408",
      "message": "In order to call this API endpoint, user needs to have [FullCompanyCallLog] permission for requested resource.",
      "permissionName": "FullCompanyCallLog"
    }
  ],
  "permissionName": "FullCompanyCallLog"
}"""
RATE_EXCEEDED = b"""{
  "errorCode": "CMN-301",
  "message": "Request rate exceeded",
  "errors": [
    {
      "errorCode": "CMN-301",
      "message": "Request rate exceeded"
    }
  ]
}"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def basic_header(credentials: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(":".join(credentials).encode()).decode()}


class Caller:
    """A client of one simulator; every answer comes back read."""

    def __init__(self, simulator: RingCentralSimulator, session: aiohttp.ClientSession) -> None:
        self.simulator, self._session = simulator, session

    async def send(self, method: str, path: str, token: str = "", **options: Any) -> tuple[int, bytes, Any]:
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        headers |= basic_header(options.pop("basic")) if "basic" in options else {}
        url = self.simulator.base_url + path
        async with self._session.request(method, url, headers=headers, allow_redirects=False, **options) as response:
            return response.status, await response.read(), response

    async def login(self, app: str, form: dict[str, str] = JWT) -> dict[str, Any]:
        status, _, response = await self.send("POST", TOKEN, data=form, basic=(app, f"{app}-secret"))
        assert status == 200
        document: dict[str, Any] = await response.json()
        return document

    async def token(self, app: str, form: dict[str, str] = JWT) -> str:
        return str((await self.login(app, form))["access_token"])


@cache
def catalog() -> Document:
    return load_document(shipped_catalog("ringcentral"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def caller(clock: Clock) -> AsyncIterator[Caller]:
    simulator = RingCentralSimulator(catalog(), seed=1, clock=clock)
    async with simulator, aiohttp.ClientSession() as session:
        yield Caller(simulator, session)


# --- logins ---------------------------------------------------------------------------------------------------------


async def test_a_token_response_has_the_documented_members_and_the_scopes_as_registered(caller: Caller) -> None:
    document = await caller.login("demo-recorder")
    assert list(document) == [
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "refresh_token_expires_in",
        "owner_id",
        "endpoint_id",
        "session_id",
    ]
    assert (document["token_type"], document["expires_in"]) == ("bearer", 3600)
    assert document["scope"] == "ReadCallRecording ReadAccounts"


async def test_every_grant_type_logs_in(caller: Caller) -> None:
    code = caller.simulator.authorize("demo-reader", "ben@example.com")
    password = {"grant_type": "password", "username": "ben@example.com", "password": "demo-password-ben"}
    owners = {
        (await caller.login("demo-reader", form))["owner_id"] for form in (password, {"grant_type": "authorization_code", "code": code})
    }
    assert owners == {"101002"}
    assert (await caller.login("demo-reader"))["owner_id"] == "101001"


@pytest.mark.parametrize(
    ("form", "secret", "status", "error", "code"),
    [
        (JWT, "wrong", 401, "invalid_client", "OAU-153"),
        (JWT | {"assertion": "wrong"}, "demo-reader-secret", 400, "invalid_grant", "OAU-103"),
        ({"grant_type": "password", "username": "amy@example.com"}, "demo-reader-secret", 400, "invalid_grant", "OAU-140"),
        ({"grant_type": "authorization_code", "code": "wrong"}, "demo-reader-secret", 400, "invalid_grant", "OAU-102"),
        ({"grant_type": "refresh_token", "refresh_token": "wrong"}, "demo-reader-secret", 400, "invalid_grant", "OAU-213"),
        ({"grant_type": "magic"}, "demo-reader-secret", 400, "unsupported_grant_type", "OAU-250"),
    ],
)
async def test_a_bad_login_is_refused(caller: Caller, form: dict[str, str], secret: str, status: int, error: str, code: str) -> None:
    got, _, response = await caller.send("POST", TOKEN, data=form, basic=("demo-reader", secret))
    document = await response.json()
    assert (got, document["error"], document["errors"][0]["errorCode"]) == (status, error, code)


async def test_an_authorization_code_comes_from_the_authorize_page_and_works_once(caller: Caller) -> None:
    query = "?response_type=code&client_id=demo-reader&redirect_uri=http://app.example/back&state=s1"
    status, _, response = await caller.send("GET", "/restapi/oauth/authorize" + query)
    location = response.headers["Location"]
    code = location.partition("code=")[2].partition("&")[0]
    assert status == 302
    assert location == f"http://app.example/back?code={code}&state=s1"
    form = {"grant_type": "authorization_code", "code": code}
    await caller.login("demo-reader", form)
    status, _, _ = await caller.send("POST", TOKEN, data=form, basic=("demo-reader", "demo-reader-secret"))
    assert status == 400


async def test_a_refresh_ends_the_old_access_token_at_once_and_spends_the_refresh_token(caller: Caller) -> None:
    first = await caller.login("demo-archiver")
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = await caller.login("demo-archiver", form)
    assert second["session_id"] == first["session_id"]
    assert (await caller.send("GET", CALL_LOG, first["access_token"]))[0] == 401
    assert (await caller.send("GET", CALL_LOG, second["access_token"]))[0] == 200
    status, _, _ = await caller.send("POST", TOKEN, data=form, basic=("demo-archiver", "demo-archiver-secret"))
    assert status == 400


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_session(caller: Caller, which: str) -> None:
    login = await caller.login("demo-archiver")
    basic = ("demo-archiver", "demo-archiver-secret")
    assert (await caller.send("POST", REVOKE, data={"token": login[which]}, basic=basic))[0] == 200
    assert (await caller.send("GET", CALL_LOG, login["access_token"]))[0] == 401
    form = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
    assert (await caller.send("POST", TOKEN, data=form, basic=basic))[0] == 400


# --- 401 ------------------------------------------------------------------------------------------------------------


async def test_the_refusals_of_absent_unreadable_and_stale_tokens(caller: Caller, clock: Clock) -> None:
    token = await caller.token("demo-archiver")
    clock.now += 3600
    answers = [
        await caller.send("GET", CALL_LOG),
        await caller.send("GET", CALL_LOG, headers={"Authorization": "Digest x"}),
        await caller.send("GET", CALL_LOG, "not-one-of-ours"),
        await caller.send("GET", CALL_LOG, token),
    ]
    assert [status for status, _, _ in answers] == [401] * 4
    documents = [await response.json() for _, _, response in answers]
    assert [(document["errorCode"], document["errors"][0]["errorCode"]) for document in documents] == [
        ("AGW-401", "AGW-401"),
        ("AGW-402", "AGW-402"),
        ("TokenInvalid", "OAU-149"),
        ("TokenInvalid", "OAU-129"),
    ]


async def test_a_token_is_read_from_the_query_and_after_a_scheme_in_any_case(caller: Caller) -> None:
    token = await caller.token("demo-archiver")
    assert (await caller.send("GET", f"{CALL_LOG}?access_token={token}"))[0] == 200
    assert (await caller.send("GET", CALL_LOG, headers={"Authorization": f"bEARER {token}"}))[0] == 200


# --- 403 and 429 ----------------------------------------------------------------------------------------------------


async def test_a_missing_app_permission_is_refused_exactly_as_documented(caller: Caller) -> None:
    status, body, response = await caller.send("GET", CALL_LOG, await caller.token("demo-reader"))
    assert (status, body) == (403, READ_CALL_LOG_MISSING)
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("app", "path", "status", "missing"),
    [
        ("demo-lister", CALL_LOG, 200, None),
        ("demo-lister", EXTENSION + "/call-log", 200, None),
        ("demo-lister", EXTENSION + "/active-calls", 200, None),
        ("demo-lister", RECORDING, 403, "ReadCallRecording"),
        ("demo-lister", RECORDING + "/content", 403, "ReadCallRecording"),
        ("demo-reader", EXTENSION + "/call-log", 403, "ReadCallLog"),
        ("demo-reader", EXTENSION + "/active-calls", 403, "ReadCallLog"),
        ("demo-recorder", CALL_LOG, 200, None),
        ("demo-recorder", RECORDING, 200, None),
        ("demo-recorder", RECORDING + "/content", 200, None),
    ],
)
async def test_the_documented_call_log_table(caller: Caller, app: str, path: str, status: int, missing: str | None) -> None:
    got, _, response = await caller.send("GET", path, await caller.token(app))
    named = (await response.json()).get("permissionName") if got == 403 else None
    assert (got, named) == (status, missing)


async def test_a_vendor_that_does_not_expand_scopes_refuses_the_included_one() -> None:
    async with RingCentralSimulator(catalog(), honours_included=False) as simulator, aiohttp.ClientSession() as session:
        caller = Caller(simulator, session)
        assert (await caller.send("GET", CALL_LOG, await caller.token("demo-recorder")))[0] == 403


async def test_a_missing_user_permission_is_refused_until_the_role_changes(caller: Caller) -> None:
    token = await caller.token("demo-archiver", JWT | {"assertion": "demo-jwt-ben"})
    status, body, _ = await caller.send("GET", CALL_LOG, token)
    assert (status, body) == (403, COMPANY_CALL_LOG_MISSING)
    caller.simulator.set_lacking_permissions("ben@example.com", ())
    assert (await caller.send("GET", CALL_LOG, token))[0] == 200


async def test_new_scopes_need_a_new_token(caller: Caller) -> None:
    old = await caller.token("demo-reader")
    caller.simulator.set_scope("demo-reader", "ReadAccounts ReadCallLog")
    assert (await caller.send("GET", CALL_LOG, old))[0] == 403
    assert (await caller.send("GET", CALL_LOG, await caller.token("demo-reader")))[0] == 200


async def test_a_scope_can_be_struck_from_a_living_token(caller: Caller) -> None:
    token = await caller.token("demo-lister")
    caller.simulator.strike_scope(token, "ReadCallLog")
    assert (await caller.send("GET", CALL_LOG, token))[0] == 403


async def test_requests_beyond_the_rate_are_refused_and_restart_the_penalty(caller: Caller, clock: Clock) -> None:
    caller.simulator.rate_limit = RateLimit(limit=1, window_s=60)
    token = await caller.token("demo-archiver")
    _, _, served = await caller.send("GET", CALL_LOG, token)
    assert (served.headers["X-Rate-Limit-Limit"], served.headers["X-Rate-Limit-Remaining"]) == ("1", "0")
    status, body, response = await caller.send("GET", CALL_LOG, token)
    assert (status, body) == (429, RATE_EXCEEDED)
    assert (response.headers["Retry-After"], response.headers["X-Rate-Limit-Window"]) == ("60", "60")
    statuses = []
    for wait in (59, 59, 61):
        clock.now += wait
        statuses.append((await caller.send("GET", CALL_LOG, token))[0])
    assert statuses == [429, 429, 200]


# --- effective methods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?_method=DELETE", {}, 204),
        ("", {"X-HTTP-Method-Override": "DELETE"}, 204),
        ("?_method=DELETE", {"X-HTTP-Method-Override": "DELETE"}, 204),
        ("?_method=GET", {"X-HTTP-Method-Override": "DELETE"}, 400),
        ("?_method=PUT", {}, 200),
    ],
)
async def test_a_post_is_what_its_override_says(caller: Caller, query: str, headers: dict[str, str], status: int) -> None:
    token = await caller.token("demo-admin")
    path = EXTENSION + "/message-store/1" + query
    assert (await caller.send("POST", path, token, headers=headers))[0] == status


async def test_an_override_counts_for_the_permission_and_only_on_post(caller: Caller) -> None:
    override = {"X-HTTP-Method-Override": "DELETE"}
    path = EXTENSION + "/message-store/1"
    status, _, response = await caller.send("POST", path, await caller.token("demo-reader"), headers=override)
    assert (status, (await response.json())["permissionName"]) == (403, "EditMessages")
    status, body, _ = await caller.send("GET", path, await caller.token("demo-admin"), headers=override)
    assert (status, b'"id": "1"' in body) == (200, True)


# --- data -----------------------------------------------------------------------------------------------------------


async def test_the_call_log_pages_and_links_to_the_public_hosts(caller: Caller) -> None:
    token = await caller.token("demo-archiver")
    first, last = [await (await caller.send("GET", f"{CALL_LOG}?perPage=2&page={page}", token))[2].json() for page in (1, 2)]
    assert [len(page["records"]) for page in (first, last)] == [2, 1]
    assert first["paging"] == {"page": 1, "totalPages": 2, "perPage": 2, "totalElements": 3}
    assert first["navigation"]["nextPage"]["uri"] == f"https://platform.ringcentral.com{CALL_LOG}?page=2&perPage=2"
    assert "nextPage" not in last["navigation"]
    assert first["records"][0]["recording"]["contentUri"].startswith("https://media.ringcentral.com/restapi/v1.0/account/")


async def test_links_can_name_the_simulator_and_lead_to_the_recording() -> None:
    simulator = RingCentralSimulator(catalog(), link_base=None, media_link_base=None, recording_bytes=200_000)
    async with simulator, aiohttp.ClientSession() as session:
        caller = Caller(simulator, session)
        token = await caller.token("demo-archiver")
        log = await (await caller.send("GET", CALL_LOG, token))[2].json()
        link = log["records"][0]["recording"]["contentUri"].removeprefix(simulator.base_url)
        status, body, response = await caller.send("GET", link, token)
    assert (status, response.headers["Content-Type"], response.headers["Content-Length"]) == (200, "audio/mpeg", "200000")
    assert body == recording_content(200_000)


async def test_head_has_the_length_and_no_body(caller: Caller) -> None:
    token = await caller.token("demo-archiver")
    status, body, response = await caller.send("HEAD", RECORDING + "/content", token)
    assert (status, body, response.headers["Content-Length"]) == (200, b"", "4096")


async def test_bulk_ids_are_answered_part_by_part(caller: Caller) -> None:
    status, body, response = await caller.send("GET", EXTENSION + "/message-store/1,0", await caller.token("demo-admin"))
    assert status == 207
    assert response.content_type == "multipart/mixed"
    assert b'{"response": [{"status": 200}, {"status": 404}]}' in body
    assert (await caller.send("GET", EXTENSION + "/message-store/1,0", await caller.token("demo-reader")))[0] == 403


async def test_a_literal_segment_beats_a_parameter(caller: Caller) -> None:
    token = await caller.token("demo-reader")
    status, _, response = await caller.send("GET", "/restapi/v1.0/account/~/user-role/default", token)
    assert (status, (await response.json())["permissionName"]) == (403, "RoleManagement")
    assert (await caller.send("GET", "/restapi/v1.0/account/~/user-role/7", token))[0] == 200


async def test_an_unknown_route_is_the_vendors_own_404(caller: Caller) -> None:
    status, _, response = await caller.send("GET", "/restapi/v1.0/no-such-thing", await caller.token("demo-reader"))
    assert (status, (await response.json())["errorCode"]) == (404, "CMN-102")


async def test_every_catalogued_operation_is_served_to_a_token_that_has_every_scope(caller: Caller) -> None:
    operations = catalog().operations
    scopes = {name for operation in operations for alternative in operation.requires or () for name in alternative}
    caller.simulator.set_scope("demo-admin", " ".join(scopes))
    token = await caller.token("demo-admin")
    api = [operation for operation in operations if operation.auth != "client"]
    statuses = {(await caller.send(operation.method, operation.template, token))[0] for operation in api}
    assert len(api) >= 518
    assert statuses == {200, 204}


# --- the public client ----------------------------------------------------------------------------------------------


async def test_the_public_python_client_logs_in_reads_the_call_log_refreshes_and_logs_out(caller: Caller) -> None:
    platform = SDK("demo-archiver", "demo-archiver-secret", caller.simulator.base_url).platform()

    def use() -> int:
        platform.login(jwt="demo-jwt-amy")
        platform.refresh()
        records = len(platform.get(CALL_LOG).json_dict()["records"])
        platform.logout()
        return records

    assert await asyncio.to_thread(use) == 3


async def test_the_public_python_client_is_told_what_is_missing(caller: Caller) -> None:
    platform = SDK("demo-reader", "demo-reader-secret", caller.simulator.base_url).platform()

    def use() -> None:
        platform.login(jwt="demo-jwt-amy")
        platform.get(CALL_LOG)

    with pytest.raises(ApiException, match=r"needs to have \[ReadCallLog\] permission"):
        await asyncio.to_thread(use)
