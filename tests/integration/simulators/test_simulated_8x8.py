"""The simulated 8x8 against its documentation: two logins, every refusal byte by byte, paging, an administrator's change."""

import base64
import json
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import aiohttp
import pytest

from proxy.simulators import Document, EightByEightSimulator, load_document
from proxy.simulators.eightbyeight import REFUSAL_SHAPES
from proxy.simulators.routes import shipped_catalog

LOGIN = "/analytics/work/v1/oauth/token"
RECORDS = "/analytics/work/v2/call-records"
PERIOD = "&startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
KEY = {"8x8-apikey": "demo-8x8-apikey"}
NOW = 1_795_636_800.0
TIME = "2026-11-25T20:00:00.000+00:00"
NO_CATEGORY = b"user(reporting@example.com) does not have access to api category(CDR) for pbxId([acmecorp])."
REFUSAL_BODIES = {
    "plain": b'{"status":400,"code":"105-400-038","message":"' + NO_CATEGORY + b'"}',
    "message-first": b'{"status":400,"message":"' + NO_CATEGORY + b'","code":"105-400-038"}',
    "without-status": b'{"code":"105-400-038","message":"' + NO_CATEGORY + b'"}',
    "spring": b'{"timeStamp":"%s","status":400,"error":"Bad Request","exception":"%s","message":"%s","code":"105-400-038","path":"%s"}'
    % (TIME.encode(), NO_CATEGORY, NO_CATEGORY, RECORDS.encode()),
}


def basic_header(credentials: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(":".join(credentials).encode()).decode()}


class Caller:
    """A client of one simulator; every answer comes back read."""

    def __init__(self, simulator: EightByEightSimulator, session: aiohttp.ClientSession) -> None:
        self.simulator, self._session = simulator, session

    async def send(self, method: str, path: str, token: str = "", **options: Any) -> tuple[int, bytes]:
        headers = options.pop("headers", KEY) | ({"Authorization": f"Bearer {token}"} if token else {})
        headers |= basic_header(options.pop("basic")) if "basic" in options else {}
        async with self._session.request(method, self.simulator.base_url + path, headers=headers, **options) as response:
            return response.status, await response.read()

    async def login(self, user: str, password: str | None = None) -> tuple[int, dict[str, Any]]:
        form = {"username": f"{user}@example.com", "password": password or f"demo-password-{user}"}
        status, body = await self.send("POST", LOGIN, data=form)
        return status, json.loads(body)

    async def token(self, user: str) -> str:
        return str((await self.login(user))[1]["access_token"])

    async def product_token(self, client: str) -> dict[str, Any]:
        basic = (client, f"{client}-secret")
        status, body = await self.send("POST", "/oauth/v2/token", headers={}, data={"grant_type": "client_credentials"}, basic=basic)
        assert status == 200
        document: dict[str, Any] = json.loads(body)
        return document


@cache
def catalog() -> Document:
    return load_document(shipped_catalog("8x8"))


def simulator(**options: Any) -> EightByEightSimulator:
    return EightByEightSimulator(catalog(), seed=1, **({"clock": lambda: NOW} | options))


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with simulator() as running, aiohttp.ClientSession() as session:
        yield Caller(running, session)


# --- logins ---------------------------------------------------------------------------------------------------------


