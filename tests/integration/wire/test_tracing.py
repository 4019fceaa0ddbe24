"""Over sockets: what the app, the vendor and the log know of a request is one trace."""

from __future__ import annotations

import re

import pytest

from tests.fakes.messages import Message
from tests.fakes.origin import OK, Origin, Wire, answers_and_ends, serve
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, get

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"traceparent: 00-{TRACE}-{SPAN}-01"
NEW = r"00-([0-9a-f]{32})-([0-9a-f]{16})-02"


def values(message: Message, name: str) -> list[str]:
    return [value.decode() for field, value in message.fields if field.decode().lower() == name]


class Vendor:
    """Keeps every request of every connection, in order."""

    def __init__(self, origin: Origin) -> None:
        self.seen: list[Message] = []
        origin.default = self.play

    async def play(self, wire: Wire) -> None:
        while True:
            self.seen.append(await wire.request())
            await wire.send(OK)


async def test_a_trace_is_made_sent_and_logged(proxy: Running, origin: Origin) -> None:
    vendor = Vendor(origin)
    answer = await proxy.ask(get())
    row = await proxy.exchange()
    assert values(vendor.seen[0], "traceparent") == [f"00-{row['trace_id']}-{row['span_id']}-02"]
    assert values(vendor.seen[0], "x-request-id") == [answer.get("X-Request-ID")] == [row["decision_id"]]
    assert values(vendor.seen[0], "tracestate") == []
    assert re.fullmatch(NEW, values(vendor.seen[0], "traceparent")[0])
    assert "parent_span_id" not in row


async def test_a_trace_is_taken_over_sent_and_logged(proxy: Running, origin: Origin) -> None:
    vendor = Vendor(origin)
    answer = await proxy.ask(get("/x", "TRACEPARENT: " + PARENT[13:], "TraceState: foo=1", "tracestate: bar=2", "X-REQUEST-ID: mine"))
    row = await proxy.exchange()
    assert (row["trace_id"], row["parent_span_id"], row["request_id"]) == (TRACE, SPAN, "mine")
    assert row["span_id"] != SPAN
    assert values(vendor.seen[0], "traceparent") == [f"00-{TRACE}-{row['span_id']}-01"]
    assert values(vendor.seen[0], "tracestate") == ["foo=1,bar=2"]
    assert values(vendor.seen[0], "x-request-id") == [answer.get("X-Request-ID")] == ["mine"]


@pytest.mark.parametrize(
    "fields", [[PARENT, PARENT], [PARENT + "-"], [PARENT.replace("00-", "ff-")], [PARENT.replace(TRACE, "0" * 32)], ["traceparent:"], []]
)
async def test_what_is_no_trace_is_never_passed_on(proxy: Running, origin: Origin, fields: list[str]) -> None:
    vendor = Vendor(origin)
    await proxy.ask(get("/x", *fields, "tracestate: foo=1", "X-Request-ID: a", "X-Request-ID: b"))
    row = await proxy.exchange()
    (told,) = values(vendor.seen[0], "traceparent")
    assert re.fullmatch(NEW, told)
    assert told[3:35] == row["trace_id"]
    assert row["trace_id"] != TRACE
    assert (values(vendor.seen[0], "tracestate"), values(vendor.seen[0], "x-request-id")) == ([], [row["decision_id"]])


