"""An origin that reads a request whole and, if its path ends in /slow, waits a second; behind the nginx of the measurement.

python -m bench.performance.helper_origin PORT
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Final, cast

import uvloop

WAIT_S: Final = 1.0
BODY: Final = b'{"records":"' + b"x" * 1000 + b'"}'
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


class Answering(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self.head = b""
        self.missing = 0
        self.tail: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self.tail is not None:
            self._chunk(data)
        elif self.missing:
            self._count(data)
        else:
            self._begin(self.head + data)

    def _begin(self, data: bytes) -> None:
        self.head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            return
        if _CHUNKED.search(self.head):
            self.tail = b""
            self._chunk(body)
            return
        length = _LENGTH.search(self.head)
        self.missing = int(length[1]) if length else 0
        self._count(body)

    def _chunk(self, data: bytes) -> None:
        assert self.tail is not None
        self.tail = (self.tail + data)[-5:]
        if self.tail == b"0\r\n\r\n":
            self.tail = None
            self._answer()

    def _count(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing <= 0:
            self._answer()

    def _answer(self) -> None:
        line = self.head.partition(b"\r\n")[0]
        self.head, self.missing = b"", 0
        wait = WAIT_S if b"/slow " in line else 0.0
        asyncio.get_running_loop().call_later(wait, self._write)

    def _write(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


async def serve(port: int) -> None:
    """Serve until somebody ends the process."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
