"""A long body inside the kernel: from the vendor's socket to the client's without passing through this process (splice(2), Linux).

Only bytes that nobody here looks at can go this way: framed by a length, without TLS on either side. Whatever does not go as hoped is
handed back to the transports, which find out for themselves what is wrong and deal with it as ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from proxy.wire.limits import WRITE_HIGH_WATER

if TYPE_CHECKING:
    from proxy.wire.upstream import UpstreamConnection

SPLICED_FROM: Final = 1024 * 1024
"""Bytes of a body that must be left: below that it is not worth five descriptors."""
AT_ONCE: Final = 64
"""How many bodies of one origin may go this way at once; the others are copied."""
_PIPE_BYTES: Final = 1024 * 1024
_KNOWN: Final = hasattr(os, "splice")
_FLAGS: Final = 3
"""SPLICE_F_MOVE and SPLICE_F_NONBLOCK."""


def can_splice(source: asyncio.Transport, target: asyncio.Transport) -> bool:
    """Say whether this system can, and both connections are plain sockets."""
    return _KNOWN and all(
        each.get_extra_info("ssl_object") is None and each.get_extra_info("socket") is not None and not each.is_closing()
        for each in (source, target)
    )


class Splice:
    """What is left of one body on its way. The connection to the vendor is told of progress and of the end."""

    __slots__ = ("_blocked", "_filled", "_from", "_left", "_loop", "_pipe", "_source", "_target", "_to", "_upstream", "_watch")

    def __init__(self, upstream: UpstreamConnection, target: asyncio.Transport, left: int, loop: asyncio.AbstractEventLoop) -> None:
        """`left`: how many bytes of the body have not been read yet."""
        self._upstream = upstream
        self._source = upstream.transport
        self._target = target
        self._left = left
        self._loop = loop
        self._from = self._to = -1
        self._pipe: tuple[int, int] | None = None
        self._watch: select.epoll | None = None
        self._filled = 0
        self._blocked = False

    def begin(self) -> bool:
        """Take over as soon as the client's transport has sent what it has. False, and nothing is changed, if there are no descriptors."""
        try:
            self._from = os.dup(self._source.get_extra_info("socket").fileno())  # a number of its own: nobody else can close it
            self._to = os.dup(self._target.get_extra_info("socket").fileno())
            self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self._close()
            return False
        with suppress(OSError):  # a user may have only so much in pipes; a smaller one does as well
            fcntl.fcntl(self._pipe[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._source.pause_reading()
        self._target.set_write_buffer_limits(high=0)  # so that the protocol is told when it is empty
        if not self._target.get_write_buffer_size():
            self.go()
        return True

    def go(self) -> None:
        """The client's transport has nothing left to send."""
        if self._watch is not None or self._pipe is None:
            return
        try:
            watch = self._watch = select.epoll()  # uvloop forgets a socket that was reset, and tells only its log
        except OSError:
            self._hand_back()
            return
        watch.register(self._from, select.EPOLLIN)
        self._loop.add_reader(watch.fileno(), self._move)

    def _move(self) -> None:
        if self._blocked:
            self._drain()
        else:
            self._fill()

    def _fill(self) -> None:
        """Take what has come, one pipe full at most, and pass it on."""
        assert self._pipe is not None
        try:
            taken = os.splice(self._from, self._pipe[1], min(self._left, _PIPE_BYTES), flags=_FLAGS)
        except BlockingIOError:
            return
        except OSError:
            taken = 0
        self._filled += taken
        if taken:
            self._drain()
        else:  # the end came too early, or it cannot be done
            self._hand_back()

    def _drain(self) -> None:
        assert self._pipe is not None
        try:
            while self._filled:
                sent = os.splice(self._pipe[0], self._to, self._filled, flags=_FLAGS)
                self._filled -= sent
                self._left -= sent
                self._upstream.spliced(sent)
        except BlockingIOError:
            self._block(True)
        except OSError:
            self._hand_back()
        else:
            self._block(False)
            if not self._left:
                self._hand_back()

    def _block(self, blocked: bool) -> None:
        """Wait for the client (or again for the vendor)."""
        if blocked == self._blocked:
            return
        assert self._watch is not None
        self._blocked = blocked
        self._upstream.client_blocks(blocked)
        self._watch.unregister(self._from if blocked else self._to)
        if blocked:
            self._watch.register(self._to, select.EPOLLOUT)
        else:
            self._watch.register(self._from, select.EPOLLIN)

    def _hand_back(self) -> None:
        """Let the transports go on: with what is in the pipe still, and with what is left."""
        assert self._pipe is not None
        rest = os.read(self._pipe[0], self._filled) if self._filled else b""
        self.stop()
        if self._target.is_closing() or self._source.is_closing():
            return
        self._target.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._upstream.splice_ended(rest)

    def stop(self) -> None:
        """Give every descriptor back; nobody is told."""
        watch, self._watch = self._watch, None
        if watch is not None:
            self._loop.remove_reader(watch.fileno())
            watch.close()
        self._close()

    def _close(self) -> None:
        pipe, self._pipe = self._pipe, None
        for descriptor in (self._from, self._to, *(pipe or ())):
            if descriptor >= 0:
                os.close(descriptor)
        self._from = self._to = -1
