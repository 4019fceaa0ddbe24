"""How long knowledge lives, sentence by sentence, with clocks that the test moves. Over restarts: `stores/test_restart.py`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.simulators import EightByEightSimulator, RingCentralSimulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from tests.integration.house import Answer, HandClocks, House, Json, basic, open_house

LOGIN, REVOKE = "/ringcentral/restapi/oauth/token", "/ringcentral/restapi/oauth/revoke"
CALL_LOG, EXTENSION = "/ringcentral/restapi/v1.0/account/~/call-log", "/ringcentral/restapi/v1.0/account/~/extension/~"
KEY = {"8x8-apikey": "demo-8x8-apikey"}
PERIOD = "startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
RECORDS = f"/8x8{eight.ANALYTICS}/v2/call-records?pbxId=acmecorp&{PERIOD}"
DENIED, UNKNOWN = "deny", "indeterminate"


class JumpingClocks(HandClocks):
    """The wall clock is set by somebody else."""

    set_by = 0.0

    def wall(self) -> float:
        return super().wall() + self.set_by


@pytest.fixture
def clocks() -> JumpingClocks:
    return JumpingClocks()


@pytest.fixture
def ringcentral() -> RingCentralSimulator:
    return RingCentralSimulator(apps=[RingCentralApp("reader", "secret", "ReadAccounts")])


@pytest.fixture
def eight_by_eight() -> EightByEightSimulator:
    return EightByEightSimulator()


@pytest.fixture
async def house(ringcentral: RingCentralSimulator, eight_by_eight: EightByEightSimulator, clocks: JumpingClocks) -> AsyncIterator[House]:
    async with open_house(ringcentral, eight_by_eight, clocks=clocks, vendors={"8x8": {"recheck_s": 60}}) as house:
        yield house


async def log_in(house: House) -> Json:
    return (await house.send("POST", LOGIN, headers=basic("reader"), form={"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"})).json


async def refresh(house: House, refresh_token: str) -> Json:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return (await house.send("POST", LOGIN, headers=basic("reader"), form=form)).json


async def log_in_at_8x8(house: House) -> str:
    form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
    return str((await house.send("POST", f"/8x8{eight.LOGIN}", headers=KEY, form=form)).json["access_token"])


async def decision(house: House, token: str) -> str:
    return (await house.send("GET", CALL_LOG, token)).decision


async def records(house: House, token: str, method: str = "GET") -> Answer:
    return await house.send(method, RECORDS, token, KEY)


# --- expiry at the token's own end


async def test_knowledge_ends_when_the_token_does(house: House, clocks: JumpingClocks) -> None:
    issued = await log_in(house)
    clocks.moved += issued["expires_in"] - 1
    assert await decision(house, issued["access_token"]) == DENIED
    clocks.moved += 1
    assert await decision(house, issued["access_token"]) == UNKNOWN


# --- refresh and revoke end the whole chain


async def test_refresh_ends_the_old_token(house: House) -> None:
    first = await log_in(house)
    second = await refresh(house, first["refresh_token"])
    assert [await decision(house, issued["access_token"]) for issued in (first, second)] == [UNKNOWN, DENIED]


async def test_the_chain_goes_on_over_several_refreshes(house: House) -> None:
    first = await log_in(house)
    second = await refresh(house, first["refresh_token"])
    third = await refresh(house, second["refresh_token"])
    assert [await decision(house, issued["access_token"]) for issued in (first, second, third)] == [UNKNOWN, UNKNOWN, DENIED]
    await house.send("POST", REVOKE, headers=basic("reader"), form={"token": third["refresh_token"]})
    assert await decision(house, third["access_token"]) == UNKNOWN


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_both_and_no_other_session(house: House, which: str) -> None:
    mine, other = await log_in(house), await log_in(house)
    await house.send("POST", REVOKE, headers=basic("reader"), form={"token": mine[which]})
    assert [await decision(house, issued["access_token"]) for issued in (mine, other)] == [UNKNOWN, DENIED]


# --- a new login replaces


async def test_what_a_new_login_tells_of_a_token_replaces_what_was_known(house: House, ringcentral: RingCentralSimulator) -> None:
    """A vendor may issue the same token again, with other scopes."""
    issued = await log_in(house)
    assert await decision(house, issued["access_token"]) == DENIED
    again = json_reply(200, {**issued, "scope": "ReadAccounts ReadCallLog"})
    ringcentral.reply_next(again)
    assert (await log_in(house))["access_token"] == issued["access_token"]
    assert await decision(house, issued["access_token"]) == "permit"


# --- clock jumps do not resurrect


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 3600.0, 1e9])
async def test_a_wall_clock_that_jumps_moves_no_end(house: House, clocks: JumpingClocks, jump: float) -> None:
    issued = await log_in(house)
    clocks.moved += issued["expires_in"] - 1
    clocks.set_by = jump
    assert await decision(house, issued["access_token"]) == DENIED
    clocks.moved += 1
    assert await decision(house, issued["access_token"]) == UNKNOWN


# --- an answer that contradicts an entry removes it at once and is counted


async def test_a_refusal_of_what_was_expected_to_pass_is_believed_at_once(house: House, ringcentral: RingCentralSimulator) -> None:
    ringcentral.set_scope("reader", "ReadAccounts ReadCallLog")
    token = (await log_in(house))["access_token"]
    assert await decision(house, token) == "permit"
    ringcentral.strike_scope(token, "ReadCallLog")
    assert [await decision(house, token) for _ in range(2)] == ["permit", DENIED]
    assert await house.count("scopegate_predictions_total", predicted="permit", actual="refused_permission") == {(): 1.0}


async def test_success_of_what_was_expected_to_fail_is_believed_at_once(ringcentral: RingCentralSimulator) -> None:
    async with open_house(ringcentral, vendors={"ringcentral": {"mode": "shadow"}}) as house:
        token = (await log_in(house))["access_token"]
        ringcentral.reply_next(json_reply(200, {"records": []}))
        assert [await decision(house, token) for _ in range(2)] == ["would-deny", "permit"]
        assert await house.count("scopegate_predictions_total", predicted="deny", actual="accepted") == {(): 1.0}


# --- a changeable right that is absent is tried again, now and then, by harmless requests


async def test_an_account_that_was_fixed_starts_working_by_itself(
    house: House, eight_by_eight: EightByEightSimulator, clocks: JumpingClocks
) -> None:
    token = await log_in_at_8x8(house)
    assert (await records(house, token)).decision == UNKNOWN
    eight_by_eight.set_access("reporting@example.com", "acmecorp", ["CDR"])
    assert (await records(house, token)).told == (400, DENIED, True)
    clocks.moved += 60
    assert [(await records(house, token)).told for _ in range(2)] == [(200, UNKNOWN, False), (200, "permit", False)]


async def test_one_request_per_interval_is_let_through_to_find_out(
    house: House, eight_by_eight: EightByEightSimulator, clocks: JumpingClocks
) -> None:
    token = await log_in_at_8x8(house)
    await records(house, token)
    eight_by_eight.journal.clear()
    for _ in range(3):
        clocks.moved += 60
        assert [(await records(house, token)).decision for _ in range(3)] == [UNKNOWN, DENIED, DENIED]
    assert eight_by_eight.journal.total == 3


CHANGEABLE = """\
vendor: made-up
source: made up
scopes: {calls: {changeable: true, remediation: [ask], documentation: ["https://vendor.example/calls"]}}
operations:
  - {id: readCalls, method: GET, path: /calls, requires: [[calls]]}
  - {id: makeCall, method: POST, path: /calls, requires: [[calls]]}
