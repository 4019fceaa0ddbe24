"""Apps that say who they are with tokens of the company's issuer, through a whole proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from proxy.app import App, StartError
from proxy.identity.issuer_keys import IssuerKeys, Source
from proxy.settings import Loaded, Problems, parse_settings
from proxy.simulators import RingCentralSimulator
from tests.fakes.issuer import AUDIENCE, NAME, Issuer
from tests.fakes.waiting import eventually
from tests.integration.house import HandClocks, House, open_house

CALLS = "/ringcentral/restapi/v1.0/account/~/call-log"
CLIENTS = [
    {"name": "archiver", "authenticate": {"jwt": {"issuer": NAME, "value": "call-archiver"}}},
    {"name": "keyed", "authenticate": {"api_key_sha256": "0" * 64}},
]


@pytest.fixture
def issuer() -> Issuer:
    issuer = Issuer()
    issuer.add("one")
    return issuer


@asynccontextmanager
async def house_of(issuer: Issuer, directory: Path, clocks: HandClocks | None = None) -> AsyncIterator[House]:
    file = directory / "keys.json"
    file.write_bytes(issuer.public)
    issuers = [{"issuer": NAME, "audience": AUDIENCE, "jwks_file": str(file)}]
    async with open_house(RingCentralSimulator(), clocks=clocks or HandClocks(), issuers=issuers, clients=CLIENTS) as house:
        yield house


async def asked(house: House, *keys: str) -> tuple[int, str]:
    answer = await house.send("GET", CALLS, "some-token", [("Scopegate-Key", key) for key in keys])
    message = answer.json.get("message", "") if answer.status == 403 else ""
    return answer.status, message


async def test_a_valid_token_is_let_in_and_goes_no_further(issuer: Issuer, tmp_path: Path) -> None:
    async with house_of(issuer, tmp_path) as house:
        token = issuer.token()
        for _ in range(3):
            assert (await asked(house, token))[0] == 401  # the vendor's own answer to an unknown access token
        seen = house.simulators["ringcentral"].journal.to_path(CALLS.removeprefix("/ringcentral"))
        assert len(seen) == 3
        assert not [name for entry in seen for name in entry.headers if name[0].lower() == b"scopegate-key"]
        assert {client for (client,) in await house.count("scopegate_requests_total", "client")} == {"archiver"}
        assert await house.count("scopegate_client_tokens_total", "result") == {("accepted",): 3}
        assert token not in await house.page()


async def test_a_wrong_token_is_refused_with_the_reason(issuer: Issuer, tmp_path: Path) -> None:
    stranger = Issuer()
    stranger.add("one")
    async with house_of(issuer, tmp_path) as house:
        for token, told in (
            (stranger.token(), "its signature is wrong"),
            (issuer.token(aud="else"), "another audience"),
            (issuer.token(sub="nobody"), "those of no configured client"),
            (issuer.token(exp=1.0), "it has expired"),
        ):
            status, message = await asked(house, token)
            assert (status, told in message) == (403, True), message
            assert token not in message
        assert (await asked(house, "not-a-token"))[0] == 403
        assert house.simulators["ringcentral"].journal.total == 0


async def test_a_connection_does_not_outlive_its_token(issuer: Issuer, tmp_path: Path) -> None:
    clocks = HandClocks()
    async with house_of(issuer, tmp_path, clocks) as house:
        token = issuer.token(exp=clocks.wall() + 100)
        request = f"GET {CALLS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nScopegate-Key: {token}\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", house.app.port)
        statuses = []
        for moved in (0.0, 50.0, 50.0, 100.0):
            clocks.moved += moved
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            statuses.append(int(head.split()[1]))
        writer.close()
        assert statuses == [401, 401, 401, 403]


async def until(holds: Callable[[], bool]) -> None:
    async def asked_again() -> bool:
        return holds()

    await eventually(asked_again)


def failures(keys: IssuerKeys) -> float:
    return keys.loads()[NAME, "failed"]


def missing(keys: IssuerKeys) -> bool:
    """Miss a key; True, to be asked along with others."""
    keys.missed(NAME)
    return True


async def test_new_keys_in_the_file_are_taken_up(issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(issuer.public)
    keys, changes = IssuerKeys([Source(NAME, file=file)], file_s=0.01), []
    keys.changed = lambda: changes.append(1)
    await keys.start()
    issuer.add("two")
    file.write_bytes(issuer.public)
    await until(lambda: set(keys.of(NAME)) == {"one", "two"})
    file.write_bytes(b"broken")
    await until(lambda: failures(keys) > 0)
    assert set(keys.of(NAME)) == {"one", "two"}
    await keys.stop()
    assert len(changes) == 2


@asynccontextmanager
async def address_of(answer: list[web.Response]) -> AsyncIterator[tuple[str, list[int]]]:
    """Answer with the last response of a list; count how often was asked."""
    asked_times: list[int] = []

    async def handle(_: web.Request) -> web.Response:
        asked_times.append(1)
        last = answer[-1]
        return web.Response(status=last.status, body=last.body, headers=last.headers)

    app = web.Application()
    app.add_routes([web.get("/keys", handle)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/keys", asked_times
    await runner.cleanup()


async def test_keys_from_an_address_are_asked_for_again_when_one_is_missed(issuer: Issuer) -> None:
    answers = [web.Response(body=issuer.public)]
    async with address_of(answers) as (url, asked_times):
        keys = IssuerKeys([Source(NAME, url=url)], missed_s=0.01)
        await keys.start()
        await until(lambda: set(keys.of(NAME)) == {"one"})
        issuer.add("two")
        answers.append(web.Response(body=issuer.public))
        await until(lambda: missing(keys) and set(keys.of(NAME)) == {"one", "two"})
        known = len(asked_times)
        answers.append(web.Response(status=500))
        await until(lambda: missing(keys) and len(asked_times) > known)
        assert set(keys.of(NAME)) == {"one", "two"}
        await keys.stop()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=302, headers={"Location": "/keys"}),
        web.Response(body=b"x" * 2_000_000),
        web.Response(body=b"{}"),
        web.Response(status=404),
    ],
    ids=["redirect", "too large", "no keys", "not found"],
)
async def test_whatever_an_address_answers_the_proxy_goes_on(answer: web.Response) -> None:
    async with address_of([answer]) as (url, asked_times):
        keys = IssuerKeys([Source(NAME, url=url)], missed_s=0.01)
        await keys.start()
        await until(lambda: bool(asked_times))
        await until(lambda: failures(keys) > 0)
        assert not keys.of(NAME)
        await keys.stop()


VENDORS = "vendors: {ringcentral: {kind: ringcentral, mount: {path: /rc}, upstream: 'http://127.0.0.1:1'}}"


def configured(issuers: str, clients: str = "[]", directory: Path = Path()) -> Loaded | Problems:
    text = f"listen: 127.0.0.1:0\nadmin: {{listen: '127.0.0.1:0'}}\nissuers: {issuers}\nclients: {clients}\n{VENDORS}\n"
    return parse_settings(text.encode(), {}, file=directory / "scopegate.yaml")


async def test_a_file_without_keys_is_told_at_the_start(tmp_path: Path) -> None:
    loaded = configured("[{issuer: a, audience: b, jwks_file: nothing.json}]", directory=tmp_path)
    assert isinstance(loaded, Loaded), str(loaded)
    with pytest.raises(StartError, match="No such file"):
        await App(loaded).start()


@pytest.mark.parametrize(
    ("issuers", "clients", "told"),
    [
        ("[{issuer: a, audience: b}]", "[]", "needs exactly one of jwks_file and jwks_url"),
        ("[{issuer: a, audience: b, jwks_file: x, jwks_url: 'https://a.example/k'}]", "[]", "needs exactly one of"),
        ("[{issuer: a, audience: b, jwks_url: 'http://a.example/k'}]", "[]", "must begin with https://"),
        ("[{issuer: a, audience: b, jwks_file: x, ca_file: y}]", "[]", "goes with jwks_url only"),
        ("[{issuer: a, audience: b, jwks_file: x, algorithms: [HS256]}]", "[]", "algorithms"),
        ("[{issuer: a, audience: b, jwks_file: x}, {issuer: a, audience: b, jwks_file: x}]", "[]", "another issuer has this name"),
        ("[]", "[{name: x, authenticate: {jwt: {issuer: a, value: b}}}]", "is none of issuers"),
        (
            "[{issuer: a, audience: b, jwks_file: x}]",
            "[{name: x, authenticate: {jwt: {issuer: a, value: b}}}, {name: y, authenticate: {jwt: {issuer: a, claim: sub, value: b}}}]",
            "another client has this claim",
        ),
    ],
)
def test_mistakes_are_told(issuers: str, clients: str, told: str) -> None:
    loaded = configured(issuers, clients)
    assert isinstance(loaded, Problems)
    assert told in str(loaded)
