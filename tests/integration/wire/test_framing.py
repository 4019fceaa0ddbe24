"""How the end of an answer is told, whatever way the vendor told it; interim answers and expectations."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.messages import Cut
from tests.fakes.origin import OK, Origin, Wire, answers, answers_and_ends, serve
from tests.fakes.running import Running
from tests.integration.wire.samples import POWERLESS, get, post

H = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("method", "sent", "fields"),
    [
        ("HEAD", H + b"Content-Length: 1234\r\n\r\n", {"Content-Length": "1234"}),
        ("HEAD", H + b"Transfer-Encoding: chunked\r\n\r\n", {}),
        ("HEAD", H + b"\r\n", {}),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", {}),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", {}),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n", {"Content-Length": "77", "ETag": '"x"'}),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", {}),
    ],
)  # fmt: skip
async def test_answers_without_a_body_have_none_and_the_connections_live_on(
    proxy: Running, origin: Origin, method: str, sent: bytes, fields: dict[str, str]
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(sent)
        await serve(wire)

    origin.scripts = [script]
    client = await proxy.client()
    await client.send(get("/x", method=method))
    answer = await client.answer(method)
    assert {name: answer.get(name) for name in ("Content-Length", "ETag", "Transfer-Encoding") if answer.get(name)} == fields
    await client.send(get("/next"))
    assert (await client.answer()).body == b"ok"
    assert [row["response_bytes"] for row in await proxy.exchanges(2)] == [0, 2]


@pytest.mark.parametrize(
    "sent",
    [
        H + b"Content-Length: 6\r\n\r\nabcdef",
        H + b"Content-Length: 000006\r\n\r\nabcdef",
        H + b"Content-Length: 6 \t\r\n\r\nabcdef",
        H + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n4;x=y\r\ncdef\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: Chunked\r\nTrailer: X-T\r\n\r\n6\r\nabcdef\r\n0\r\nX-T: trailer\r\nScopegate-Decision: deny\r\n\r\n",
        H + b"\r\nabcdef",
        b"HTTP/1.0 200 OK\r\n\r\nabcdef",
        b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 \r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 299 So Far So Good\r\nContent-Length: 6\r\n\r\nabcdef",
    ],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
async def test_bodies_arrive_whole_however_they_are_framed(proxy: Running, origin: Origin, sent: bytes, bytewise: bool) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        for piece in [sent[at : at + 1] for at in range(len(sent))] if bytewise else [sent]:
            await wire.send(piece)
            await asyncio.sleep(0)
        wire.end()

    origin.scripts = [script]
    client = await proxy.client()
    await client.send(get("/x") + get("/next"))
    answer = await client.answer()
    assert (answer.body, answer.trailers, answer.get("Connection")) == (b"abcdef", [], "")
    assert (await client.answer()).body == b"ok"
    rows = await proxy.exchanges(2)
    assert [(row["fault"], row["response_bytes"]) for row in rows] == [("", 6), ("", 2)]


async def test_an_empty_chunked_answer(proxy: Running, origin: Origin) -> None:
    origin.default = answers(H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    answer = await proxy.ask(get())
    assert (answer.body, answer.chunked) == (b"", True)


async def test_pieces_pass_as_they_come(proxy: Running, origin: Origin) -> None:
    """Nothing is held back until the whole is there (server-sent events, long polling)."""
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await release.wait()
        await wire.send(b"6\r\nsecond\r\n0\r\n\r\n")

    origin.default = script
    client = await proxy.client()
    await client.send(get())
    while b"first" not in client.seen:
        await client.at_least(len(client.seen) + 1)
    release.set()
    assert (await client.answer()).body == b"firstsecond"


# --- interim answers


async def test_interim_answers_are_relayed(proxy: Running, origin: Origin) -> None:
    origin.default = answers(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-H\r\nX-H: 1\r\n\r\n" + OK
    )
    client = await proxy.client()
    await client.send(get())
    assert (await client.answer()).status == 102
    hints = await client.answer()
    assert (hints.status, hints.fields) == (103, [(b"Link", b"</a>")])
    assert (await client.answer()).body == b"ok"
    await proxy.exchange()


async def test_continue_is_asked_of_the_vendor_and_relayed(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.until_head()
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await wire.request()
        await wire.send(OK)

    origin.default = script
    client = await proxy.client()
    await client.send(get("/up", "Expect: 100-continue", "Content-Length: 5", method="POST"))
    assert (await client.answer()).status == 100
    await client.send(b"hello")
    assert (await client.answer()).status == 200
    assert b"Expect: 100-continue\r\n" in origin.received
    assert (await proxy.exchange())["request_bytes"] == 5


async def test_a_vendor_may_refuse_instead_of_continue(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.until_head()
        await wire.send(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")

    origin.default = script
    client = await proxy.client()
    await client.send(get("/up", "Expect: 100-continue", "Content-Length: 5", method="POST"))
    answer = await client.answer()
    assert (answer.status, answer.body, answer.get("Connection")) == (417, b"no", "close")
    assert await client.rest() == b""


async def test_a_local_denial_comes_without_continue(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/calls", POWERLESS, "Expect: 100-continue", "Content-Length: 5", method="POST"))
    answer = await client.answer()
    assert (answer.status, answer.get("Connection")) == (403, "close")
    assert await client.rest() == b""
    assert origin.dials == 0


async def test_an_expectation_from_http_1_0_is_ignored(proxy: Running, origin: Origin) -> None:
    assert (await proxy.ask(post("/x", b"abc", "Expect: 100-continue", version="1.0"))).status == 200
    assert b"Expect" not in origin.received


# --- answers that come before the request is whole


async def test_an_early_final_answer_reaches_the_client(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.until_head()
        await wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")

    origin.scripts = [script]
    client = await proxy.client()
    await client.send(get("/up", "Content-Length: 1000000", method="POST") + b"x" * 1000)
    answer = await client.answer()
    assert (answer.status, answer.body, answer.get("Connection")) == (413, b"big", "close")
    await client.send(b"x" * 10_000)
    assert await client.rest() == b""
    row = await proxy.exchange()
    assert (row["status"], row["answered_by"], row["fault"]) == (413, "vendor", "")
    assert await (await origin.wire()).ended() in ("end", "reset")
    await proxy.ask(get())
    assert origin.dials == 2, "a connection with half a request on it is not used again"


async def test_a_locally_answered_body_is_drained_within_a_bound(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(post("/calls", b"x" * 30_000, POWERLESS) + get("/next"))
    assert (await client.answer()).status == 403
    assert (await client.answer()).body == b"ok"


async def test_a_large_body_that_nobody_wants_costs_the_connection(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/calls", POWERLESS, "Content-Length: 10000000", method="POST") + b"x" * 10_000)
    answer = await client.answer()
    assert (answer.status, answer.get("Connection")) == (403, "close")
    assert await client.rest() == b""
    assert origin.dials == 0


async def test_an_endless_chunked_body_that_nobody_wants_costs_the_connection(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/calls", POWERLESS, "Transfer-Encoding: chunked", method="POST"))
    assert (await client.answer()).status == 403
    await client.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n10\r\n" + b"x" * 16 + b"\r\n")
    assert await client.rest() == b""
    await proxy.exchange()


# --- an answer that is cut short never looks whole


CUTS = {
    "length": H + b"Content-Length: 10\r\n\r\nabc",
    "chunked": H + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "within a chunk": H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "within the last chunk": H + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("ending", ["end", "reset", "half close"])
@pytest.mark.parametrize("sent", CUTS.values(), ids=CUTS.keys())
async def test_a_truncated_answer_is_cut_visibly(proxy: Running, origin: Origin, sent: bytes, ending: str, version: str) -> None:
    got_some = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(sent)
        await got_some.wait()
        {"end": wire.end, "reset": wire.reset, "half close": wire.half_close}[ending]()

    origin.default = script
    client = await proxy.client()
    await client.send(get("/x", version=version))
    while b"abc" not in client.seen:
        await client.at_least(len(client.seen) + 1)
    got_some.set()
    with pytest.raises((Cut, ConnectionError)):
        await client.answer()
    row = await proxy.exchange()
    assert (row["fault"], row["status"], row["outcome"], row["answered_by"]) == ("response_truncated", 200, "upstream_error", "vendor")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_reset_does_not_end_an_answer_without_a_length(proxy: Running, origin: Origin, version: str) -> None:
    got_some = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(H + b"\r\nabc")
        await got_some.wait()
        wire.reset()

    origin.default = script
    client = await proxy.client()
    await client.send(get("/x", version=version))
    while b"abc" not in client.seen:
        await client.at_least(len(client.seen) + 1)
    got_some.set()
    with pytest.raises((Cut, ConnectionError)):
        await client.answer()
    assert (await proxy.exchange())["fault"] == "response_truncated"


async def test_a_bad_chunk_in_an_answer_cuts_it(proxy: Running, origin: Origin) -> None:
    origin.default = answers(H + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\nmore")
    client = await proxy.client()
    await client.send(get())
    with pytest.raises((Cut, ConnectionError)):
        await client.answer()
    assert (await proxy.exchange())["fault"] == "response_truncated"
    assert await (await origin.wire()).ended() in ("end", "reset")


async def test_a_close_delimited_answer_to_an_old_client_ends_in_order(proxy: Running, origin: Origin) -> None:
    origin.default = answers_and_ends(H + b"\r\nabcdef")
    answer = await proxy.ask(get("/x", version="1.0"))
    assert (answer.body, answer.get("Connection")) == (b"abcdef", "close")
    assert (await proxy.exchange())["fault"] == ""