token_endpoint: {path: /oauth/token, scope_from: none}
token_in: {header: Authorization, scheme: Bearer}
refusal: {status: 403, body: {error: insufficient_scope}}
recognise: [{status: 403, json: {error: insufficient_scope}, scope_from: missing}]
"""


async def refuse(_: web.Request) -> web.Response:
    return web.json_response({"error": "insufficient_scope", "missing": "calls"}, status=403)


async def test_a_request_that_could_change_something_is_never_let_through(tmp_path: Path, clocks: JumpingClocks) -> None:
    (tmp_path / "catalog.yaml").write_text(CHANGEABLE)
    async with TestServer(application_of(refuse)) as server:
        upstream = f"http://127.0.0.1:{server.port}"
        vendor = {"kind": "generic", "mount": {"path": "/acme"}, "upstream": upstream, "catalog": str(tmp_path / "catalog.yaml")}
        async with open_house(clocks=clocks, vendors={"acme": vendor}) as house:
            assert (await house.send("GET", "/acme/calls", "token")).decision == UNKNOWN
            clocks.moved += 600
            post = await house.send("POST", "/acme/calls", "token")
            assert post.told == (403, DENIED, True)
            assert "lets one such GET" not in post.member["explanation"]
            assert [(await house.send("HEAD", "/acme/calls", "token")).decision for _ in range(2)] == [UNKNOWN, DENIED]


def application_of(handler: Callable[[web.Request], Awaitable[web.Response]]) -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", handler)
    return application


async def test_the_denial_says_when_that_will_be(house: House, clocks: JumpingClocks) -> None:
    token = await log_in_at_8x8(house)
    await records(house, token)
    clocks.moved += 20
    explanation = (await records(house, token)).member["explanation"]
    named = re.search(r"From (\S+) on", explanation)
    assert named is not None, explanation
    assert datetime.fromisoformat(named[1]) == datetime.fromtimestamp(clocks.wall() + 40, UTC)
