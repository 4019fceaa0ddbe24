"""Bad weather: many clients that give up at every stage, in front of a vendor that misbehaves at random. The seed decides all of it."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

from proxy.wire.downstream import ClientConnection
from proxy.wire.turn import Turn
from proxy.wire.upstream import UpstreamConnection
from tests.fakes.client import RawClient, connect
from tests.fakes.messages import Cut, Message
from tests.fakes.origin import Wire

BIG: Final = 300_000
LIMITS: Final = "{body_idle_s: 5, queue_wait_s: 5, max_in_flight: 64}"
TIMEOUTS: Final = "{connect_s: 5, response_head_s: 0.3, body_idle_s: 0.3}"


class StormyVendor:
    """Answers with the target it was asked for, so that a mixed-up answer shows; or does one of many things no vendor should."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._server: asyncio.Server | None = None
        self.open = 0
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close."""
        assert self._server is not None
        self._server.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        wire = Wire(reader, writer)
        try:
            while True:
                await self._serve(wire)
                wire.received.clear()
        except (EOFError, Cut, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _serve(self, wire: Wire) -> None:
        if self._random.random() < 0.05:  # answers before the body has come, and hangs up
            await wire.until_head()
            await wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            raise EOFError
        request = await wire.request()
        body = request.target
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        mood = self._random.random()
        if b"/big" in body:
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"b" * BIG)
        elif mood < 0.55:
            await wire.send(whole)
        elif mood < 0.65:
            await wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            await wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        else:
            await self._misbehave(wire, whole)

    async def _misbehave(self, wire: Wire, whole: bytes) -> None:
        match self._random.randrange(8):
            case 0:
                wire.reset()
            case 1:
                await wire.send(whole[: self._random.randrange(len(whole))])
            case 2:
                await wire.send(whole[: self._random.randrange(len(whole))])
                wire.reset()
            case 3:
                await wire.send(b"\x16\x03\x01 nonsense\r\n\r\n")
            case 4:
                await wire.send(whole + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled")
                return
            case 5:
                await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n")
            case 6:
                await wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            case _:
                await wire.read_to_end()  # says nothing
        raise EOFError


class Storm:
    """Clients that come and go. `outcomes` counts how each of them fared: stage and result."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._random = Random(seed)
        self._number = 0
        self.outcomes: Counter[str] = Counter()
        self._stages: tuple[Callable[[RawClient, bytes], Awaitable[str]], ...] = (
            self._leave_at_once, self._leave_in_the_head, self._leave_in_the_upload, self._leave_while_waiting, self._leave_in_the_download,
            self._ask, self._ask, self._ask_again_and_again, self._ask_two_at_once, self._upload, self._half_close, self._send_nonsense,
        )  # fmt: skip

    async def blow(self, count: int, at_once: int) -> None:
        """Let `count` clients come, `at_once` at any time."""
        left = iter(range(count))

        async def one_after_the_other() -> None:
            for _ in left:
                await self._one()

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_the_other())

    async def _one(self) -> None:
        stage = self._random.choice(self._stages)
        self._number += 1
        client = await connect(self._port)
        try:
            result = await stage(client, b"/%d" % self._number)
        except Cut:
            result = "cut"
        except (EOFError, ConnectionError):
            result = "hung up"
        finally:
            client.close()
        self.outcomes[f"{stage.__name__.strip('_')}: {result}"] += 1

    # --- those who give up

    def _leave(self, client: RawClient) -> str:
        if self._random.random() < 0.5:
            client.reset()
        return "left"

    async def _leave_at_once(self, client: RawClient, path: bytes) -> str:
        return self._leave(client)

    async def _leave_in_the_head(self, client: RawClient, path: bytes) -> str:
        head = _get(path)
        await client.send(head[: self._random.randrange(1, len(head))])
        return self._leave(client)

    async def _leave_in_the_upload(self, client: RawClient, path: bytes) -> str:
        framing = self._random.choice((b"Content-Length: 200000", b"Transfer-Encoding: chunked"))
        await client.send(b"POST /acme%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (path, framing))
        await client.send(b"ffff\r\n" + b"x" * self._random.randrange(60_000))
        return self._leave(client)

    async def _leave_while_waiting(self, client: RawClient, path: bytes) -> str:
        await client.send(_get(path))
        return self._leave(client)

    async def _leave_in_the_download(self, client: RawClient, path: bytes) -> str:
        await client.send(_get(path + b"/big"))
        await client.at_least(12)
        if client.seen.startswith(b"HTTP/1.1 200"):
            await client.at_least(self._random.randrange(12, BIG))
        return self._leave(client)

    # --- those who stay

    async def _ask(self, client: RawClient, path: bytes) -> str:
        await client.send(_get(path))
        return _judged(await _final(client), path)

    async def _ask_again_and_again(self, client: RawClient, path: bytes) -> str:
        for number in range(4):
            result = await self._ask(client, path + b"/%d" % number)
        return result

    async def _ask_two_at_once(self, client: RawClient, path: bytes) -> str:
        await client.send(_get(path + b"/one") + _get(path + b"/two"))
        _judged(await _final(client), path + b"/one")
        return _judged(await _final(client), path + b"/two")

    async def _upload(self, client: RawClient, path: bytes) -> str:
        size = self._random.randrange(150_000)
        await client.send(b"POST /acme%b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, size) + b"x" * size)
        return _judged(await _final(client), path)

    async def _half_close(self, client: RawClient, path: bytes) -> str:
        await client.send(_get(path))
        client.half_close()
        return _judged(await _final(client), path)

    async def _send_nonsense(self, client: RawClient, path: bytes) -> str:
        await client.send(
            self._random.choice((b"\x16\x03\x01\r\n\r\n", b"GET  \r\n\r\n", _get(path + b"/../x"), _get(path).replace(b"Host", b"H st")))
        )
        answer = await _final(client)
        assert answer.status == 400, answer
        return "400"


def _get(path: bytes) -> bytes:
    return b"GET /acme%b HTTP/1.1\r\nHost: a\r\n\r\n" % path


async def _final(client: RawClient) -> Message:
    answer = await client.answer()
    while answer.status < 200:
        answer = await client.answer()
    return answer


def _judged(answer: Message, path: bytes) -> str:
    """Say how a request fared; a whole answer must be its own."""
    if answer.status == 200:
        assert answer.body == path, (answer, path)
    else:
        assert answer.status in (413, 502, 503, 504), answer
    return str(answer.status)


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def living() -> Counter[str]:
    """Return how many connections and requests there are as objects, whether or not anybody still counts them."""
    gc.collect()
    kinds = (ClientConnection, UpstreamConnection, Turn)
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in kinds)
