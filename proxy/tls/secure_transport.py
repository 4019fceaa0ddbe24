"""TLS over a connection that is there already: what stands between the loop's transport and the protocol of whoever talks (RFC 8446).

OpenSSL does what TLS is; here bytes are carried between it, the socket and the protocol. The loops' own layer keeps a buffer of
256 KiB for each connection and learns from an exception, after every piece, that there is no more. This one asks for no more than
has arrived, and keeps nothing between two pieces.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, cast

RECORD: Final = 16 * 1024
"""Bytes of plain text that one record has at most (RFC 8446 section 5.1); OpenSSL reads one at a time."""

GOODBYE_S: Final = 2.0
"""How long the other side may take to say goodbye on a connection that is closed."""

_SHAKING: Final = 0
_OPEN: Final = 1
_ENDING: Final = 2
_OVER: Final = 3


class SecureTransport:
    """A transport to the protocol that `make_protocol` returns when the handshake is done, and a protocol to the plain transport.

    Each side that ends says so (close_notify); `goodbye_s` seconds are waited for the other side's end once all is sent. A fault of
    TLS ends the connection, and `connection_lost` of the protocol gets the `ssl.SSLError`.
    """

    __slots__ = (
        "_app", "_context", "_failure", "_goodbye_s", "_incoming", "_left", "_loop", "_make_protocol", "_outgoing", "_raw", "_state",
        "_timer", "_tls", "_unsent", "opened",
    )  # fmt: skip

    def __init__(
        self,
        make_protocol: Callable[[], Any],
        context: ssl.SSLContext,
        loop: asyncio.AbstractEventLoop,
        *,
        server_hostname: str | None,
        goodbye_s: float = GOODBYE_S,
    ) -> None:
        """`server_hostname`: whom the other side must prove to be; None on the side that was called."""
        self._make_protocol = make_protocol
        self._context = context
        self._loop = loop
        self._goodbye_s = goodbye_s
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        called = server_hostname is None
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=called, server_hostname=server_hostname)
        self.opened: asyncio.Future[Any] = loop.create_future()
        """Done when the handshake is: the protocol, or what went wrong."""
        self._app: Any = None
        self._failure: OSError | None = None
        self._state = _SHAKING
        self._unsent: list[bytes] = []
        """Plain text that waits for the other side to finish what it began (a renegotiation of TLS 1.2)."""
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- the plain transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._raw = cast("asyncio.Transport", transport)
        self._shake()

    def data_received(self, data: bytes) -> None:
        """Take records."""
        if self._state == _OPEN:
            self._incoming.write(data)
            self._read()
        elif self._state == _SHAKING:
            self._incoming.write(data)
            self._shake()

    def eof_received(self) -> None:
        """The connection ends below TLS: whoever waits for more must not take what there is for whole."""
        if self._state == _OPEN:
            self._app.eof_received()
        elif self._state == _SHAKING:
            self._incoming.write_eof()
            self._shake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever talks, or waits for the handshake."""
        app, self._app = self._app, None
        self._state = _OVER
        if self._timer is not None:
            self._timer.cancel()
        why = self._failure or exc
        if app is not None:
            app.connection_lost(why)
        elif not self.opened.done():
            self.opened.set_exception(why or ConnectionResetError("the connection ended within the TLS handshake"))

    def pause_writing(self) -> None:
        """The other side takes no more for now."""
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        """The other side takes bytes again."""
        if self._app is not None:
            self._app.resume_writing()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return
        except OSError as error:  # every fault of TLS is one
            self._fail(error)
            return
        self._send()
        self._state = _OPEN
        app = self._app = self._make_protocol()
        app.connection_made(self)
        if not self.opened.done():
            self.opened.set_result(app)
        if self._incoming.pending and self._state == _OPEN:
            self._read()

    def _read(self) -> None:
        """Hand on in one piece what has arrived."""
        pieces: list[bytes] = []
        ended = self._decrypt(pieces)
        if self._outgoing.pending:
            self._send()
        if self._unsent:
            self._send_unsent()
        if pieces:
            self._app.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if ended:
            self._end()

    def _decrypt(self, pieces: list[bytes]) -> bool:
        """Append what can be read now; return whether the other side has said goodbye or TLS has failed."""
        tls, incoming = self._tls, self._incoming
        left: int = incoming.pending
        try:
            while left:
                asked = min(RECORD, left)
                piece = tls.read(asked)
                size = len(piece)
                if not size:
                    return True
                pieces.append(piece)
                left = incoming.pending
                if not left and size == asked:  # else OpenSSL had no more
                    left = tls.pending()
        except ssl.SSLWantReadError:
            pass
        except OSError as error:
            self._failure = error
            return True
        return False

    def _end(self) -> None:
        """No more can come."""
        if self._state != _OPEN:
            return
        if self._failure is None:
            self._app.eof_received()
            self.close()
            self._raw.close()  # both have said goodbye
        else:
            self._fail(self._failure)

    def _fail(self, error: OSError) -> None:
        """Hang up; what went wrong was written for the other side by OpenSSL (an alert)."""
        self._failure = error
        self._state = _OVER
        self._send()
        self._raw.close()

    def _send(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    def _encrypt(self, data: bytes | memoryview) -> bool:
        """Make records of `data`, as many as are needed; return whether there is something to send."""
        size, done = len(data), 0
        try:
            done = self._tls.write(data)
            while done < size:
                done += self._tls.write(memoryview(data)[done:])
        except ssl.SSLWantReadError:
            self._unsent.append(bytes(memoryview(data)[done:]))
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _send_unsent(self) -> None:
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self.write(data)

    # --- the protocol's side

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; nothing is sent any more once the connection is ending."""
        if self._state != _OPEN or not data:
            return
        if self._encrypt(data if isinstance(data, bytes) else memoryview(data).cast("B")):
            self._raw.write(self._outgoing.read())

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Send several pieces."""
        self.write(b"".join(pieces))

    def close(self) -> None:
        """End when all is sent: say goodbye, and wait a while for the other side's end, without reading on."""
        if self._state == _SHAKING or self._unsent:  # what is cut short must not look whole
            self.abort()
        if self._state != _OPEN:
            return
        self._state = _ENDING
        with suppress(OSError):  # it says that the other side's goodbye is missing yet
            self._tls.unwrap()
        self._send()
        raw = self._raw
        if raw.is_closing():
            return
        if not raw.is_reading():
            raw.resume_reading()
        self._await_goodbye()
        raw.write_eof()

    def _await_goodbye(self) -> None:
        self._left = self._raw.get_write_buffer_size()
        self._timer = self._loop.call_later(self._goodbye_s, self._leave)

    def _leave(self) -> None:
        """Wait no longer, unless the other side still takes what it was sent."""
        if self._raw.get_write_buffer_size() < self._left:
            self._await_goodbye()
        else:
            self._raw.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether the connection is ending or over."""
        return self._state != _OPEN or self._raw.is_closing()

    def can_write_eof(self) -> bool:
        """Say no: TLS 1.2 cannot end one direction alone."""
        return False

    def write_eof(self) -> None:
        """Raise: see `can_write_eof`."""
        raise NotImplementedError("TLS connections cannot be half open")

    def pause_reading(self) -> None:
        """Take no more from the other side for now."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._raw.resume_reading()

    def is_reading(self) -> bool:
        """Whether what the other side sends is taken."""
        return self._raw.is_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say with how many bytes waiting to be sent the protocol is told to pause."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """How many bytes wait to be sent."""
        waiting: int = self._raw.get_write_buffer_size()
        return waiting + sum(map(len, self._unsent)) if self._unsent else waiting

    def get_protocol(self) -> Any:
        """Return who talks."""
        return self._app

    def set_protocol(self, protocol: Any) -> None:
        """Let somebody else talk."""
        self._app = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection: what asyncio says of TLS transports, and what the plain transport knows."""
        match name:
            case "ssl_object":
                return self._tls
            case "sslcontext":
                return self._context
            case "peercert":
                return self._tls.getpeercert()
            case "cipher":
                return self._tls.cipher()
            case _:
                return self._raw.get_extra_info(name, default)


async def handshake_done(transport: SecureTransport) -> Any:
    """Wait for the handshake and return the protocol; raise OSError (`ssl.SSLError` is one) where it fails. Nothing stays open then."""
    try:
        return await transport.opened
    except BaseException:
        transport.abort()
        raise
