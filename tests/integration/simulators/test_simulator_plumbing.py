"""What every simulator does: the journal, listening, TLS, silence about secrets, bounds, and routes of its own."""

import asyncio
import gzip
import hashlib
import logging
import ssl
from typing import Any

import aiohttp
import pytest
import trustme

from proxy.simulators import SIMULATORS, Document, NewVoiceMediaSimulator, Reply, describe, make_simulator, read_document
from proxy.simulators.base import MAX_JOURNAL_BODY, Mint, Store
from proxy.simulators.routes import Operation, RouteTable

SECRET = "canary-token-7f3a"


def small(**options: Any) -> NewVoiceMediaSimulator:
    return NewVoiceMediaSimulator(Document(), **options)


async def talk(url: str, request: bytes) -> bytes:
    """Send raw bytes and read until the other side closes."""
    host, _, port = url.partition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


# --- journal --------------------------------------------------------------------------------------------------------


async def test_the_journal_keeps_what_arrived_byte_for_byte() -> None:
    async with small() as running:
        head = (
            b"POST /a%2Fb/%7E?q=%C3%A9&q=2 HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-oNE: 2\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
        )
        await talk(running.base_url, head)
        (received,) = running.journal
    assert (received.method, received.target, received.body, received.complete) == ("POST", b"/a%2Fb/%7E?q=%C3%A9&q=2", b"abc", True)
    assert received.headers[:3] == ((b"Host", b"x"), (b"X-One", b"1"), (b"x-oNE", b"2"))
    assert received.header_values("X-ONE") == [b"1", b"2"]
    assert running.journal.to_path("/a%2Fb/%7E") == [received]


async def test_a_large_body_is_kept_as_size_and_digest() -> None:
    body = b"x" * (MAX_JOURNAL_BODY + 1)
    async with small() as running, aiohttp.ClientSession() as session:
        async with session.post(running.base_url, data=body) as response:
            await response.read()
        (received,) = running.journal
    assert (received.body, received.body_size, received.body_sha256) == (None, len(body), hashlib.sha256(body).hexdigest())


async def test_a_compressed_body_arrives_as_it_was_sent() -> None:
    body = gzip.compress(b"abc")
    async with small() as running, aiohttp.ClientSession() as session:
        async with session.post(running.base_url, data=body, headers={"Content-Encoding": "gzip"}) as response:
            await response.read()
        assert running.journal[0].body == body


async def test_an_upload_that_breaks_off_is_recorded_as_incomplete() -> None:
    async with small() as running:
        host, _, port = running.base_url.partition("//")[2].partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await running.journal.reached(1)
        (received,) = running.journal
    assert (received.complete, received.body) == (False, b"abc")


async def test_the_journal_is_bounded_counts_on_and_can_be_cleared() -> None:
    async with small(journal_size=2) as running, aiohttp.ClientSession() as session:
        for number in range(3):
            async with session.get(f"{running.base_url}/{number}") as response:
                await response.read()
    assert ([received.path for received in running.journal], running.journal.total) == (["/1", "/2"], 3)
    running.journal.clear()
    assert (len(running.journal), running.journal.total) == (0, 0)


# --- secrets --------------------------------------------------------------------------------------------------------


async def test_neither_a_malformed_request_nor_an_ordinary_one_is_quoted_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with small() as running:
        bad = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {SECRET}\r\n\r\n".encode()
        good = f"GET /?access_token={SECRET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode()
        answers = await talk(running.base_url, bad), await talk(running.base_url, good)
    assert [answer.split(maxsplit=2)[1] for answer in answers] == [b"400", b"401"]
    assert SECRET.encode() not in answers[0] + answers[1]
    assert SECRET not in caplog.text
    assert SECRET not in repr(list(running.journal))


# --- listening ------------------------------------------------------------------------------------------------------


async def test_a_simulator_speaks_https_with_a_given_context() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    running = small()
    await running.start(ssl_context=server)
    async with running, aiohttp.ClientSession() as session, session.get(running.base_url, ssl=client) as response:
        assert (running.base_url[:8], response.status) == ("https://", 401)


async def test_an_upload_that_waits_for_100_continue_is_asked_to_go_on() -> None:
    async with small() as running, aiohttp.ClientSession() as session:
        async with session.post(running.base_url, data=b"abc", expect100=True) as response:
            assert response.status == 401
        assert running.journal[0].body == b"abc"


