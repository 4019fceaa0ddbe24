"""Where workers come from: a process that was forked before there was any thread or loop, and does nothing but fork.

A worker forked from it is a copy of the start: the same code and the same configuration as the supervisor's, whatever has become of
the files since. Forking the supervisor itself would copy threads' locks in whatever state they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

_ORDER: Final = struct.Struct("<cH")
_NEWS: Final = struct.Struct("<cHqi")
_FORK, _CLOSE = b"f", b"c"
_BORN, _DEAD = b"b", b"d"


class Equipment(NamedTuple):
    """What a worker is given: its number (from 1), its socket to the supervisor, and where its decision lines go (-1: nowhere)."""

    number: int
    link: socket.socket
    lines: int


WorkerMain = Callable[[Equipment], int]
"""The life of a worker; returns its exit code."""


@dataclass(frozen=True, slots=True)
class Born:
    """A worker lives as process `pid`."""

    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class Dead:
    """A worker's process has ended. `status` is its exit code, or minus the signal that ended it."""

    number: int
    pid: int
    status: int


News = Born | Dead


class Nursery:
    """The supervisor's side of it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def watch(self, loop: asyncio.AbstractEventLoop, tell: Callable[[News | None], None]) -> None:
        """Have `tell` called with what happens; None: nobody can be born any more."""
        self._connection.setblocking(False)
        loop.add_reader(self._connection.fileno(), self._read, loop, tell)

    def _read(self, loop: asyncio.AbstractEventLoop, tell: Callable[[News | None], None]) -> None:
        try:
            data = self._connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(self._connection.fileno())
            tell(None)
            return
        self._buffer += data
        while len(self._buffer) >= _NEWS.size:
            what, number, pid, status = _NEWS.unpack_from(self._buffer)
            self._buffer = self._buffer[_NEWS.size :]
            tell(Born(number, pid) if what == _BORN else Dead(number, pid, status))

    def fork(self, equipment: Equipment) -> None:
        """Ask for a worker; raise OSError where nobody listens. What it is given stays the caller's to close here."""
        descriptors = [equipment.link.fileno(), *([equipment.lines] if equipment.lines >= 0 else [])]
        socket.send_fds(self._connection, [_ORDER.pack(_FORK, equipment.number)], descriptors)

    def close_listening(self) -> None:
        """Have it close its copies of the listening sockets, which would keep the address open."""
        with contextlib.suppress(OSError):
            self._connection.send(_ORDER.pack(_CLOSE, 0))

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let it end."""
        loop.remove_reader(self._connection.fileno())
        self._connection.close()


def open_nursery(main: WorkerMain, listening: Sequence[socket.socket]) -> Nursery:
    """Fork the nursery. Call it before there is any thread or event loop; `main` is what its children do."""
    ours, its = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        _live(_Cradle(its, main, listening).serve)
    its.close()
    return Nursery(ours)


def _live(work: Callable[[], int]) -> None:
    """Do `work` and end this process, whatever happens: it must never return into its parent's code."""
    code = 1
    try:
        code = work()
    finally:
        os._exit(code)


class _Cradle:
    """The process itself: waits for orders, forks, and tells who was born and who has died."""

    def __init__(self, connection: socket.socket, main: WorkerMain, listening: Sequence[socket.socket]) -> None:
        self._connection = connection
        self._main = main
        self._listening = listening
        self._numbers: dict[int, int] = {}

    def serve(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a terminal and a service manager signal every process
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: self._bury())
        with contextlib.suppress(OSError):
            while True:
                data, descriptors, _, _ = socket.recv_fds(self._connection, _ORDER.size, 2)
                if not data:
                    return 0
                what, number = _ORDER.unpack(data)
                self._obey(what, number, descriptors)
        return 0

    def _obey(self, what: bytes, number: int, descriptors: list[int]) -> None:
        if what == _CLOSE:
            for listening in self._listening:
                listening.close()
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0:
            _live(lambda: self._leave_home(number, descriptors))
        self._numbers[pid] = number
        for descriptor in descriptors:
            os.close(descriptor)
        self._tell(_BORN, number, pid, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])

    def _leave_home(self, number: int, descriptors: list[int]) -> int:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        self._connection.close()
        link, *lines = descriptors
        return self._main(Equipment(number, socket.socket(fileno=link), lines[0] if lines else -1))

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._tell(_DEAD, self._numbers.pop(pid, 0), pid, os.waitstatus_to_exitcode(status))

    def _tell(self, what: bytes, number: int, pid: int, status: int) -> None:
        self._connection.sendall(_NEWS.pack(what, number, pid, status))
