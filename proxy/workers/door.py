"""Accepting on a socket that several processes share: nothing that was accepted by the kernel is lost when one of them dies.

Every worker is woken by a new connection. The one with the fewest connections takes it at once; the others give it a moment, and
take it if it is still there. One at a time, so that a crowd of connections spreads.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from proxy.errors import Fault
from proxy.tls.handshakes import Handshakes, Secured
from proxy.wire.downstream import ClientConnection
from proxy.wire.listener import Listener
from proxy.wire.service import Service
from proxy.workers.board import Board

BACKLOG: Final = 2048
_MOMENT_S: Final = 0.002
"""How long a worker with more connections than another leaves a new one to that."""
_TROUBLE_S: Final = 0.5
"""How long to wait where the system has no more descriptors."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of `host`, bound and not yet listening; raise OSError where one cannot be had."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            bound.append(_bound(socket.socket(family, kind, protocol), address))
    except OSError:
        for taken in bound:
            taken.close()
        raise
    return bound


def _bound(listening: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listening.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


class SharedListener(Listener):
    """Serves connections of listening sockets that other workers accept from too. `worker` is this one's number."""

    def __init__(self, service: Service, on_bug: Callable[[BaseException], None], board: Board, worker: int) -> None:
        super().__init__(service, on_bug)
        self._board = board
        self._worker = worker
        self._doors: list[socket.socket] = []
        self._coming: set[asyncio.Task[None]] = set()

    def share(self, listening: list[socket.socket], tls: Secured | None = None) -> None:
        """Begin to accept, with TLS where `tls` says how."""
        self._doors = listening
        if tls is not None:
            self.handshakes = Handshakes(tls, self._protocol, self._has_room, self.on_bug, self._count)
        self._count()
        self._tick()
        for door in listening:
            self._watch(door)

    # --- how many there are

    def add(self, connection: ClientConnection) -> Fault | None:
        """Count a new connection; return the fault if that is one more than there may be."""
        fault = super().add(connection)
        self._count()
        return fault

    def discard(self, connection: ClientConnection) -> None:
        """Forget a connection that is gone."""
        super().discard(connection)
        self._count()

    def _count(self) -> None:
        if self._doors:
            self._board.write(self._worker, self.connection_count + self._coming_count())

    def _coming_count(self) -> int:
        return len(self._coming) if self.handshakes is None else self.handshakes.under_way

    # --- accepting

    def _watch(self, door: socket.socket) -> None:
        if door in self._doors:
            self.service.loop.add_reader(door, self._knock, door)

    def _wait(self, door: socket.socket, seconds: float, then: Callable[[socket.socket], None]) -> None:
        self.service.loop.remove_reader(door)
        self.service.loop.call_later(seconds, then, door)

    def _knock(self, door: socket.socket) -> None:
        if self._board.has_fewest(self._worker):
            self._accept(door)
        else:
            self._wait(door, _MOMENT_S, self._look_again)

    def _look_again(self, door: socket.socket) -> None:
        if door in self._doors:
            self._watch(door)
            self._accept(door)

    def _accept(self, door: socket.socket) -> None:
        try:
            client, _ = door.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._refused(door, error)
            return
        if self.handshakes is not None:
            self.handshakes.take(client)
            self._count()
            return
        client.setblocking(False)
        task = self.service.loop.create_task(self._welcome(client))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)
        self._count()

    def _refused(self, door: socket.socket, error: OSError) -> None:
        """Nothing can be accepted now: no descriptors are left, or the supervisor has closed the address."""
        if error.errno != 0 and door in self._doors:
            self._wait(door, _TROUBLE_S, self._watch)

    async def _welcome(self, client: socket.socket) -> None:
        try:
            await self.service.loop.connect_accepted_socket(self._protocol, client)
        except (OSError, asyncio.CancelledError):  # the client is gone
            client.close()
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._coming.discard(task)
            self._count()

    def stop_accepting(self) -> None:
        """Close this process's part of the listening sockets; connections live on."""
        doors, self._doors = self._doors, []
        for door in doors:
            self.service.loop.remove_reader(door)
            door.close()
        if self.handshakes is not None:
            self.handshakes.stop()
        self._board.leave(self._worker)
