"""8x8 through the proxy: what the operator knows, what refusals teach, in whose words it is repeated, and how it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from proxy.simulators import EightByEightSimulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators.eightbyeight import REFUSAL_SHAPES, User
from proxy.simulators.messages import Incoming
from tests.integration.house import HandClocks, House, ask_directly, basic, open_house

KEY = {"8x8-apikey": "demo-8x8-apikey"}
PERIOD = "startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
RECHECK_S, LEARNED_TTL_S = 60, 900
COMMON = {"8x8": {"recheck_s": RECHECK_S, "learned_ttl_s": LEARNED_TTL_S}}


def records(pbx: str, path: str = "/v2/call-records") -> str:
    return f"/8x8{eight.ANALYTICS}{path}?pbxId={pbx}&{PERIOD}"


@pytest.fixture
def clocks() -> HandClocks:
    return HandClocks()


@pytest.fixture
def simulator() -> EightByEightSimulator:
    return EightByEightSimulator()


@pytest.fixture
async def house(simulator: EightByEightSimulator, clocks: HandClocks) -> AsyncIterator[House]:
    async with open_house(simulator, clocks=clocks, vendors=COMMON) as house:
        yield house


async def log_in(house: House, user: str = "reporting@example.com", password: str = "") -> str:
    form = {"username": user, "password": password or f"demo-password-{user.partition('@')[0].lower()}"}
    answer = await house.send("POST", f"/8x8{eight.LOGIN}", headers=KEY, form=form)
    assert answer.told == (200, "permit", False)
    return str(answer.json["access_token"])


# --- what the operator knows


async def test_configured_grants_deny_at_once(simulator: EightByEightSimulator) -> None:
    granted = {"user": "reporting@example.com", "pbx": ["acmecorp"], "categories": ["AGENTS"]}
    async with open_house(simulator, vendors={"8x8": {"grants": [granted]}}) as house:
        token = await log_in(house)
        simulator.journal.clear()
        answer = await house.send("GET", records("acmecorp"), token, KEY)
        assert answer.told == (400, "deny", True)
        assert answer.without_member == {
            "status": 400,
            "code": "105-400-038",
            "message": "user(reporting@example.com) does not have access to api category(CDR) for pbxId([acmecorp]).",
        }
        assert answer.member["evidence"]["source"] == "configured"
        assert answer.member["reason"] == answer.headers["Scopegate-Reason"] == "missing_licence_or_access_level"
        assert answer.member["held"] == ["AGENTS (acmecorp)"]
        assert simulator.journal.total == 0
        others = await log_in(house, "supervisor@example.com")
        assert (await house.send("GET", records("acmecorp"), others, KEY)).told == (200, "indeterminate", False)


async def test_user_may_type_the_name_in_another_case() -> None:
    simulator = EightByEightSimulator(users=[User("Reporting@Example.com", "secret", {"acmecorp": frozenset()})])
    granted = {"user": "reporting@example.com", "pbx": ["acmecorp"], "categories": ["AGENTS"]}
    async with open_house(simulator, vendors={"8x8": {"grants": [granted]}}) as house:
        token = await log_in(house, "Reporting@Example.com", "secret")
        answer = await house.send("GET", records("acmecorp"), token, KEY)
        assert answer.told == (400, "deny", True)
        assert "user(Reporting@Example.com)" in answer.json["message"]


# --- what a refusal teaches


@pytest.mark.parametrize("shape", REFUSAL_SHAPES)
@pytest.mark.parametrize("compress", [False, True])
async def test_second_request_is_answered_in_the_shape_of_the_first_refusal(shape: str, compress: bool) -> None:
    simulator = EightByEightSimulator(refusal_shape=shape, compress=compress, clock=lambda: 1_795_000_000.0)
    async with open_house(simulator) as house:
        token = await log_in(house)
        first = await house.send("GET", records("acmecorp"), token, KEY)
        assert first.told == (400, "indeterminate", False)
        simulator.journal.clear()
        second = await house.send("GET", records("acmecorp"), token, KEY)
        assert second.told == (400, "deny", True)
        assert simulator.journal.total == 0
        assert list(second.without_member) == list(first.json) == list(REFUSAL_SHAPES[shape])
        timeless = {name for name in first.json if name != "timeStamp"}
        assert {name: second.json[name] for name in timeless} == {name: first.json[name] for name in timeless}
        assert second.member["evidence"]["source"] == "refusal"


async def test_shape_is_used_for_others_without_anything_of_the_first_user() -> None:
    simulator = EightByEightSimulator(refusal_shape="spring")
    async with open_house(simulator) as house:
        first = await log_in(house)
        await house.send("GET", records("acmecorp"), first, KEY)
        simulator.set_access("supervisor@example.com", "acmewest", [])
        other = await log_in(house, "supervisor@example.com")
        await house.send("GET", records("acmewest", "/v1/cdr"), other, KEY)
        answer = await house.send("GET", records("acmewest", "/v1/cdr"), other, KEY)
        assert answer.told == (400, "deny", True)
        assert list(answer.without_member) == list(REFUSAL_SHAPES["spring"])
        assert (answer.json["path"], answer.json["error"]) == ("/analytics/work/v1/cdr", "Bad Request")
        assert answer.json["message"] == answer.json["exception"]
        assert answer.json["message"].startswith("user(supervisor@example.com) ")
        assert b"reporting" not in answer.body
        assert b"acmecorp" not in answer.body


@pytest.mark.parametrize("path", ["/v2/call-records", "/v2/extsum"])
async def test_refusal_tells_whose_token_it_is_where_the_login_was_not_seen(
    house: House, simulator: EightByEightSimulator, path: str
) -> None:
    user = simulator.users["reporting@example.com"]
    simulator.set_access(user.username, "acmecorp", None if path == "/v2/extsum" else [])
    form = urlencode({"username": user.username, "password": user.password}).encode()
    reply = simulator.answer(Incoming("api", "POST", eight.LOGIN, KEY, form))
    assert isinstance(reply.body, bytes)
    token = json.loads(reply.body)["access_token"]
    first, second = [await house.send("GET", records("acmecorp", path), token, KEY) for _ in range(2)]
    assert (first.decision, second.decision) == ("indeterminate", "deny")
    assert without_time(second.without_member) == without_time(first.json)


async def test_lack_is_known_for_that_token_category_and_pbx_only(house: House, simulator: EightByEightSimulator) -> None:
    token, other, again = await log_in(house), await log_in(house, "supervisor@example.com"), await log_in(house)
    await house.send("GET", records("acmecorp"), token, KEY)
    assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (400, "deny", True)
    assert (await house.send("GET", records("acmecorp", "/v2/call-legs"), token, KEY)).told == (400, "deny", True)
    assert (await house.send("GET", records("acmewest"), token, KEY)).told == (200, "indeterminate", False)
    assert (await house.send("GET", records("acmewest"), token, KEY)).told == (200, "permit", False)
    assert (await house.send("GET", records("acmecorp", "/v2/extsum"), token, KEY)).told == (200, "indeterminate", False)
    assert (await house.send("GET", records("acmecorp"), other, KEY)).told == (200, "indeterminate", False)
    assert (await house.send("GET", records("acmecorp"), again, KEY)).told == (400, "indeterminate", False)


async def test_list_with_a_lacking_pbx_is_denied_in_its_name_alone(house: House) -> None:
    token = await log_in(house)
    await house.send("GET", records("acmecorp"), token, KEY)
    await house.send("GET", records("acmewest"), token, KEY)
    for query in ("acmewest,acmecorp", "acmecorp,acmewest", "acmewest,%20acmecorp", "acmewest%2Cacmecorp"):
        answer = await house.send("GET", records(query), token, KEY)
        assert answer.told == (400, "deny", True)
        assert answer.json["message"].endswith("for pbxId([acmecorp]).")
        assert "acmewest" not in answer.member["explanation"]


@pytest.mark.parametrize("query", ["allpbxes", "acmewest,allpbxes", "", "acmecorp&pbxId=acmewest"])
async def test_what_is_not_named_is_not_decided(house: House, query: str) -> None:
    token = await log_in(house)
    await house.send("GET", records("acmecorp"), token, KEY)
    await house.send("GET", records("acmewest"), token, KEY)
    answer = await house.send("GET", records(query), token, KEY)
    assert (answer.decision, answer.local) == ("indeterminate", False)


async def test_refusal_of_a_joint_request_blames_the_pbx_that_it_names(house: House) -> None:
    token = await log_in(house)
    assert (await house.send("GET", records("acmewest,acmecorp"), token, KEY)).told == (400, "indeterminate", False)
    assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (400, "deny", True)
    assert (await house.send("GET", records("acmewest"), token, KEY)).told == (200, "indeterminate", False)


# --- a PBX that is not granted at all


async def test_whole_pbx_by_name(house: House, simulator: EightByEightSimulator) -> None:
    token = await log_in(house, "west@example.com")
    first = await house.send("GET", records("acmecorp", "/v2/extsum"), token, KEY)
    assert first.told == (403, "indeterminate", False)
    for path in ("/v2/extsum", "/v2/call-records"):
        answer = await house.send("GET", records("acmecorp", path), token, KEY)
        real = ask_directly(simulator, "GET", records("acmecorp", path).removeprefix("/8x8"), token, KEY)
        assert isinstance(real.body, bytes)
        assert answer.told == (real.status, "deny", True)
        assert without_time(answer.without_member) == without_time(json.loads(real.body))
        assert list(answer.without_member) == list(json.loads(real.body))
        assert "acmecorp" in answer.member["explanation"]
    assert (await house.send("GET", records("acmewest"), token, KEY)).told == (200, "indeterminate", False)
    both = await house.send("GET", records("acmewest,acmecorp"), token, KEY)
    assert both.told == (403, "deny", True)
    assert both.json["message"] == "user(west@example.com) does not have access to pbxId(acmecorp) to make this request."


async def test_whole_pbx_by_id(house: House, simulator: EightByEightSimulator) -> None:
    token = await log_in(house, "west@example.com")
    path = f"{eight.ANALYTICS}/v2/pbxes/pbx-id-acmecorp/sites"
    assert (await house.send("GET", f"/8x8{path}", token, KEY)).told == (403, "indeterminate", False)
    answer = await house.send("GET", f"/8x8{path}", token, KEY)
    real = ask_directly(simulator, "GET", path, token, KEY)
    assert isinstance(real.body, bytes)
    assert answer.told == (403, "deny", True)
    assert without_time(answer.without_member) == without_time(json.loads(real.body))
    assert (await house.send("GET", f"/8x8{path.replace('acmecorp', 'acmewest')}", token, KEY)).status == 200
    # An id and a name are different things: nothing is concluded from one for the other.
    assert (await house.send("GET", records("pbx-id-acmecorp"), token, KEY)).local is False


def without_time(body: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name.lower() != "timestamp"}


# --- how it ends


async def test_corrected_account_works_without_clearing_anything(
    house: House, simulator: EightByEightSimulator, clocks: HandClocks
) -> None:
    token = await log_in(house)
    await house.send("GET", records("acmecorp"), token, KEY)
    simulator.set_access("reporting@example.com", "acmecorp", ["CDR"])
    clocks.moved += RECHECK_S - 1
    assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (400, "deny", True)
    clocks.moved += 1
    assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (200, "indeterminate", False)
    assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (200, "permit", False)
    assert (await house.send("GET", records("acmecorp", "/v2/call-legs"), token, KEY)).told == (200, "permit", False)


async def test_account_that_stays_wrong_costs_one_request_per_interval(
    house: House, simulator: EightByEightSimulator, clocks: HandClocks
) -> None:
    token = await log_in(house)
    await house.send("GET", records("acmecorp"), token, KEY)
    simulator.journal.clear()
    for _ in range(5):
        clocks.moved += RECHECK_S
        for _ in range(3):
            await house.send("GET", records("acmecorp"), token, KEY)
    assert simulator.journal.total == 5


async def test_learned_lack_ends_by_itself(simulator: EightByEightSimulator, clocks: HandClocks) -> None:
    async with open_house(simulator, clocks=clocks, vendors={"8x8": {"recheck_s": 86400, "learned_ttl_s": 900}}) as house:
        token = await log_in(house)
        await house.send("GET", records("acmecorp"), token, KEY)
        clocks.moved += 899
        assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (400, "deny", True)
        simulator.set_access("reporting@example.com", "acmecorp", ["CDR"])
        clocks.moved += 1
        assert (await house.send("GET", records("acmecorp"), token, KEY)).told == (200, "indeterminate", False)


# --- what is no permission refusal


async def test_other_refusals_teach_nothing(house: House) -> None:
    token = await log_in(house)
    for _ in range(2):
        bad_key = await house.send("GET", records("acmewest"), token, {"8x8-apikey": "wrong"})
        assert bad_key.told == (400, "indeterminate", False)
        assert (await house.send("GET", records("acmewest"), "unheard-of", KEY)).told == (401, "indeterminate", False)
        incomplete = await house.send("GET", f"/8x8{eight.ANALYTICS}/v2/call-records?pbxId=acmewest", token, KEY)
        assert incomplete.told == (400, "indeterminate", False)
    kinds = await house.count("scopegate_vendor_responses_total", "kind")
    assert kinds == {("ok",): 1, ("other_4xx",): 4, ("auth",): 2}


async def test_bad_login_teaches_nothing(house: House) -> None:
    form = {"username": "reporting@example.com", "password": "wrong"}
    assert (await house.send("POST", f"/8x8{eight.LOGIN}", headers=KEY, form=form)).told == (400, "permit", False)
    assert (await house.admin("/api/v1/grants"))["grants"] == []


# --- the products outside Analytics for Work


async def test_product_tokens(house: House, simulator: EightByEightSimulator) -> None:
    form = {"grant_type": "client_credentials"}
    login = await house.send("POST", f"/8x8{eight.PRODUCT_LOGIN}", headers=basic("demo-quality", "demo-quality-secret"), form=form)
    token = login.json["access_token"]
    assert (await house.send("GET", "/8x8/qm/us/v1/users", token)).told == (200, "permit", False)
    simulator.journal.clear()
    denied = await house.send("GET", "/8x8/vcc/us/chat/v2/tenant/t/channels", token)
    assert denied.told == (403, "deny", True)
    assert denied.member["missing"] == [["vcc"]]
    assert set(denied.member["held"]) == {"QM - API", "storage", "analytics realtime-api"}
    assert simulator.journal.total == 0


# --- the admin's view agrees with traffic


async def test_asking_about_a_token_tells_what_traffic_is_told(house: House) -> None:
    token = await log_in(house, "west@example.com")
    for target in (records("acmecorp", "/v2/extsum"), records("acmewest,acmecorp")):
        await house.send("GET", records("acmecorp", "/v2/extsum"), token, KEY)
        told = (await house.send("GET", target, token, KEY)).member
        (grant,) = (await house.admin("/api/v1/grants?vendor=8x8"))["grants"]
        question = {"vendor": "8x8", "method": "GET", "path": target.removeprefix("/8x8"), "fingerprint": grant["fingerprint"]}
        answer = await house.admin("/api/v1/explain", "POST", question)
        for name in ("operation", "route", "reason", "missing", "held", "evidence", "remediation", "documentation"):
            assert answer[name] == told[name], name
        assert answer["decision"] == "deny"
