"""One body from socket to socket, beside transports that only keep what they are told."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest

from proxy.wire.limits import WRITE_HIGH_WATER
from proxy.wire.splice import Splice, can_splice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="splice(2) is Linux's")

BODY = bytes(range(256)) * 256


class Plain(asyncio.Transport):
    """A transport that has a socket and does nothing with it."""

    def __init__(self, plain: socket.socket) -> None:
        plain.setblocking(False)
        super().__init__({"socket": plain})
        self.waiting = 0
        self.limits: list[int | None] = []
        self.reading = True
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits.append(high)


class Upstream:
    """What is told of a splice."""

    def __init__(self, transport: Plain) -> None:
        self.transport = transport
        self.moved = 0
        self.blocked: list[bool] = []
        self.ended = asyncio.Event()
        self.rest = b"?"

    def spliced(self, count: int) -> None:
        self.moved += count

    def client_blocks(self, blocked: bool) -> None:
        self.blocked.append(blocked)

    def splice_ended(self, rest: bytes) -> None:
        self.rest = rest
        self.ended.set()


class Scene:
    """A vendor, a client, and the splice between them."""

    def __init__(self) -> None:
        self.vendor, source = socket.socketpair()
        self.client, target = socket.socketpair()
        self.source, self.target = Plain(source), Plain(target)
        self.upstream = Upstream(self.source)
        self.vendor.sendall(BODY)

    def splice(self, left: int = len(BODY)) -> Splice:
        upstream: Any = self.upstream
        return Splice(upstream, self.target, left, asyncio.get_running_loop())

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self.upstream.ended.wait()

    def received(self) -> bytes:
        self.client.setblocking(False)
        data = b""
        try:
            while piece := self.client.recv(1 << 20):
                data += piece
        except BlockingIOError:
            pass
        return data


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    for each in (
        scene.vendor,
        scene.client,
        *(cast("socket.socket", side.get_extra_info("socket")) for side in (scene.source, scene.target)),
    ):
        each.close()


async def test_all_goes_and_both_transports_are_as_before(scene: Scene) -> None:
    assert scene.splice().begin()
    await scene.end()
    assert (scene.received(), scene.upstream.rest, scene.upstream.moved) == (BODY, b"", len(BODY))
    assert (scene.target.limits, scene.source.reading) == ([0, WRITE_HIGH_WATER], False)


async def test_no_more_goes_than_belongs_to_the_body(scene: Scene) -> None:
    scene.splice(1000).begin()
    await scene.end()
    assert scene.received() == BODY[:1000]


async def test_nothing_overtakes_what_the_transport_still_sends(scene: Scene) -> None:
    scene.target.waiting = 1
    splice = scene.splice()
    assert splice.begin()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (scene.received(), scene.source.reading) == (b"", False)
    splice.go()
    await scene.end()
    assert scene.received() == BODY


async def test_what_has_come_and_cannot_be_sent_is_handed_back(scene: Scene) -> None:
    scene.client.close()
    scene.splice().begin()
    await scene.end()
    assert (scene.upstream.rest, scene.upstream.moved) == (BODY, 0)
    assert scene.target.limits == [0, WRITE_HIGH_WATER]


async def test_an_end_that_comes_too_early_is_handed_back(scene: Scene) -> None:
    scene.vendor.close()
    scene.splice(len(BODY) + 1).begin()
    await scene.end()
    assert (scene.received(), scene.upstream.rest, scene.upstream.moved) == (BODY, b"", len(BODY))


async def test_after_a_stop_nothing_moves(scene: Scene) -> None:
    splice = scene.splice()
    splice.begin()
    splice.stop()
    splice.stop()
    splice.go()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (scene.received(), scene.upstream.moved) == (b"", 0)


async def test_only_plain_sockets_that_are_open_will_do(scene: Scene) -> None:
    assert can_splice(scene.source, scene.target)
    assert not can_splice(asyncio.Transport(), scene.target)
    assert not can_splice(scene.source, asyncio.Transport({"socket": scene.client, "ssl_object": object()}))
    scene.target.closing = True
    assert not can_splice(scene.source, scene.target)
