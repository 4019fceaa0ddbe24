"""What one caller sends, or makes the vendor answer, never changes what becomes of anybody else's token. Each way is tried."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from proxy.simulators import RingCentralSimulator
from proxy.simulators.messages import Incoming, json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App
from tests.integration.house import House, Json, basic, open_house

LOGIN = "/ringcentral/restapi/oauth/token"
CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
MESSAGE = "/ringcentral/restapi/v1.0/account/~/extension/~/message-store/7"
FORM = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
APPS = [App("reader", "secret", "ReadAccounts"), App("lister", "secret", "ReadCallLog"), App("mail", "secret", "ReadMessages")]
NEEDS = "In order to call this API endpoint, application needs to have [{}] permission"


def refusal(scope: str, status: int = 403) -> tuple[int, Json]:
    error = {"errorCode": "CMN-401", "message": NEEDS.format(scope), "permissionName": scope}
    body = {"errorCode": "InsufficientPermissions", "message": NEEDS.format(scope), "errors": [error], "permissionName": scope}
    return status, body


@pytest.fixture
def vendor() -> RingCentralSimulator:
    return RingCentralSimulator(apps=APPS)


@pytest.fixture
async def house(vendor: RingCentralSimulator) -> AsyncIterator[House]:
    async with open_house(vendor) as house:
        yield house


async def log_in(house: House, app: str) -> str:
    answer = await house.send("POST", LOGIN, headers=basic(app), form=FORM)
    return str(answer.json["access_token"])


async def known(house: House) -> list[Json]:
    found = (await house.admin("/api/v1/grants"))["grants"]
    assert isinstance(found, list)
    return found


def unseen(vendor: RingCentralSimulator, app: str) -> str:
    """Return a token of a login that did not pass the proxy."""
    fields = {"content-type": "application/x-www-form-urlencoded", "authorization": basic(app)["Authorization"]}
    form = "&".join(f"{name}={value}" for name, value in FORM.items()).encode()
    reply = vendor.answer(Incoming("api", "POST", "/restapi/oauth/token", fields, form))
    assert isinstance(reply.body, bytes)
    return str(json.loads(reply.body)["access_token"])


async def test_what_one_token_teaches_says_nothing_about_another(house: House, vendor: RingCentralSimulator) -> None:
    mine, other = unseen(vendor, "reader"), unseen(vendor, "lister")
    assert (await house.send("GET", CALL_LOG, mine)).told == (403, "indeterminate", False)
    assert (await house.send("GET", CALL_LOG, mine)).told == (403, "deny", True)
    assert (await house.send("GET", CALL_LOG, other)).told == (200, "indeterminate", False)
    assert (await house.send("GET", CALL_LOG, other)).told == (200, "permit", False)
    assert (await house.send("GET", CALL_LOG, mine)).told == (403, "deny", True)


async def test_a_forged_login_teaches_nothing(house: House) -> None:
    """Scopes and tokens that a caller writes into a login that the vendor refuses."""
    victim = await log_in(house, "lister")
    before = await known(house)
    form = {**FORM, "assertion": "made-up", "scope": "ReadAccounts", "access_token": victim, "expires_in": "9999", "refresh_token": victim}
    assert (await house.send("POST", LOGIN, headers=basic("reader"), form=form)).status in {400, 401}
    assert (await house.send("POST", LOGIN + "?scope=ReadAccounts", headers=basic("reader", "wrong"), form=form)).status in {400, 401}
    assert [entry["scopes"] for entry in await known(house)] == [entry["scopes"] for entry in before]
    assert (await house.send("GET", CALL_LOG, victim)).told == (200, "permit", False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {**refusal("ReadCallLog")[1], "permissionName": "ReadAccounts"}),
        (403, {**refusal("ReadCallLog")[1], "errors": [{"errorCode": "CMN-401", "message": "x", "permissionName": "ReadCallLog"}]}),
        (403, {"errorCode": "CMN-102", "message": NEEDS.format("ReadCallLog"), "parameterName": NEEDS.format("ReadCallLog")}),
        (403, {"echo": json.dumps(refusal("ReadCallLog")[1]), **json.loads('{"scopegate": {"missing": [["ReadCallLog"]]}}')}),
        (400, refusal("ReadCallLog")[1]),
        (200, refusal("ReadCallLog")[1]),
        (404, refusal("ReadCallLog")[1]),
    ],
)
async def test_a_body_that_a_caller_had_a_hand_in_teaches_nothing(
    house: House, vendor: RingCentralSimulator, status: int, body: Json
) -> None:
    token = unseen(vendor, "lister")
    vendor.reply_next(json_reply(status, body))
    assert (await house.send("GET", CALL_LOG, token)).status == status
    answer = await house.send("GET", CALL_LOG, token)
    assert (answer.status, answer.local) == (200, False)


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "ReadAccounts", "padding": "x" * 300_000},
        {"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": ["ReadAccounts"]},
        {"access_token": "t", "token_type": "bearer", "expires_in": -5, "scope": "ReadAccounts"},
        {"access_token": "t", "token_type": "mac", "expires_in": 3600, "scope": "ReadAccounts"},
        {"access_token": ["t"], "token_type": "bearer", "expires_in": 3600, "scope": "ReadAccounts"},
        {"token_type": "bearer", "expires_in": 3600, "scope": "ReadAccounts"},
    ],
    ids=["oversized", "scope is a list", "ended already", "another kind", "token is a list", "no token"],
)
async def test_an_oversized_or_malformed_token_answer_teaches_nothing(house: House, vendor: RingCentralSimulator, answer: Json) -> None:
    vendor.reply_next(json_reply(200, answer))
    passed = await house.send("POST", LOGIN, headers=basic("reader"), form=FORM)
    assert (passed.status, passed.json) == (200, answer)
    assert await known(house) == []


async def test_an_answer_to_another_effective_method_teaches_nothing_about_this_one(house: House, vendor: RingCentralSimulator) -> None:
    """A POST that means DELETE is refused for want of EditMessages; reading the same message needs ReadMessages."""
    token = unseen(vendor, "mail")
    status, body = refusal("EditMessages")
    for header in ({"X-HTTP-Method-Override": "DELETE"}, {}):
        vendor.reply_next(json_reply(status, body))
        target = MESSAGE if header else MESSAGE + "?_method=DELETE"
        first = await house.send("POST", target, token, header)
        assert first.status == 403
    reading = await house.send("GET", MESSAGE, token)
    assert not reading.local
    again = await house.send("POST", MESSAGE, token, {"X-HTTP-Method-Override": "DELETE"})
    assert again.told == (403, "deny", True)
    plain = await house.send("POST", MESSAGE, token)
    assert not plain.local
