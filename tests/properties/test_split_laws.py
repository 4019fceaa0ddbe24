"""However the network cuts a request into pieces, it means the same."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.unplugged import Unplugged, talk

HEAD = b"POST /gen/things?a=%2F HTTP/1.1\r\nHost: gen.test\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"4;note=x\r\nabcd\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n"
NEXT = b"GET /things HTTP/1.1\r\nHost: gen.test\r\nAuthorization: Bearer t\r\n\r\n"
VALID = HEAD + CHUNKS + NEXT
MALFORMED = (
    HEAD + b"4\r\nabcdXX0\r\n\r\n" + NEXT,
    HEAD + b"-4\r\nabcd\r\n0\r\n\r\n" + NEXT,
    HEAD + b"4\nabcd\n0\n\n" + NEXT,
    HEAD + b"fffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
    HEAD + b"4 \r\nabcd\r\n0\r\n\r\n" + NEXT,
    HEAD.replace(b"chunked", b"chunked\r\nContent-Length: 4") + CHUNKS,
    NEXT + b"GET  /x HTTP/1.1\r\n\r\n" + NEXT,
    NEXT + NEXT.replace(b": ", b" : "),
)


@pytest.fixture(scope="module")
def clock() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that only tells the time."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    at = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at) if start < end]


def outcome(proxy: Unplugged) -> tuple[object, object]:
    """What became of each request, and every whole request that reached a vendor."""
    told = [(row.method, row.path, row.status, row.fault, row.decision) for row in proxy.exchanges]
    return told, [(sent.target, sent.fields, sent.body) for sent in proxy.sent]


def cuts(data: bytes) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(data)), max_size=12)


@given(cuts(VALID))
def test_a_valid_chunked_request_reaches_the_vendor_whole_however_it_is_cut(clock: asyncio.AbstractEventLoop, at: list[int]) -> None:
    whole, cut = talk(clock, [VALID]), talk(clock, pieces(VALID, at))
    assert [(sent.target, sent.body) for sent in whole.sent] == [(b"/gen/things?a=%2F", b"abcd0123456789"), (b"/things", b"")]
    assert outcome(cut) == outcome(whole)


@given(st.sampled_from(MALFORMED).flatmap(lambda data: st.tuples(st.just(data), cuts(data))))
def test_a_malformed_request_is_refused_alike_however_it_is_cut(clock: asyncio.AbstractEventLoop, case: tuple[bytes, list[int]]) -> None:
    data, at = case
    whole, cut = talk(clock, [data]), talk(clock, pieces(data, at))
    assert whole.exchanges[-1].status == 400
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("data", [VALID, *MALFORMED])
def test_byte_by_byte_is_a_way_to_cut(clock: asyncio.AbstractEventLoop, data: bytes) -> None:
    assert outcome(talk(clock, pieces(data, range(len(data))))) == outcome(talk(clock, [data]))