async def test_a_token_response_has_exactly_three_members_and_the_token_claims_no_scope(caller: Caller) -> None:
    status, document = await caller.login("reporting")
    payload = document["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (status, list(document)) == (200, ["access_token", "token_type", "expires_in"])
    assert (document["token_type"], document["expires_in"]) == ("bearer", 1800)
    assert not {"scope", "scp", "roles"} & set(claims)


async def test_a_wrong_password_is_an_invalid_grant(caller: Caller) -> None:
    status, document = await caller.login("reporting", "wrong")
    assert (status, document["error"]) == (400, "invalid_grant")


async def test_a_wrong_api_key_is_refused_at_login_and_on_every_call(caller: Caller) -> None:
    token = await caller.token("supervisor")
    answers = [
        await caller.send("POST", LOGIN, headers={"8x8-apikey": "wrong"}, data={}),
        await caller.send("GET", f"{RECORDS}?pbxId=acmecorp{PERIOD}", token, headers={}),
    ]
    assert answers == [(400, b'{"status":400,"message":"Invalid API Key","code":"SHA001"}')] * 2


async def test_absent_unknown_and_expired_tokens_are_invalid() -> None:
    now = [NOW]
    async with simulator(clock=lambda: now[0]) as running, aiohttp.ClientSession() as session:
        caller = Caller(running, session)
        token = await caller.token("supervisor")
        now[0] += 1800
        answers = [await caller.send("GET", RECORDS, sent) for sent in ("", "unknown", token)]
    assert [(status, json.loads(body)["error"]) for status, body in answers] == [(401, "invalid_token")] * 3
    assert token.encode() in answers[2][1]


async def test_the_other_products_login_tells_the_products_and_no_scope(caller: Caller) -> None:
    document = await caller.product_token("demo-quality")
    assert (document["scope"], document["expires_in"]) == ("", "86399")
    assert document["api_product_list"] == "[QM - API, storage, analytics realtime-api]"
    assert document["api_product_list_json"] == ["QM - API", "storage", "analytics realtime-api"]


async def test_a_product_token_opens_its_products_only(caller: Caller) -> None:
    token = (await caller.product_token("demo-chat"))["access_token"]
    assert (await caller.send("GET", "/vcc/eu/chat/v2/tenant/t1/channels", token, headers={}))[0] == 200
    status, body = await caller.send("GET", "/storage/eu/v3/objects", token, headers={})
    assert (status, b"InvalidAPICallAsNoApiProductMatchFound" in body) == (401, True)
    assert (await caller.send("GET", f"{RECORDS}?pbxId=acmecorp{PERIOD}", token))[0] == 401


async def test_a_wrong_client_gets_no_product_token(caller: Caller) -> None:
    basic = ("demo-chat", "wrong")
    status, _ = await caller.send("POST", "/oauth/v2/token", headers={}, data={"grant_type": "client_credentials"}, basic=basic)
    assert status == 401


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", REFUSAL_SHAPES)
async def test_a_missing_category_is_105_400_038_in_the_chosen_shape(shape: str) -> None:
    async with simulator(refusal_shape=shape) as running, aiohttp.ClientSession() as session:
        caller = Caller(running, session)
        answer = await caller.send("GET", f"{RECORDS}?pbxId=acmecorp{PERIOD}", await caller.token("reporting"))
    assert answer == (400, REFUSAL_BODIES[shape])


async def test_a_pbx_that_is_not_granted_is_403_on_historical_endpoints(caller: Caller) -> None:
    message = "user(west@example.com) does not have access to pbxId(acmecorp) to make this request."
    answer = await caller.send("GET", f"{RECORDS}?pbxId=acmecorp{PERIOD}", await caller.token("west"))
    text = f'"status":403,"error":"Access Denied","exception":"{message}","message":"{message}","path":"{RECORDS}"'
    assert answer == (403, f'{{"timeStamp":"{TIME}",{text}}}'.encode())


async def test_a_pbx_that_is_not_granted_is_403_with_messages_below_pbxes(caller: Caller) -> None:
    path = "/analytics/work/v2/pbxes/pbx-id-acmecorp/calls"
    token = await caller.token("west")
    message = "user [west@example.com] does not have access to pbxId [pbx-id-acmecorp] to make this request."
    body = f'{{"timestamp":"{TIME}","status":403,"messages":["{message}"],"path":"{path}"}}'
    assert await caller.send("GET", path, token) == (403, body.encode())
    assert (await caller.send("GET", path.replace("acmecorp", "acmewest"), token))[0] == 200


@pytest.mark.parametrize(
    ("user", "pbxes", "status"),
    [
        ("reporting", "acmewest", 200),
        ("reporting", "acmewest,acmecorp", 400),
        ("reporting", "acmewest,elsewhere", 403),
        ("reporting", "allpbxes", 400),
        ("supervisor", "acmewest,acmecorp", 200),
        ("supervisor", "allpbxes", 200),
        ("west", "allpbxes", 200),
        ("west", "acmewest,acmecorp", 403),
    ],
)
async def test_one_pbx_without_access_refuses_the_whole_list(caller: Caller, user: str, pbxes: str, status: int) -> None:
    assert (await caller.send("GET", f"{RECORDS}?pbxId={pbxes}{PERIOD}", await caller.token(user)))[0] == status


async def test_an_endpoint_without_a_category_looks_at_the_pbx_only(caller: Caller) -> None:
    token = await caller.token("reporting")
    assert (await caller.send("GET", f"/analytics/work/v2/extsum?pbxId=acmecorp{PERIOD}", token))[0] == 200


async def test_a_category_can_be_put_on_any_endpoint() -> None:
    hidden = {"/analytics/work/v2/extsum": "EXTSUM"}
    async with simulator(categories=hidden) as running, aiohttp.ClientSession() as session:
        caller = Caller(running, session)
        status, body = await caller.send("GET", f"/analytics/work/v2/extsum?pbxId=acmecorp{PERIOD}", await caller.token("supervisor"))
    assert (status, b"category(EXTSUM)" in body) == (400, True)


async def test_an_administrators_change_counts_at_once_for_a_living_token(caller: Caller) -> None:
    token, path = await caller.token("reporting"), f"{RECORDS}?pbxId=acmecorp{PERIOD}"
    statuses = [(await caller.send("GET", path, token))[0]]
    for categories in (["CDR"], [], None):
        caller.simulator.set_access("reporting@example.com", "acmecorp", categories)
        statuses.append((await caller.send("GET", path, token))[0])
    assert statuses == [400, 200, 400, 403]


# --- data -----------------------------------------------------------------------------------------------------------


async def test_the_list_of_pbxes_maps_ids_to_the_names_granted(caller: Caller) -> None:
    status, body = await caller.send("GET", "/analytics/work/v2/pbxes/", await caller.token("west"))
    assert (status, json.loads(body)) == (200, {"_embedded": {"pbxList": [{"id": "pbx-id-acmewest", "name": "acmewest"}]}})


async def test_call_records_are_paged_by_scroll_id(caller: Caller) -> None:
    token, scroll, calls, scrolls = await caller.token("supervisor"), "", [], []
    while scroll != "No Data":
        _, body = await caller.send("GET", f"{RECORDS}?pbxId=acmecorp{PERIOD}&pageSize=50&scrollId={scroll}", token)
        page = json.loads(body)
        scroll = page["meta"]["scrollId"]
        scrolls.append(scroll)
        calls += [record["callId"] for record in page["data"]]
    assert (len(set(calls)), len(calls), len(scrolls)) == (120, 120, 3)


@pytest.mark.parametrize("query", ["", "&startTime=x&endTime=y", PERIOD + "&pageSize=7001", PERIOD + "&pageSize=0"])
async def test_bad_parameters_are_400_and_not_a_permission_refusal(caller: Caller, query: str) -> None:
    status, body = await caller.send("GET", f"{RECORDS}?pbxId=acmecorp{query}", await caller.token("supervisor"))
    assert (status, b"105-400-038" in body) == (400, False)


async def test_every_catalogued_operation_is_served(caller: Caller) -> None:
    analytics = await caller.token("supervisor")
    products = [(await caller.product_token(client))["access_token"] for client in ("demo-chat", "demo-quality")]
    statuses = {}
    for operation in catalog().operations:
        path = operation.template.replace("{pbxId}", "pbx-id-acmecorp") + f"?pbxId=acmecorp{PERIOD}"
        is_analytics = path.startswith("/analytics/work/")
        tokens = [analytics] if is_analytics else products
        headers = KEY if is_analytics else {}
        statuses[operation.id] = min([(await caller.send(operation.method, path, token, headers=headers))[0] for token in tokens])
    refused = {name for name, status in statuses.items() if status not in (200, 204)}
    logins = {operation.id for operation in catalog().operations if operation.auth == "client"}
    assert len(statuses) >= 97
    assert refused <= logins