async def test_every_request_of_a_connection_has_its_own_trace(proxy: Running, origin: Origin) -> None:
    vendor = Vendor(origin)
    client = await proxy.client()
    parents = [f"traceparent: 00-{number:032x}-{number:016x}-0{number % 2}" for number in range(1, 5)]
    for number, parent in enumerate(parents):
        await client.send(get("/calls", parent, f"X-Request-ID: r-{number}", POWERLESS))
        assert (await client.answer()).get("X-Request-ID") == f"r-{number}"
        await client.send(get("/x", parent, f"X-Request-ID: s-{number}", "X-A: 1"))
        assert (await client.answer()).get("X-Request-ID") == f"s-{number}"
    rows = await proxy.exchanges(8)
    assert [(row["trace_id"], row["parent_span_id"]) for row in rows[1::2]] == [tuple(parent[16:].split("-")[:2]) for parent in parents]
    assert [row["trace_id"] for row in rows[::2]] == [row["trace_id"] for row in rows[1::2]]
    assert len({row["span_id"] for row in rows}) == 8
    sent = [(values(seen, "traceparent")[0], values(seen, "x-request-id")) for seen in vendor.seen]
    expected = [(f"00-{row['trace_id']}-{row['span_id']}-0{number % 2}", [f"s-{number - 1}"]) for number, row in enumerate(rows[1::2], 1)]
    assert sent == expected


async def test_pipelined_requests_are_not_mixed_up(proxy: Running, origin: Origin) -> None:
    vendor = Vendor(origin)
    client = await proxy.client()
    ids = [f"{number:032x}" for number in range(1, 7)]
    await client.send(b"".join(get("/x", f"traceparent: 00-{id_}-{SPAN}-00", f"X-Request-ID: {id_}") for id_ in ids))
    assert [(await client.answer()).get("X-Request-ID") for _ in ids] == ids
    assert [values(seen, "traceparent")[0][3:35] for seen in vendor.seen] == ids
    assert [values(seen, "x-request-id") for seen in vendor.seen] == [[id_] for id_ in ids]
    assert [row["trace_id"] for row in await proxy.exchanges(6)] == ids


async def test_a_repeated_request_is_the_same_span(proxy: Running, origin: Origin) -> None:
    first = answers_and_ends(OK)
    origin.scripts.append(first)
    client = await proxy.client()
    await client.send(get())
    await client.answer()
    vendor = Vendor(origin)
    await client.send(get("/x", PARENT))
    assert (await client.answer()).status == 200
    rows = await proxy.exchanges(2)
    assert values(vendor.seen[0], "traceparent") == [f"00-{TRACE}-{rows[1]['span_id']}-01"]


async def test_a_vendor_that_is_not_to_know_gets_none_of_them(start_proxy: StartProxy, origin: Origin) -> None:
    vendor = Vendor(origin)
    proxy = await start_proxy(top="tracing: {pass_to_vendor: false}")
    answer = await proxy.ask(get("/x", PARENT, "tracestate: foo=1", "X-Request-ID: mine"))
    assert [values(vendor.seen[0], name) for name in ("traceparent", "tracestate", "x-request-id")] == [[], [], []]
    row = await proxy.exchange()
    assert (row["trace_id"], row["request_id"], answer.get("X-Request-ID")) == (TRACE, "mine", "mine")


async def test_answers_made_here_belong_to_the_trace_too(proxy: Running, origin: Origin) -> None:
    origin.default = serve
    answer = await proxy.ask(get("/calls", PARENT, "X-Request-ID: mine", POWERLESS))
    bad = await proxy.ask(get("/a//b", PARENT, "X-Request-ID: mine"))
    assert (answer.status, bad.status, origin.dials) == (403, 400, 0)
    rows = await proxy.exchanges(2)
    assert [(row["trace_id"], row["parent_span_id"], row["request_id"]) for row in rows] == [(TRACE, SPAN, "mine")] * 2
    assert answer.get("X-Request-ID") == bad.get("X-Request-ID") == "mine"


async def test_a_longer_list_of_states_does_not_slip_past_the_limits(start_proxy: StartProxy, origin: Origin) -> None:
    Vendor(origin)
    proxy = await start_proxy(limits="{max_header_bytes: 1024}")
    client = await proxy.client()
    for length, status in ((10, 200), (10, 200), (1000, 431)):
        await client.send(get("/x", PARENT, "tracestate: foo=" + "v" * length))
        assert (await client.answer()).status == status
