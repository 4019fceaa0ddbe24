"""The origin of the measurement reads each request whole before it answers."""

from __future__ import annotations

import asyncio

import pytest

from bench.performance.helper_origin import ANSWER, Answering

CHUNKED = b"POST /fax HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"
COUNTED = b"POST /fax HTTP/1.1\r\nContent-Length: 8\r\n\r\n" + b"x" * 8
BARE = b"GET /fax HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [CHUNKED, COUNTED, BARE], ids=["chunked", "counted", "bare"])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_it_answers_when_the_request_is_whole(sent: bytes, piece: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for _ in range(2):  # connections stay open
        for start in range(0, len(sent), piece):
            writer.write(sent[start : start + piece])
            await writer.drain()
        assert await reader.readexactly(len(ANSWER)) == ANSWER
    writer.close()
    server.close()


async def test_it_does_not_answer_half_a_request() -> None:
    written: list[bytes] = []

    class Heard(asyncio.Transport):
        def is_closing(self) -> bool:
            return False

        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.append(bytes(data))

    half = Answering()
    half.connection_made(Heard())
    half.data_received(COUNTED[:-1])
    await asyncio.sleep(0)
    assert written == []
