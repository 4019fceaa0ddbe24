"""One case at one proxy: an origin that writes down what arrives, a client that writes down what comes back, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.differential.cases import Case, Kind, Outcome

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nanswer"
SECOND = b"GET /second HTTP/1.1\r\nHost: proxy.example\r\nConnection: close\r\n\r\n"
_MAX = 4 * 1024 * 1024


@dataclass
class Seen:
    """One request as the origin saw it: every byte of it, and whether it came to an end."""

    data: bytes
    whole: bool


class Origin:
    """Takes any request it can make out, keeps its bytes, and answers with `answer` (the second request with a plain one)."""

    def __init__(self) -> None:
        self.case: Case | None = None
        self.seen: list[Seen] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    def begin(self, case: Case) -> None:
        """Forget what came before, and hang up on whoever is still connected."""
        self.case, self.seen = case, []
        for writer in list(self._writers):
            writer.close()

    async def stop(self) -> None:
        """Close."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether the connection goes on."""
        head = await _head(reader)
        case, seen = self.case, Seen(head, False)
        self.seen.append(seen)
        await _body(reader, seen)
        if case is None or not case.about_the_answer:
            writer.write(LAST)
            return False
        second = b" /second" in head[:200]
        writer.write(OK if second else case.answer)
        await writer.drain()
        return not _wants_the_end(head) and (second or not case.ends)


def _wants_the_end(head: bytes) -> bool:
    """Whether the proxy asked for a connection of one request."""
    return bool(re.search(rb"(?i)\r\nconnection:[^\n]*close|^[^\n]* HTTP/1\.0\r", head))


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Read up to an empty line, whichever way lines end."""
    data = b""
    while not data.rstrip(b" \t").endswith((b"\r\n\r\n", b"\n\n")) or not data.strip():
        data += await reader.readuntil(b"\n")
    return data


async def _body(reader: asyncio.StreamReader, seen: Seen) -> None:
    if re.search(rb"(?i)transfer-encoding[^\n]*chunked", seen.data):
        while not seen.data.endswith(b"\r\n0\r\n\r\n") and not re.search(rb"\r\n0\r\n(?:[!-~]+:[^\n]*\n)+\r\n$", seen.data):
            seen.data += await reader.readuntil(b"\n")
    elif length := re.search(rb"(?i)content-length:[ \t]*(\d{1,6})\r", seen.data):
        left = int(length[1])
        while left:
            got = await reader.read(left)
            if not got:
                return
            seen.data, left = seen.data + got, left - len(got)
    seen.whole = True


class Answer(NamedTuple):
    """One answer as the client saw it."""

    status: int
    whole: bool
    body: bytes


@dataclass
class Got:
    """What came back: every byte, and whether the proxy hung up."""

    data: bytes = b""
    closed: bool = False
    answers: list[Answer] = field(default_factory=list)

    def read(self) -> None:
        """Take the bytes apart into answers: status, and whether whole."""
        self.answers, rest = [], self.data
        while rest:
            answer, rest = _answer(rest, self.closed)
            self.answers.append(answer)

    @property
    def finals(self) -> list[Answer]:
        """The answers without the interim ones."""
        return [answer for answer in self.answers if answer.status >= 200 or answer.status in (99, 101)]


def _answer(data: bytes, closed: bool) -> tuple[Answer, bytes]:
    """Read one answer; return it and what is behind it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    line = re.match(rb"HTTP/\d\S* (\d+)", head)
    if not end or line is None:
        return Answer(0, closed, data), b""
    status = int(line[1])
    if status < 200 or status in (204, 304):
        return Answer(status, True, b""), b"" if status == 101 else rest
    if re.search(rb"(?i)\r\ntransfer-encoding:[ \t]*chunked", head):
        chunks = re.match(rb"(?s).*?(?:^|\r\n)0\r\n(?:[!-~]+:[^\n]*\n)*\r\n", rest)
        return (Answer(status, True, chunks[0]), rest[chunks.end() :]) if chunks else (Answer(status, False, rest), b"")
    length = re.search(rb"(?i)\r\ncontent-length:[ \t]*(\d+)", head)
    if length is None:
        return Answer(status, closed, rest), b""
    size = int(length[1])
    return Answer(status, len(rest) >= size, rest[:size]), rest[size:]


async def probe(port: int, origin: Origin, case: Case, patience_s: float, quiet_s: float) -> tuple[Outcome, Got, list[Seen]]:
    """Put a case to the proxy on `port`; return the verdict, and the bytes of both sides.

    `patience_s`: how long to wait for an answer. `quiet_s`: how long to look whether anything comes behind a whole one.
    """
    origin.begin(case)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MAX)
    got = Got()
    with contextlib.suppress(OSError):
        writer.write(case.sent)
        await writer.drain()
        await _listen(reader, got, patience_s, quiet_s)
        if case.about_the_answer and not got.closed and got.finals and got.finals[-1].whole:
            writer.write(SECOND)
            await _listen(reader, got, patience_s, quiet_s)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return judge(case, got, origin.seen), got, list(origin.seen)


async def _listen(reader: asyncio.StreamReader, got: Got, patience_s: float, quiet_s: float) -> None:
    """Read until the proxy hangs up or says nothing more; less patience where an answer is whole."""
    before = len(got.finals)
    while not got.closed:
        satisfied = len(got.finals) > before and all(answer.whole for answer in got.answers)
        try:
            data = await asyncio.wait_for(reader.read(65536), quiet_s if satisfied else patience_s)
        except TimeoutError:
            return
        except ConnectionError:
            data = b""
        got.data += data
        got.closed = not data
        got.read()


def judge(case: Case, got: Got, seen: list[Seen]) -> Outcome:
    """Say what became of a case."""
    status = next((answer.status for answer in got.finals), 0)
    return _judge_answer(case, got, status) if case.about_the_answer else _judge_request(case, got, seen, status)


def _judge_request(case: Case, got: Got, seen: list[Seen], status: int) -> Outcome:
    whole = [request for request in seen if request.whole]
    if whole:
        arrived = b"".join(request.data for request in whole).lower()
        return Outcome(Kind.PASSED if all(mark in arrived for mark in case.watch) else Kind.CHANGED, status, len(whole))
    if seen:
        return Outcome(Kind.CUT, status, 0)
    if 100 <= status < 400:
        return Outcome(Kind.ANSWERED, status, 0)
    return Outcome(Kind.REFUSED if status or got.closed else Kind.WAITED, status, 0)


def _judge_answer(case: Case, got: Got, status: int) -> Outcome:
    if any(b"smuggled" in answer.body for answer in got.finals[1:]):
        return Outcome(Kind.POISONED, status, 0)
    if status >= 500 and str(status).encode() not in case.answer[:14]:
        return Outcome(Kind.REFUSED, status, 0)
    if not got.data:
        return Outcome(Kind.REFUSED if got.closed else Kind.WAITED, 0, 0)
    if not got.finals or not got.finals[0].whole:
        return Outcome(Kind.CUT, status, 0)
    return Outcome(Kind.PASSED if all(mark in got.data.lower() for mark in case.watch) else Kind.CHANGED, status, 0)
