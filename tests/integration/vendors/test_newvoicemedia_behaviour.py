"""NewVoiceMedia through the proxy: two hosts, scopes that nobody answers, any of several, and users' access permissions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from proxy.simulators import NewVoiceMediaSimulator
from proxy.simulators.newvoicemedia import DEMO_USER, DEMO_USER_WITH_MANY, LOGIN
from tests.integration.house import Answer, House, basic, open_house

V4 = {"Accept": "application/vnd.newvoicemedia.v4+json"}
ACCESS = f"/newvoicemedia/useradmin/users/{DEMO_USER}/permissions/accessPermissions"
MANY = f"/newvoicemedia/useradmin/users/{DEMO_USER_WITH_MANY}/permissions/accessPermissions"
WEBHOOKS = "/newvoicemedia/webhooks/subscriptions"


@pytest.fixture
def simulator() -> NewVoiceMediaSimulator:
    return NewVoiceMediaSimulator()


@pytest.fixture
async def house(simulator: NewVoiceMediaSimulator) -> AsyncIterator[House]:
    async with open_house(simulator) as house:
        yield house


async def log_in(house: House, client: str, scope: str | None, *, in_form: bool = False) -> Answer:
    form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
    secrets = {"client_id": client, "client_secret": f"{client}-secret"}
    headers = {} if in_form else basic(client, f"{client}-secret")
    return await house.send("POST", f"/newvoicemedia{LOGIN}", headers=headers, form=form | secrets if in_form else form)


async def token_of(house: House, client: str, scope: str | None) -> str:
    answer = await log_in(house, client, scope)
    assert answer.told == (200, "permit", False)
    return str(answer.json["access_token"])


async def test_each_host_gets_what_is_its_own(house: House, simulator: NewVoiceMediaSimulator) -> None:
    token = await token_of(house, "demo-user-admin", "users:read")
    await house.send("GET", ACCESS, token, V4)
    assert [(entry.listener, entry.method, entry.path) for entry in simulator.journal] == [
        ("token", "POST", LOGIN),
        ("api", "GET", ACCESS.removeprefix("/newvoicemedia")),
    ]
    (token_host,), (api_host,) = (entry.header_values("Host") for entry in simulator.journal)
    assert (b"http://" + token_host, b"http://" + api_host) == (simulator.token_base_url.encode(), simulator.base_url.encode())


@pytest.mark.parametrize("scope", ["users:read", "users:write", "self:read"])
async def test_any_one_of_the_scopes_opens_the_access_permissions(house: House, scope: str) -> None:
    client = "demo-agent" if scope.startswith("self") else "demo-user-admin"
    assert (await house.send("GET", ACCESS, await token_of(house, client, scope), V4)).told == (200, "permit", False)


async def test_denial_names_every_way_out(house: House, simulator: NewVoiceMediaSimulator) -> None:
    token = await token_of(house, "demo-stats", "stats")
    simulator.journal.clear()
    answer = await house.send("GET", ACCESS, token, V4)
    assert answer.told == (403, "deny", True)
    assert list(answer.without_member) == ["message"]
    assert answer.member["missing"] == [["users:read"], ["users:write"], ["self:read"]]
    assert answer.member["held"] == ["stats"]
    assert answer.member["evidence"]["source"] == "token_request"
    for scope in ("users:read", "users:write", "self:read"):
        assert scope in answer.json["message"]
        assert scope in answer.member["explanation"]
    assert simulator.journal.total == 0


@pytest.mark.parametrize("scope", ["users:read users:write", "  users:read   stats "])
async def test_scope_of_the_request_is_read_from_form_and_basic_logins(house: House, scope: str) -> None:
    for in_form in (False, True):
        token = (await log_in(house, "demo-user-admin", scope, in_form=in_form)).json["access_token"]
        assert (await house.send("GET", ACCESS, token, V4)).told == (200, "permit", False)
        assert (await house.send("GET", WEBHOOKS, token, V4)).told == (403, "deny", True)


async def test_login_that_asks_for_no_scope_tells_nothing(house: House) -> None:
    token = await token_of(house, "demo-stats", None)
    assert (await house.send("GET", ACCESS, token, V4)).told == (403, "indeterminate", False)
    assert (await house.send("GET", "/newvoicemedia/stats/queue-times", token, V4)).told == (200, "indeterminate", False)


async def test_refused_login_teaches_nothing(house: House) -> None:
    assert (await log_in(house, "demo-stats", "users:read")).told == (400, "permit", False)
    assert (await house.admin("/api/v1/grants"))["grants"] == []


@pytest.mark.parametrize("accept", ["application/vnd.newvoicemedia.v4+json", "Application/vnd.NewVoiceMedia.v4+JSON, */*", "text/html"])
async def test_accept_is_untouched(house: House, simulator: NewVoiceMediaSimulator, accept: str) -> None:
    token = await token_of(house, "demo-user-admin", "users:read")
    await house.send("GET", ACCESS, token, {"Accept": accept})
    assert simulator.journal[-1].header_values("Accept") == [accept.encode()]


async def test_version_missing_is_the_vendors_answer_and_no_permission_refusal(house: House) -> None:
    token = await token_of(house, "demo-user-admin", "users:read")
    answer = await house.send("GET", ACCESS, token, {"Accept": "application/json"})
    assert answer.told == (400, "permit", False)
    assert await house.count("scopegate_vendor_responses_total", kind="permission") == {}


async def test_jwt_tells_its_scopes_without_a_login(house: House) -> None:
    elsewhere = NewVoiceMediaSimulator(jwt_tokens=True)
    async with open_house(elsewhere) as other_house:
        token = await token_of(other_house, "demo-stats", "stats")
    answer = await house.send("GET", ACCESS, token, V4)
    assert answer.told == (403, "deny", True)
    assert answer.member["evidence"]["source"] == "token_claim"


async def test_webhooks_401_is_never_learned() -> None:
    simulator = NewVoiceMediaSimulator()
    async with open_house(simulator) as house:
        token = await token_of(house, "demo-stats", None)
        for _ in range(3):
            assert (await house.send("GET", WEBHOOKS, token, V4)).told == (401, "indeterminate", False)
        assert await house.count("scopegate_vendor_responses_total", "kind", code_class="4xx") == {("auth",): 3}


async def test_bare_403_is_counted_but_names_nothing_and_teaches_only_its_shape(house: House) -> None:
    token = await token_of(house, "demo-stats", None)
    for _ in range(3):
        assert (await house.send("GET", ACCESS, token, V4)).told == (403, "indeterminate", False)
    assert await house.count("scopegate_vendor_responses_total", "kind", code_class="4xx") == {("permission",): 3}
    named = await token_of(house, "demo-stats", "stats")
    answer = await house.send("GET", ACCESS, named, V4)
    assert answer.told == (403, "deny", True)
    assert answer.without_member == {"message": "Forbidden"}


async def test_access_permissions_are_shown_page_by_page(house: House) -> None:
    token = await token_of(house, "demo-user-admin", "users:read")
    await house.send("GET", ACCESS, token, V4)
    assert await house.admin("/api/v1/users/newvoicemedia") == {
        "vendor": "newvoicemedia",
        "users": [
            {
                "user": DEMO_USER,
                "permissions": {"CPA_ACD": "Modify", "CPA_View": "Yes"},
                "pages_seen": [1],
                "page_count": 1,
                "complete": True,
            }
        ],
    }
    for page, complete in ((1, False), (3, False), (2, True)):
        answer = await house.send("GET", f"{MANY}?limit=25&page={page}", token, V4)
        assert answer.json["meta"]["pageCount"] == 3
        user = (await house.admin("/api/v1/users/newvoicemedia"))["users"][-1]
        assert (user["user"], user["complete"]) == (DEMO_USER_WITH_MANY, complete)
    everything = user["permissions"]
    await house.send("GET", f"{MANY}?limit=25&page=1", token, V4)
    user = (await house.admin("/api/v1/users/newvoicemedia"))["users"][-1]
    assert (user["pages_seen"], len(user["permissions"])) == ([1], 25)  # whoever begins anew gets a new list
    assert everything == {f"CPA_Demo{number:02d}": ("Yes", "No", "Read", "Modify", "None")[number % 5] for number in range(60)}


async def test_refused_or_changed_access_permissions(house: House, simulator: NewVoiceMediaSimulator) -> None:
    stats = await token_of(house, "demo-stats", None)
    await house.send("GET", ACCESS, stats, V4)
    assert (await house.admin("/api/v1/users/newvoicemedia"))["users"] == []
    token = await token_of(house, "demo-user-admin", "users:read")
    await house.send("GET", ACCESS, token, V4)
    simulator.set_permission(DEMO_USER, "CPA_View", "No")
    await house.send("GET", ACCESS, token, V4)
    (user,) = (await house.admin("/api/v1/users/newvoicemedia"))["users"]
    assert user["permissions"]["CPA_View"] == "No"


async def test_policy_refusal_is_in_the_vendors_envelope() -> None:
    simulator = NewVoiceMediaSimulator()
    async with open_house(simulator, vendors={"newvoicemedia": {"on_unknown_operation": "deny"}}) as house:
        token = await token_of(house, "demo-stats", "stats")
        answer = await house.send("GET", "/newvoicemedia/undocumented", token, V4)
        assert answer.told == (403, "deny", True)
        assert answer.json["code"] == "SCG-POLICY"
        assert json.dumps(answer.json["message"])
