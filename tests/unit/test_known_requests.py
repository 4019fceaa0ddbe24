"""A connection answers the same whether it parses each request anew or knows it from the one before."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from bench.steps import ANSWER, Driver, Pipe, driver
from proxy.wire.downstream import ClientConnection

_FIELDS = "Host: proxy.test\r\nAuthorization: bearer {token}\r\n"
KINDS = (
    "GET /ringcentral/restapi/v1.0/account/~/call-log?page={n} HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log?page={n} HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log?page={n}&_method=DELETE HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log?page={n}&access_token=other HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "DELETE /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral//restapi HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /nowhere HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "X-Request-ID: own\r\n\r\n",
    "POST /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "Content-Length: 2\r\n\r\nab",
    "POST /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "Content-Length: 0\r\n\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log?page={n} HTTP/1.1\r\n"
    + _FIELDS
    + "\r\nGET /ringcentral/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "\r\n\r\n",
)
LAST = (
    "GET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\n" + _FIELDS + "Connection: close\r\n\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.0\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call log HTTP/1.1\r\n" + _FIELDS + "\r\n",
    "GET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\nHost: proxy.test\r\nHost: other.test\r\n\r\n",
)


class Wire(Pipe):
    """A transport that keeps what is written and notes that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    abort = close
    resume_reading = pause_reading


def connected(driven: Driver) -> tuple[ClientConnection, Wire]:
    wire: Any = Wire()
    connection = ClientConnection(driven.client._listener)
    connection.connection_made(wire)
    return connection, wire


def whole(data: bytes) -> tuple[bytes, ...]:
    return (data,)


def split(data: bytes) -> tuple[bytes, ...]:
    return data[:5], data[5:]


def answers(driven: Driver, requests: list[bytes], pieces: Callable[[bytes], tuple[bytes, ...]]) -> tuple[list[bytes], bytes]:
    """Return what a client gets for each request, and all that the vendor gets, without what differs each time."""
    vendor: Any = Wire()
    driven.vendor.transport = vendor
    connection, wire = connected(driven)
    got = []
    for request in requests:
        before = len(wire.sent)
        for piece in pieces(request):
            connection.data_received(piece)
        for _ in range(2):
            if driven.vendor.turn is not None:
                driven.vendor.data_received(ANSWER)
        got.append(plain(wire.sent[before:]) + (b" closed" if wire.closed else b""))
    connection.connection_lost(None)
    return got, plain(vendor.sent)


def plain(text: bytes) -> bytes:
    return re.sub(rb"(?i)(decision-id: |x-request-id: |traceparent: |Date: )[^\r]+|\"decision_id\": ?\"\w+\"", rb"\1", text)


@pytest.mark.parametrize("seed", range(40))
async def test_known_requests_are_answered_like_parsed_ones(seed: int) -> None:
    chance = random.Random(seed)
    kinds = [*chance.choices(KINDS, k=2), KINDS[0]]
    requests = [chance.choice(kinds) for _ in range(20)] + [chance.choice(LAST), KINDS[0], KINDS[0]]
    token = chance.choice(("enough", "too-little"))
    sent = [text.format(token=token, n=number % 7).encode() for number, text in enumerate(requests)]
    async with driver() as driven:
        assert answers(driven, sent, whole) == answers(driven, sent, split)


async def test_the_parser_is_spared_what_is_known() -> None:
    request = KINDS[0].format(token="too-little", n=1).encode()
    async with driver() as driven:
        connection, wire = connected(driven)
        connection.data_received(request)
        told: list[bytes] = []
        deaf: Any = Deaf(told)
        connection._parser = deaf
        connection.data_received(request)
        connection.data_received(request.replace(b"page=1", b"page=2"))
        assert wire.sent.count(b"HTTP/1.1 403") == 3
        assert told == []
        connection.data_received(request.replace(b"page=1", b"page=\xff"))
        assert len(told) == 1
        connection.connection_lost(None)


@pytest.mark.parametrize("last", LAST[:2])
async def test_nothing_is_taken_behind_a_request_that_ends_the_connection(last: str) -> None:
    known, last_request = (text.format(token="enough", n=1).encode() for text in (KINDS[0], last))
    async with driver() as driven:
        connection, _ = connected(driven)
        connection.data_received(known)
        driven.vendor.data_received(ANSWER)
        connection.data_received(last_request)
        connection.data_received(known)
        assert len(connection.turns) == 1
        driven.vendor.data_received(ANSWER)
        connection.connection_lost(None)


class Deaf:
    """A parser that only notes what it is given."""

    def __init__(self, told: list[bytes]) -> None:
        self.feed_data = told.append
