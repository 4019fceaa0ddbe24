"""A token whose login was not seen: RingCentral is asked what it holds, once, beside the requests, and believed only if it is plain."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from proxy.simulators import RingCentralSimulator
from proxy.simulators.messages import Incoming, Reply, json_reply
from tests.fakes.waiting import eventually
from tests.integration.house import HandClocks, House, basic, open_house

LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
STATUS = "/ringcentral/restapi/v1.0/account/~"
INFO = "/restapi/oauth/session-info"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Vendor(RingCentralSimulator):
    """RingCentral, with an answer of the test's own about sessions where there is one."""

    told: Reply | None = None
    held_back: asyncio.Event | None = None

    async def _handle(self, listener: str, request: web.BaseRequest) -> web.StreamResponse:
        if self.held_back is not None and request.path == INFO:
            await self.held_back.wait()
        return await super()._handle(listener, request)

    def answer(self, incoming: Incoming) -> Reply:
        return self.told if self.told is not None and incoming.path == INFO else super().answer(incoming)

    def login(self, app: str) -> str:
        """Log in past the proxy."""
        body = f"grant_type={GRANT}&assertion=demo-jwt-amy".encode()
        reply = self.answer(Incoming("api", "POST", "/restapi/oauth/token", self.basic(app), body))
        assert isinstance(reply.body, bytes)
        token = json.loads(reply.body)["access_token"]
        assert isinstance(token, str)
        return token

    def basic(self, app: str) -> dict[str, str]:
        return {"authorization": basic(app, f"{app}-secret")["Authorization"]}

    @property
    def asked(self) -> int:
        return sum(entry.path == INFO for entry in self.journal)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@asynccontextmanager
async def open_asking(vendor: Vendor, **more: Any) -> AsyncIterator[House]:
    async with open_house(vendor, vendors={"ringcentral": {"discover_scopes": True}}, **more) as house:
        yield house


async def came_of_it(house: House, **expected: float) -> None:
    """Wait until so much was asked with these results."""
    wanted = {(name,): number for name, number in expected.items()}

    async def it_is() -> bool:
        return await house.count("scopegate_discoveries_total", "result") == wanted

    await eventually(it_is)


async def test_it_is_off_by_default(vendor: Vendor) -> None:
    async with open_house(vendor) as house:
        assert (await house.send("GET", LOG, vendor.login("demo-reader"))).told == (403, "indeterminate", False)
        assert vendor.asked == 0
        assert "scopegate_discoveries_total{" not in await house.page()


async def test_what_the_vendor_tells_is_complete_knowledge(vendor: Vendor) -> None:
    token = vendor.login("demo-reader")
    async with open_asking(vendor) as house:
        assert (await house.send("GET", STATUS, token)).told == (200, "indeterminate", False)
        await came_of_it(house, learned=1)
        denied = await house.send("GET", LOG, token)
        assert denied.told == (403, "deny", True)
        assert denied.member["evidence"]["source"] == "discovery"
        assert "when the proxy asked" in denied.member["explanation"]
        assert (await house.send("GET", STATUS, token)).told == (200, "permit", False)
    (asked,) = [entry for entry in vendor.journal if entry.path == INFO]
    assert (asked.method, asked.header_values("authorization")) == ("GET", [f"Bearer {token}".encode()])


@pytest.mark.parametrize("told", [True, False])
async def test_the_question_belongs_to_the_trace_of_the_request_that_caused_it(vendor: Vendor, told: bool) -> None:
    trace, state = "4bf92f3577b34da6a3ce929d0e0e4736", "foo=1"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "tracestate": state, "X-Request-ID": "mine"}
    async with open_asking(vendor, tracing={"pass_to_vendor": told}) as house:
        await house.send("GET", STATUS, vendor.login("demo-reader"), headers)
        await came_of_it(house, learned=1)
        (row,) = (await house.admin("/api/v1/decisions"))["decisions"]
    (asked,) = [entry for entry in vendor.journal if entry.path == INFO]
    expected = [f"00-{trace}-{row['span_id']}-01", state, "mine"] if told else [None, None, None]
    values = [asked.header_values(name) for name in ("traceparent", "tracestate", "x-request-id")]
    assert [value[0].decode() if value else None for value in values] == expected


