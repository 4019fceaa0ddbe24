"""The simulated NewVoiceMedia against its documentation: logins, any-of scopes, every refusal byte by byte, paging."""

import base64
import json
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import aiohttp
import pytest

from proxy.simulators import Document, NewVoiceMediaSimulator, load_document
from proxy.simulators.newvoicemedia import DEMO_USER, DEMO_USER_WITH_MANY
from proxy.simulators.routes import shipped_catalog

LOGIN = "/Auth/connect/token"
USER = f"/useradmin/users/{DEMO_USER}/permissions/accessPermissions"
MANY = f"/useradmin/users/{DEMO_USER_WITH_MANY}/permissions/accessPermissions"
ACCEPT = {"Accept": "application/vnd.newvoicemedia.v4+json"}


def basic_header(credentials: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(":".join(credentials).encode()).decode()}


class Caller:
    """A client of one simulator; every answer comes back read."""

    def __init__(self, simulator: NewVoiceMediaSimulator, session: aiohttp.ClientSession) -> None:
        self.simulator, self._session = simulator, session

    async def send(self, method: str, path: str, token: str = "", *, base: str = "", **options: Any) -> tuple[int, bytes]:
        headers = options.pop("headers", ACCEPT) | ({"Authorization": f"Bearer {token}"} if token else {})
        headers |= basic_header(options.pop("basic")) if "basic" in options else {}
        async with self._session.request(method, (base or self.simulator.base_url) + path, headers=headers, **options) as response:
            return response.status, await response.read()

    async def login(self, client: str, scope: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "client_credentials", "scope": scope}
        basic = (client, f"{client}-secret")
        status, body = await self.send("POST", LOGIN, base=self.simulator.token_base_url, data=form, basic=basic)
        return status, json.loads(body)

    async def token(self, client: str, scope: str) -> str:
        return str((await self.login(client, scope))[1]["access_token"])


@cache
def catalog() -> Document:
    return load_document(shipped_catalog("newvoicemedia"))


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with NewVoiceMediaSimulator(catalog(), seed=1) as running, aiohttp.ClientSession() as session:
        yield Caller(running, session)


async def test_a_token_response_does_not_name_the_scope(caller: Caller) -> None:
    status, document = await caller.login("demo-stats", "stats")
    assert (status, set(document), document["expires_in"]) == (200, {"access_token", "expires_in", "token_type"}, 7200)


async def test_a_client_can_log_in_with_form_fields(caller: Caller) -> None:
    form = {"grant_type": "client_credentials", "client_id": "demo-stats", "client_secret": "demo-stats-secret", "scope": "stats"}
    assert (await caller.send("POST", LOGIN, data=form))[0] == 200


async def test_bad_logins_are_refused(caller: Caller) -> None:
    status, document = await caller.login("demo-stats", "stats users:read")
    assert (status, document["error"]) == (400, "invalid_scope")
    form = {"grant_type": "client_credentials", "client_id": "demo-stats", "client_secret": "wrong"}
    assert await caller.send("POST", LOGIN, data=form) == (400, b'{"error":"invalid_client"}')
    form = {"grant_type": "password", "client_id": "demo-stats", "client_secret": "demo-stats-secret"}
    assert await caller.send("POST", LOGIN, data=form) == (400, b'{"error":"unsupported_grant_type"}')


async def test_a_jwt_can_carry_the_scope_as_a_claim() -> None:
    async with NewVoiceMediaSimulator(catalog(), jwt_tokens=True) as running, aiohttp.ClientSession() as session:
        token = await Caller(running, session).token("demo-user-admin", "users:read stats")
    payload = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["scope"] == ["stats", "users:read"]


@pytest.mark.parametrize(
    ("client", "scope"), [("demo-user-admin", "users:read"), ("demo-user-admin", "users:write"), ("demo-agent", "self:read")]
)
async def test_any_one_of_the_documented_scopes_opens_access_permissions(caller: Caller, client: str, scope: str) -> None:
    assert (await caller.send("GET", USER, await caller.token(client, scope)))[0] == 200


async def test_only_the_scopes_asked_for_count(caller: Caller) -> None:
    token = await caller.token("demo-user-admin", "stats")
    assert await caller.send("GET", USER, token) == (403, b'{"message":"Forbidden"}')


