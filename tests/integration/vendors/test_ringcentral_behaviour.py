"""RingCentral through the proxy: what logins teach and what ends it, whose refusals count, and what a denial looks like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from tests.integration.house import Answer, HandClocks, House, Json, basic, open_house
from tests.integration.vendors import oracle

SAMPLES = Path(__file__).parents[2] / "samples" / "ringcentral"
LOGIN = "/ringcentral/restapi/oauth/token"
REVOKE = "/ringcentral/restapi/oauth/revoke"
CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
EXTENSION = "/ringcentral/restapi/v1.0/account/~/extension/~"
ACCOUNT = "/ringcentral/restapi/v1.0/account/~"

SETS = {"neither": "ReadAccounts", "log": "ReadCallLog", "recording": "ReadCallRecording", "both": "ReadCallLog ReadCallRecording"}
APPS = [*(RingCentralApp(name, "secret", scope) for name, scope in SETS.items()), RingCentralApp("writer", "secret", "EditAccounts")]


@pytest.fixture
def clocks() -> HandClocks:
    return HandClocks()


@pytest.fixture
def simulator() -> RingCentralSimulator:
    return RingCentralSimulator(apps=APPS)


@pytest.fixture
async def house(simulator: RingCentralSimulator, clocks: HandClocks) -> AsyncIterator[House]:
    async with open_house(simulator, clocks=clocks) as house:
        yield house


async def log_in(house: House, app: str, user: str = "amy") -> Json:
    answer = await house.send("POST", LOGIN, headers=basic(app), form={"grant_type": JWT_GRANT, "assertion": f"demo-jwt-{user}"})
    assert answer.told == (200, "permit", False)
    return answer.json


async def token_of(house: House, app: str, user: str = "amy") -> str:
    return str((await log_in(house, app, user))["access_token"])


def documented(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


# --- the table of the call-log guide

TABLE = oracle.table("ringcentral-call-log")


@pytest.mark.parametrize("implied", ["presume", "ignore"])
@pytest.mark.parametrize("app", SETS)
async def test_call_log_routes(app: str, implied: str) -> None:
    simulator = RingCentralSimulator(apps=APPS, honours_included=implied == "presume")
    held = set(SETS[app].split()) | ({"ReadCallLog"} if implied == "presume" and "ReadCallRecording" in SETS[app] else set())
    async with open_house(simulator, vendors={"ringcentral": {"implied_scopes": implied}}) as house:
        token = await token_of(house, app)
        simulator.journal.clear()
        answers = {
            row["category"]: await house.send("GET", f"/ringcentral{row['path']}".replace("{", "1").replace("}", ""), token)
            for row in TABLE
        }
        allowed = {row["category"] for row in TABLE if held.issuperset(row["requires"].split(" + "))}
        assert {name for name, answer in answers.items() if answer.told == (200, "permit", False)} == allowed
        assert {name for name, answer in answers.items() if answer.told == (403, "deny", True)} == set(answers) - allowed
        assert simulator.journal.total == len(allowed)
        for row in TABLE:
            missing = [name for name in row["requires"].split(" + ") if name not in held]
            assert row["category"] in allowed or answers[row["category"]].member["missing"] == [missing]


# --- what a denial looks like


@pytest.mark.parametrize(
    ("app", "path", "permission"), [("neither", CALL_LOG, "ReadCallLog"), ("log", f"{ACCOUNT}/recording/1/content", "ReadCallRecording")]
)
async def test_denial_is_the_documented_one_byte_for_byte(house: House, app: str, path: str, permission: str) -> None:
    token = await token_of(house, app)
    for _ in range(2):  # the second one is not written anew
        answer = await house.send("GET", path, token)
        start = documented(f"refusal-{permission}").rstrip(b"\n}") + b',\n  "scopegate": {\n'
        assert answer.body.startswith(start)
        assert json.dumps(answer.json, indent=2, ensure_ascii=False).encode() == answer.body
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Scopegate-Reason"] == "missing_scope"
        assert answer.headers["WWW-Authenticate"] == f'Bearer realm="ringcentral", error="insufficient_scope", scope="{permission}"'
        assert answer.member["decision_id"] == answer.headers["Scopegate-Decision-Id"]
        assert answer.member["evidence"] == {"source": "token_response", "observed_at": "2026-11-18T11:23:20Z"}


async def test_every_denial_has_its_own_id(house: House) -> None:
    token = await token_of(house, "neither")
    answers = [await house.send("GET", CALL_LOG, token) for _ in range(3)]
    assert len({answer.member["decision_id"] for answer in answers}) == 3


async def test_head_is_denied_like_get_without_its_body(house: House, simulator: RingCentralSimulator) -> None:
    token = await token_of(house, "neither")
    head = await house.send("HEAD", CALL_LOG, token)
    get = await house.send("GET", CALL_LOG, token)
    assert head.told == get.told == (403, "deny", True)
    assert head.body == b""
    assert get.member["method"] == "GET"
    assert get.member["explanation"].count("GET /restapi") == 1
    assert int(get.headers["Content-Length"]) == len(get.body)
    assert simulator.journal.to_path(CALL_LOG.removeprefix("/ringcentral")) == []


async def test_allowed_head_passes(house: House) -> None:
    answer = await house.send("HEAD", CALL_LOG, await token_of(house, "log"))
    assert (*answer.told, answer.body) == (200, "permit", False, b"")


async def test_request_id_is_taken_over_or_made(house: House, simulator: RingCentralSimulator) -> None:
    token = await token_of(house, "log")
    named = await house.send("GET", CALL_LOG, token, {"X-Request-ID": "mine"})
    assert named.headers.getall("X-Request-ID") == ["mine"]
    assert simulator.journal[-1].header_values("X-Request-ID") == [b"mine"]
    made = await house.send("GET", CALL_LOG, token)
    assert made.headers["X-Request-ID"] == made.headers["Scopegate-Decision-Id"]


# --- refresh and revoke


async def test_refresh_ends_the_old_token_at_once(house: House, simulator: RingCentralSimulator) -> None:
    first = await log_in(house, "neither")
    assert (await house.send("GET", CALL_LOG, first["access_token"])).told == (403, "deny", True)
    simulator.set_scope("neither", "ReadAccounts ReadCallLog")
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await house.send("POST", LOGIN, headers=basic("neither"), form=form)).json
    assert (await house.send("GET", CALL_LOG, second["access_token"])).told == (200, "permit", False)
    assert (await house.send("GET", CALL_LOG, first["access_token"])).told == (401, "indeterminate", False)
    assert await known(house) == 1


async def test_failed_refresh_changes_nothing(house: House) -> None:
    first = await log_in(house, "neither")
    for spent in ("not-a-token", first["refresh_token"] + "x"):
        form = {"grant_type": "refresh_token", "refresh_token": spent}
        assert (await house.send("POST", LOGIN, headers=basic("neither"), form=form)).status == 400
    assert (await house.send("GET", CALL_LOG, first["access_token"])).told == (403, "deny", True)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_revocation_ends_the_whole_session(house: House, which: str) -> None:
    first, other = await log_in(house, "neither"), await log_in(house, "neither", "ben")
    assert (await house.send("POST", REVOKE, headers=basic("neither"), form={"token": first[which]})).told == (200, "permit", False)
    assert (await house.send("GET", CALL_LOG, first["access_token"])).told == (401, "indeterminate", False)
    assert (await house.send("GET", CALL_LOG, other["access_token"])).told == (403, "deny", True)


async def test_knowledge_ends_with_the_token(house: House, clocks: HandClocks) -> None:
    token = await token_of(house, "neither")
    clocks.moved += 3599
    assert (await house.send("GET", CALL_LOG, token)).decision == "deny"
    clocks.moved += 1
    assert (await house.send("GET", CALL_LOG, token)).decision == "indeterminate"


async def known(house: House) -> int:
    return int((await house.count("scopegate_grant_cache_entries")).get((), 0))


async def test_same_request_again_and_again_follows_what_is_known(
    house: House, simulator: RingCentralSimulator, clocks: HandClocks
) -> None:
    """What was decided about identical bytes on a connection must not outlive what it rests on."""

    async def thrice(token: str) -> set[tuple[int, str, bool]]:
        answers = [await house.send("GET", CALL_LOG, token) for _ in range(3)]
        assert len({answer.headers["Scopegate-Decision-Id"] for answer in answers}) == 3
        assert [answer.member["decision_id"] for answer in answers if answer.local] in (
            [],
            [answer.headers["Scopegate-Decision-Id"] for answer in answers],
        )
        return {answer.told for answer in answers}

    reader, lister = await log_in(house, "neither"), await log_in(house, "log")
    assert await thrice(reader["access_token"]) == {(403, "deny", True)}
    assert await thrice(lister["access_token"]) == {(200, "permit", False)}
    simulator.strike_scope(lister["access_token"], "ReadCallLog")
    await house.send("GET", CALL_LOG, lister["access_token"])
    assert await thrice(lister["access_token"]) == {(403, "deny", True)}
    await house.send("POST", REVOKE, headers=basic("neither"), form={"token": reader["access_token"]})
    assert await thrice(reader["access_token"]) == {(401, "indeterminate", False)}
    lasting = await token_of(house, "log")
    assert await thrice(lasting) == {(200, "permit", False)}
    clocks.moved += 3600
    assert await thrice(lasting) == {(200, "indeterminate", False), (200, "permit", False)}
    (grant,) = (await house.admin("/api/v1/grants"))["grants"]
    await house.admin(f"/api/v1/grants/{grant['fingerprint']}", "DELETE")
    assert (await house.send("GET", CALL_LOG, lasting)).told == (200, "indeterminate", False)


# --- what refusals teach


@pytest.mark.parametrize("compress", [False, True])
async def test_unseen_token_is_learned_from_the_vendors_refusal(compress: bool) -> None:
    simulator = RingCentralSimulator(apps=APPS, compress=compress)
    async with open_house(simulator) as house:
        token = await past_the_proxy(simulator, "neither")
        other = await past_the_proxy(simulator, "log")
        first = await house.send("GET", CALL_LOG, token)
        assert first.told == (403, "indeterminate", False)
        second = await house.send("GET", CALL_LOG, token)
        assert second.told == (403, "deny", True)
        assert second.member["evidence"]["source"] == "refusal"
        assert (await house.send("GET", f"{EXTENSION}/active-calls", token)).told == (403, "deny", True)
        assert (await house.send("GET", ACCOUNT, token)).told == (200, "indeterminate", False)
        assert (await house.send("GET", ACCOUNT, token)).told == (200, "permit", False)
        assert (await house.send("GET", CALL_LOG, other)).told == (200, "indeterminate", False)


async def past_the_proxy(simulator: RingCentralSimulator, app: str) -> str:
    """Log in where the proxy does not see it."""
    import aiohttp  # noqa: PLC0415

    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    async with aiohttp.request("POST", f"{simulator.base_url}/restapi/oauth/token", headers=basic(app), data=form) as response:
        return str((await response.json())["access_token"])


async def test_user_permission_refusals_pass_are_counted_and_never_kept(house: House, simulator: RingCentralSimulator) -> None:
    token = await token_of(house, "log", "ben")
    for _ in range(3):
        answer = await house.send("GET", CALL_LOG, token)
        assert answer.told == (403, "permit", False)
        sample = documented("refusal-user-permission").replace(b"ReadCompanyCallLog", b"FullCompanyCallLog")
        assert answer.body == sample.rstrip()
    simulator.set_lacking_permissions("ben@example.com", [])
    assert (await house.send("GET", CALL_LOG, token)).told == (200, "permit", False)
    counted = await house.count("scopegate_vendor_responses_total", "code_class kind", operation="readCompanyCallLog")
    assert counted == {("4xx", "permission"): 3, ("2xx", "ok"): 1}
    assert await house.count("scopegate_predictions_total", actual="refused_permission") == {}


async def test_user_permission_refusal_of_an_unseen_token_teaches_nothing() -> None:
    simulator = RingCentralSimulator(apps=APPS)
    simulator.set_lacking_permissions("amy@example.com", ["FullCompanyCallLog"])
    async with open_house(simulator) as house:
        token = await past_the_proxy(simulator, "log")
        for _ in range(2):
            assert (await house.send("GET", CALL_LOG, token)).told == (403, "indeterminate", False)


async def test_presumed_scope_that_the_vendor_does_not_honour_is_struck_off() -> None:
    simulator = RingCentralSimulator(apps=APPS, honours_included=False)
    async with open_house(simulator) as house:
        token = await token_of(house, "recording")
        assert (await house.send("GET", CALL_LOG, token)).told == (403, "permit", False)
        assert (await house.send("GET", CALL_LOG, token)).told == (403, "deny", True)
        assert (await house.send("GET", f"{ACCOUNT}/recording/1/content", token)).told == (200, "permit", False)
        another = await token_of(house, "recording")
        assert (await house.send("GET", CALL_LOG, another)).told == (403, "permit", False)


async def test_scope_that_the_vendor_struck_off_is_learned(house: House, simulator: RingCentralSimulator) -> None:
    token = await token_of(house, "log")
    assert (await house.send("GET", CALL_LOG, token)).told == (200, "permit", False)
    simulator.strike_scope(token, "ReadCallLog")
    assert (await house.send("GET", CALL_LOG, token)).told == (403, "permit", False)
    assert (await house.send("GET", CALL_LOG, token)).told == (403, "deny", True)


# --- where the token and the method are


@pytest.mark.parametrize(("app", "told"), [("neither", (403, "deny", True)), ("log", (200, "permit", False))])
async def test_token_in_the_query(house: House, simulator: RingCentralSimulator, app: str, told: tuple[int, str, bool]) -> None:
    token = await token_of(house, app)
    simulator.journal.clear()
    assert (await house.send("GET", f"{CALL_LOG}?view=Simple&access_token={token}")).told == told
    assert (await house.send("GET", f"{CALL_LOG}?access_token={token}", token)).told == told
    assert (await house.send("GET", CALL_LOG, headers={"Authorization": f"bEARER {token}"})).told == told
    assert simulator.journal.total == (0 if told[2] else 3)


async def test_two_different_tokens_are_refused(house: House, simulator: RingCentralSimulator) -> None:
    token, other = await token_of(house, "log"), await token_of(house, "neither")
    simulator.journal.clear()
    answer = await house.send("GET", f"{CALL_LOG}?access_token={other}", token)
    assert (answer.status, answer.local, answer.json["reason"]) == (400, True, "two_credentials")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert simulator.journal.total == 0


OVERRIDES: list[tuple[str, Mapping[str, str]]] = [
    ("", {"X-HTTP-Method-Override": "DELETE"}),
    ("?_method=DELETE", {}),
    ("?_method=DELETE", {"X-HTTP-Method-Override": "DELETE"}),
]


@pytest.mark.parametrize(("query", "headers"), OVERRIDES)
async def test_the_overriding_method_decides(house: House, simulator: RingCentralSimulator, query: str, headers: Mapping[str, str]) -> None:
    """Deleting from the call log needs EditCallLog; a POST there is no operation at all."""
    token = await token_of(house, "log")
    simulator.journal.clear()
    answer = await house.send("POST", f"{EXTENSION}/call-log{query}", token, headers)
    assert answer.told == (403, "deny", True)
    assert (answer.member["method"], answer.member["operation"], answer.member["missing"]) == (
        "DELETE",
        "deleteUserCallLog",
        [["EditCallLog"]],
    )
    assert (
        await house.send("POST", f"{EXTENSION}/call-log{query.replace('DELETE', 'GET')}", token, dict.fromkeys(headers, "GET"))
    ).told == (200, "permit", False)
    assert [received.method for received in simulator.journal] == ["POST"]


@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [("POST", "?_method=GET", {"X-HTTP-Method-Override": "DELETE"}), ("GET", "?_method=DELETE", {}), ("POST", "?_method=delete", {})],
)
async def test_ambiguous_overrides_are_never_sent(
    house: House, simulator: RingCentralSimulator, method: str, query: str, headers: Mapping[str, str]
) -> None:
    token = await token_of(house, "log")
    simulator.journal.clear()
    answer = await house.send(method, f"{EXTENSION}/call-log{query}", token, headers)
    assert (answer.status, answer.local, answer.json["reason"]) == (400, True, "method_override")
    assert simulator.journal.total == 0


# --- what is not known


async def test_unknown_operation_is_forwarded_and_counted_apart(house: House) -> None:
    token = await token_of(house, "neither")
    answer = await house.send("GET", "/ringcentral/restapi/v1.0/undocumented/thing", token)
    assert answer.told == (404, "not-applicable", False)
    decided = await house.count("scopegate_decisions_total", "vendor decision mode evidence", operation="unknown")
    assert decided == {("ringcentral", "not-applicable", "enforce", "none"): 1}
    assert await house.count("scopegate_predictions_total", "actual", predicted="not_applicable") == {("refused_other",): 1}


def assert_policy(answer: Answer, reason: str) -> None:
    body = answer.json
    assert answer.told == (403, "deny", True)
    assert list(body) == ["errorCode", "message", "errors", "scopegate"]
    assert (body["errorCode"], body["errors"][0]["errorCode"]) == ("SCG-POLICY", "SCG-POLICY")
    assert answer.headers["Scopegate-Reason"] == answer.member["reason"] == reason
    assert answer.member["remediation"]


async def test_operator_may_refuse_unknown_operations() -> None:
    simulator = RingCentralSimulator(apps=APPS)
    async with open_house(simulator, vendors={"ringcentral": {"on_unknown_operation": "deny"}}) as house:
        token = await token_of(house, "log")
        simulator.journal.clear()
        assert_policy(await house.send("GET", "/ringcentral/restapi/v1.0/undocumented/thing", token), "unknown_operation")
        assert simulator.journal.total == 0
        assert (await house.send("GET", CALL_LOG, token)).status == 200
        assert await house.count("scopegate_vendor_calls_avoided_total", "reason") == {("unknown_operation",): 1}


async def test_operator_may_refuse_unknown_tokens() -> None:
    simulator = RingCentralSimulator(apps=APPS)
    async with open_house(simulator, vendors={"ringcentral": {"on_unknown_token": "deny"}}) as house:
        unseen = await past_the_proxy(simulator, "log")
        simulator.journal.clear()
        assert_policy(await house.send("GET", CALL_LOG, unseen), "unknown_token")
        assert_policy(await house.send("GET", CALL_LOG), "unknown_token")
        assert simulator.journal.total == 0
        token = await token_of(house, "log")
        assert (await house.send("GET", CALL_LOG, token)).told == (200, "permit", False)
        assert (await house.send("GET", "/ringcentral/restapi", "")).told == (200, "permit", False)


async def test_vendor_may_be_mounted_by_host_for_clients_that_drop_the_path() -> None:
    simulator = RingCentralSimulator(apps=APPS)
    async with open_house(simulator, vendors={"ringcentral": {"mount": {"host": "ringcentral.proxy.internal"}}}) as house:
        host = {"Host": "ringcentral.proxy.internal:8080"}
        form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
        login = await house.send("POST", "/restapi/oauth/token", headers=basic("neither") | host, form=form)
        assert (await house.send("GET", "/restapi/v1.0/account/~/call-log", login.json["access_token"], host)).told == (403, "deny", True)
        elsewhere = await house.send("GET", "/restapi/v1.0/account/~/call-log", login.json["access_token"])
        assert (elsewhere.status, elsewhere.json["reason"]) == (404, "no_such_mount")
        assert simulator.journal.total == 1