async def test_fifty_requests_at_once_ask_once(vendor: Vendor) -> None:
    token = vendor.login("demo-archiver")
    async with open_asking(vendor) as house:
        answers = await asyncio.gather(*(house.send("GET", LOG, token) for _ in range(50)))
        assert {answer.status for answer in answers} == {200}
        await came_of_it(house, learned=1)
    assert vendor.asked == 1


async def test_a_request_does_not_wait_for_it(vendor: Vendor) -> None:
    token, go = vendor.login("demo-reader"), asyncio.Event()
    vendor.held_back = go
    async with open_asking(vendor) as house:
        assert (await house.send("GET", STATUS, token)).told == (200, "indeterminate", False)
        await came_of_it(house)
        go.set()
        await came_of_it(house, learned=1)


@pytest.mark.parametrize(
    ("told", "result"),
    [
        (Reply(404), "refused"),
        (Reply(500), "refused"),
        (Reply(302, headers=(("Location", "/restapi/v1.0/status"),)), "refused"),
        (Reply(200, b"<html>"), "nothing"),
        (Reply(200, b"[]"), "nothing"),
        (json_reply(200, {}), "nothing"),
        (json_reply(200, {"scope": "ReadAccounts"}), "nothing"),
        (json_reply(200, {"scope": "", "client_id": "a", "session_id": "b"}), "nothing"),
        (json_reply(200, {"scope": ["ReadAccounts"], "client_id": "a", "session_id": "b"}), "nothing"),
        (json_reply(200, {"scope": "ReadAccounts", "client_id": {}, "session_id": "b"}), "nothing"),
        (json_reply(200, {"scope": "ReadAccounts", "client_id": "a", "session_id": "b", "session_expires_in": -1}), "nothing"),
        (Reply(200, b'{"scope": "ReadAccounts", "scope": "A", "client_id": "a", "session_id": "b"}'), "nothing"),
        (Reply(200, b" " * 70_000), "failed"),
    ],
    ids=str,
)
async def test_garbage_teaches_nothing_and_is_not_asked_for_again(vendor: Vendor, told: Reply, result: str) -> None:
    vendor.told = told
    token, clocks = vendor.login("demo-reader"), HandClocks()
    async with open_asking(vendor, clocks=clocks) as house:
        for _ in range(3):
            assert (await house.send("GET", LOG + "?view=Detailed", token)).status == 403
            await came_of_it(house, **{result: 1})
        grants = (await house.admin("/api/v1/grants"))["grants"]
        assert [grant["source"] for grant in grants] == ["refusal"]  # of the request itself
        clocks.moved += 901.0
        await house.send("GET", STATUS, token)
        await came_of_it(house, **{result: 2})


async def test_a_dead_token_teaches_nothing(vendor: Vendor) -> None:
    async with open_asking(vendor) as house:
        assert (await house.send("GET", STATUS, "SIMULATED-RC-NONE")).status == 401
        await came_of_it(house, refused=1)
        assert (await house.admin("/api/v1/grants"))["grants"] == []


async def test_made_up_tokens_do_not_flood_the_vendor(vendor: Vendor) -> None:
    async with open_asking(vendor, clocks=HandClocks()) as house:
        for number in range(12):
            await house.send("GET", STATUS, f"made-up-{number}")
        await came_of_it(house, refused=5, rate_limited=7)
    assert vendor.asked == 5


async def test_a_vendor_that_says_too_many_is_left_alone(vendor: Vendor) -> None:
    vendor.told = Reply(429, headers=(("Retry-After", "120"),))
    clocks = HandClocks()
    async with open_asking(vendor, clocks=clocks) as house:
        await house.send("GET", STATUS, "made-up-1")
        await came_of_it(house, refused=1)
        clocks.moved += 119.0
        await house.send("GET", STATUS, "made-up-2")
        await came_of_it(house, refused=1, rate_limited=1)
        clocks.moved += 2.0
        await house.send("GET", STATUS, "made-up-2")
        await came_of_it(house, refused=2, rate_limited=1)