async def test_a_stopped_simulator_has_no_address_and_can_start_again() -> None:
    running = small()
    await running.start()
    await running.stop()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = running.base_url
    async with running:
        assert running.base_url.startswith("http://127.0.0.1:")


async def test_given_replies_come_before_the_vendors_own_rules() -> None:
    async with small() as running, aiohttp.ClientSession() as session:
        running.reply_next(Reply(503, b"busy", (("Retry-After", "1"),)))
        statuses = []
        for _ in range(2):
            async with session.get(running.base_url) as response:
                statuses.append((response.status, response.headers.get("Retry-After"), await response.read()))
    assert statuses == [(503, "1", b"busy"), (401, None, b'{"message":"Unauthorized"}')]


async def test_bodies_are_compressed_only_for_clients_that_accept_it() -> None:
    async with small(compress=True) as running, aiohttp.ClientSession() as session:
        for encoding in ("gzip", "identity"):
            async with session.get(running.base_url, headers={"Accept-Encoding": encoding}) as response:
                assert (response.headers.get("Content-Encoding"), await response.read()) == (
                    "gzip" if encoding == "gzip" else None,
                    b'{"message":"Unauthorized"}',
                )


@pytest.mark.parametrize("vendor", SIMULATORS)
async def test_every_vendor_describes_accounts_and_a_login_line(vendor: str) -> None:
    text = describe(vendor, "http://proxy.example/mount")
    login = {"ringcentral": "/restapi/oauth/token", "8x8": "/analytics/work/v1/oauth/token", "newvoicemedia": "/Auth/connect/token"}
    assert f"http://proxy.example/mount{login[vendor]}" in text
    async with make_simulator(vendor) as running:
        assert running.base_url + login[vendor] in running.describe()


# --- bounds and tokens ----------------------------------------------------------------------------------------------


def test_a_store_forgets_its_oldest_entries() -> None:
    store: Store[int] = Store(limit=2)
    for number in range(3):
        store.put(str(number), number)
    assert (len(store), store.get("0"), store.take("2"), store.get("2")) == (2, None, 2, None)


def test_a_seed_makes_the_same_tokens_in_every_run() -> None:
    assert [Mint(seed=1).opaque("t-") for _ in range(2)] == [Mint(seed=1).opaque("t-")] * 2
    assert Mint().opaque("t-") != Mint().opaque("t-")


# --- routes ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_becomes_operations_inclusions_and_aliases() -> None:
    document = read_document(
        {
            "scopes": {"A": {"implies": ["B"]}, "B": {"implies": ["C"]}, "C": None},
            "aliases": {"Old": "A"},
            "operations": [
                {"id": "one", "method": "GET", "path": "/a/{x}", "requires": [["A", "B"], ["C"]]},
                {"id": "two", "method": "GET", "path": "/b", "requires": "unknown"},
                {"id": "three", "method": "POST", "path": "/c", "requires": [], "auth": "none"},
            ],
        }
    )
    assert document.closure(["Old"]) == {"Old", "A", "B", "C"}
    assert [operation.requires for operation in document.operations] == [(("A", "B"), ("C",)), None, ()]
    assert document.operations[2].auth == "none"


@pytest.mark.parametrize(("held", "missing"), [(set(), "A"), ({"A"}, "B"), ({"B"}, "A"), ({"A", "B"}, ""), ({"C"}, "")])
def test_alternatives_and_what_a_refusal_names(held: set[str], missing: str) -> None:
    operation = Operation("one", "GET", "/a", (("A", "B"), ("C",)))
    assert (operation.satisfied_by(frozenset(held)), operation.first_missing(frozenset(held))) == (missing == "", missing)


@pytest.mark.parametrize(
    ("method", "path", "found", "parameters"),
    [
        ("GET", "/a/default", "z-literal", {}),
        ("GET", "/a/other", "parameter", {"x": "other"}),
        ("HEAD", "/a/other/", "parameter", {"x": "other"}),
        ("PUT", "/a/default", "put", {"x": "default"}),
        ("DELETE", "/a/default", None, None),
        ("GET", "/a/other/more", None, None),
        ("GET", "/a//", None, None),
    ],
)
def test_routes(method: str, path: str, found: str | None, parameters: dict[str, str] | None) -> None:
    rows = [Operation("parameter", "GET", "/a/{x}"), Operation("z-literal", "GET", "/a/default"), Operation("put", "PUT", "/a/{x}")]
    match = RouteTable(rows).find(method, path)
    assert (match.operation.id if match else None, match.parameters if match else None) == (found, parameters)