async def test_webhooks_answer_401_to_a_missing_scope(caller: Caller) -> None:
    token = await caller.token("demo-user-admin", "users:read")
    assert await caller.send("GET", "/webhooks/subscriptions", token) == (401, b'{"message":"Unauthorized"}')
    assert (await caller.send("GET", "/webhooks/subscriptions", await caller.token("demo-user-admin", "admin:read")))[0] == 200


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
async def test_an_accept_header_without_a_version_is_400(caller: Caller, accept: str) -> None:
    token = await caller.token("demo-agent", "self:read")
    body = b'{"statusCode":400,"error":"Bad Request","message":"Version missing from Accept header!"}'
    assert await caller.send("GET", USER, token, headers={"Accept": accept}) == (400, body)


async def test_absent_and_expired_tokens_are_unauthorized() -> None:
    now = [1_800_000_000.0]
    async with NewVoiceMediaSimulator(catalog(), clock=lambda: now[0]) as running, aiohttp.ClientSession() as session:
        caller = Caller(running, session)
        token = await caller.token("demo-agent", "self:read")
        now[0] += 7200
        answers = [await caller.send("GET", USER, sent) for sent in ("", "unknown", token)]
    assert answers == [(401, b'{"message":"Unauthorized"}')] * 3


async def test_access_permissions_are_as_documented(caller: Caller) -> None:
    _, body = await caller.send("GET", USER, await caller.token("demo-agent", "self:read"))
    assert json.loads(body) == {
        "meta": {"page": 1, "count": 2, "pageCount": 1, "totalCount": 2},
        "userId": DEMO_USER,
        "accessPermissions": [
            {"permissionKey": "CPA_View", "permissionLevel": "Yes"},
            {"permissionKey": "CPA_ACD", "permissionLevel": "Modify"},
        ],
    }


@pytest.mark.parametrize(
    ("query", "count", "pages"), [("", 25, 3), ("?page=3", 10, 3), ("?limit=50&page=2", 10, 2), ("?limit=5000", 60, 1), ("?page=9", 0, 3)]
)
async def test_access_permissions_are_paged(caller: Caller, query: str, count: int, pages: int) -> None:
    status, body = await caller.send("GET", MANY + query, await caller.token("demo-agent", "self:read"))
    meta = json.loads(body)["meta"]
    assert (status, meta["count"], meta["pageCount"], meta["totalCount"]) == (200, count, pages, 60)
    assert len(json.loads(body)["accessPermissions"]) == count


@pytest.mark.parametrize("query", ["?limit=0", "?limit=5001", "?page=0", "?page=1000000001", "?limit=x"])
async def test_paging_out_of_range_is_400(caller: Caller, query: str) -> None:
    assert (await caller.send("GET", MANY + query, await caller.token("demo-agent", "self:read")))[0] == 400


async def test_an_administrator_can_change_a_permission(caller: Caller) -> None:
    caller.simulator.set_permission(DEMO_USER, "CPA_View", "No")
    _, body = await caller.send("GET", USER, await caller.token("demo-agent", "self:read"))
    assert json.loads(body)["accessPermissions"][0] == {"permissionKey": "CPA_View", "permissionLevel": "No"}


async def test_the_token_host_and_the_api_host_can_be_apart() -> None:
    running = NewVoiceMediaSimulator(catalog())
    await running.start(token_port=0)
    async with running, aiohttp.ClientSession() as session:
        caller = Caller(running, session)
        token = await caller.token("demo-agent", "self:read")
        assert running.token_base_url != running.base_url
        assert (await caller.send("GET", USER, token))[0] == 200
        assert (await caller.send("GET", USER, token, base=running.token_base_url))[0] == 404
        assert (await caller.send("POST", LOGIN, data={}))[0] == 401
    assert [received.listener for received in running.journal] == ["token", "api", "token", "api"]


async def test_every_catalogued_operation_is_served(caller: Caller) -> None:
    operations = catalog().operations
    scopes = {alternative[0] for operation in operations for alternative in operation.requires or () if len(alternative) == 1}
    client = caller.simulator.clients["demo-stats"]
    caller.simulator.clients["demo-stats"] = type(client)(client.client_id, client.client_secret, tuple(scopes))
    token = await caller.token("demo-stats", " ".join(scopes))
    api = [operation for operation in operations if operation.auth == "bearer"]
    paths = {operation.id: operation.template.replace("{userId}", DEMO_USER) for operation in api}
    statuses = {(await caller.send(operation.method, paths[operation.id], token))[0] for operation in api}
    assert len(api) >= 59
    assert statuses == {200, 204}