async def test_what_ends_with_its_time_may_be_asked_again(vendor: Vendor) -> None:
    token, clocks = vendor.login("demo-reader"), HandClocks()
    async with open_asking(vendor, clocks=clocks) as house:
        await house.send("GET", STATUS, token)
        await came_of_it(house, learned=1)
        clocks.moved += 901.0
        assert (await house.send("GET", STATUS, token)).told == (200, "indeterminate", False)
        await came_of_it(house, learned=2)


async def test_a_session_that_ends_soon_is_believed_no_longer(vendor: Vendor) -> None:
    about = {"scope": "ReadAccounts", "client_id": "a", "session_id": "b", "session_expires_in": 30}
    vendor.told = json_reply(200, about)
    token, clocks = vendor.login("demo-reader"), HandClocks()
    async with open_asking(vendor, clocks=clocks) as house:
        await house.send("GET", STATUS, token)
        await came_of_it(house, learned=1)
        assert (await house.send("GET", LOG, token)).told == (403, "deny", True)
        clocks.moved += 31.0
        assert (await house.send("GET", LOG, token)).local is False


async def test_where_unknown_tokens_are_denied_the_next_try_may_pass(vendor: Vendor) -> None:
    token = vendor.login("demo-archiver")
    settings = {"discover_scopes": True, "on_unknown_token": "deny"}
    async with open_house(vendor, vendors={"ringcentral": settings}) as house:
        assert (await house.send("GET", LOG, token)).told == (403, "deny", True)
        await came_of_it(house, learned=1)
        assert (await house.send("GET", LOG, token)).told == (200, "permit", False)


async def test_callers_who_are_refused_make_nobody_ask(vendor: Vendor) -> None:
    clients = [{"name": "archiver", "authenticate": {"api_key_sha256": "0" * 64}}]
    async with open_asking(vendor, clients=clients) as house:
        assert (await house.send("GET", LOG, vendor.login("demo-archiver"))).told == (403, "deny", True)
        assert (await house.send("GET", "/ringcentral//", "made-up")).status == 400
        await came_of_it(house)
    assert vendor.asked == 0


async def test_nobody_is_asked_about_a_token_whose_login_passed_or_in_mode_off(vendor: Vendor) -> None:
    form = {"grant_type": GRANT, "assertion": "demo-jwt-amy"}
    async with open_asking(vendor) as house:
        answer = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=vendor.basic("demo-reader"), form=form)
        await house.send("GET", STATUS, answer.json["access_token"])
        await came_of_it(house)
    async with open_asking(vendor, mode="off") as house:
        await house.send("GET", STATUS, vendor.login("demo-reader"))
        await came_of_it(house)
    assert vendor.asked == 0


@pytest.mark.parametrize(("known_authority", "expected"), [(True, {"learned": 1.0}), (False, {"failed": 1.0})])
async def test_the_upstreams_certificate_is_verified(
    vendor: Vendor, tmp_path: Path, known_authority: bool, expected: dict[str, float]
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    (authority if known_authority else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    await vendor.start(ssl_context=tls)
    mount = {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, "discover_scopes": True}
    try:
        async with open_house(
            vendors={"ringcentral": {**mount, "upstream": vendor.base_url, "ca_file": str(tmp_path / "ca.pem")}}
        ) as house:
            await house.send("GET", STATUS, vendor.login("demo-reader"))
            await came_of_it(house, **expected)
    finally:
        await vendor.stop()


async def test_a_vendor_that_is_away(vendor: Vendor) -> None:
    async with open_asking(vendor) as house:
        await vendor.stop()
        assert (await house.send("GET", STATUS, "made-up")).status == 502
        await came_of_it(house, failed=1)
