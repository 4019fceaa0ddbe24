"""One client connection: requests are parsed, ruled on, and answered in order.

A connection in doubt gets an answer and is closed; it is never parsed on (RFC 9112 sections 2.2, 6.3, 9.6).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from proxy import errors
from proxy.headers import RequestHead, read_request
from proxy.wire.limits import LINGER_S, WRITE_HIGH_WATER, Limits
from proxy.wire.turn import Turn

if TYPE_CHECKING:
    from proxy.errors import Fault
    from proxy.wire.listener import Listener

_BACKLOG, _UPLOAD, _SLOW = 1, 2, 4
"""Why a client is not read: requests wait their turn; the vendor does not take the body; the client takes no answers."""

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}


class ClientConnection(asyncio.Protocol):
    """A client connection; `turns` are its requests in order, the first one is being worked on."""

    __slots__ = (
        "_closing", "_dead", "_field_bytes", "_fields", "_head", "_head_bytes", "_head_since", "_known_fields", "_known_head",
        "_linger_until", "_listener", "_out", "_parser", "_pauses", "_pumping", "_receiving", "_target", "draining", "moved_at",
        "served", "transport", "turns", "write_paused",
    )  # fmt: skip

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._out: list[bytes] = []
        self.turns: deque[Turn] = deque()
        self._receiving: Turn | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._field_bytes = self._head_bytes = self._pauses = self.served = 0
        self._known_fields: list[tuple[bytes, bytes]] | None = None
        self._known_head: RequestHead | None = None
        self._target = b""
        self._head_since = self._linger_until = self.moved_at = 0.0
        self._head = self._dead = self._closing = self._pumping = self.draining = self.write_paused = False

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; one connection too many is told so."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.moved_at = self._listener.service.loop.time()
        if not self._listener.add(self):
            self._reject(errors.FULL)
            self._pump()
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell every request that is still under way."""
        self._closing = self._dead = True
        self._listener.discard(self)
        for turn in list(self.turns):
            turn.client_gone()
        self.turns.clear()

    def eof_received(self) -> bool | None:
        """The client sends no more; what it has asked for is still answered (a half-closed connection)."""
        if self._receiving is not None and not self._receiving.request_done:
            return None  # a request that is cut short: the transport closes, and the vendor is told by the reset
        self._dead = True
        return True if self.turns else None

    def pause_writing(self) -> None:
        """The client takes no more for now: no new requests of it are read, but a body under way is."""
        self.write_paused = True
        if self._receiving is None:
            self._hold(_SLOW, True)
        if self.turns:
            self.turns[0].download_paused(True)

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self.write_paused = False
        self._hold(_SLOW, False)
        if self.turns:
            self.turns[0].download_paused(False)

    def data_received(self, data: bytes) -> None:
        """Parse; rule on what is whole; then act, and write what was answered in one piece."""
        self.moved_at = self._listener.service.loop.time()
        if self._dead:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._listener.on_bug(error)
            self._reject(errors.INTERNAL)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._malformed()
        if self._head:
            self._watch_head(len(data))
        if self.turns:
            self._pump()
            upstream = self.turns[0].upstream if self.turns else None
            if upstream is not None:
                upstream.flush()
        self.flush()

    # --- llhttp's side

    def on_message_begin(self) -> None:
        """A request line begins."""
        self._head = True
        self._head_since = self.moved_at
        self._head_bytes = self._field_bytes = 0
        self._fields = []
        self._target = b""

    def on_url(self, part: bytes) -> None:
        """Part of the request target."""
        self._target = self._target + part if self._target else part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field; those after the head are trailers and end here (RFC 9110 section 6.5.1)."""
        if self._head:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: rule on the request."""
        self._head = False
        if self._dead:
            return
        if len(self.turns) >= self._listener.service.limits.max_pipelined:
            self._reject(errors.TOO_MANY_PIPELINED)
            return
        parser = self._parser
        method, version = parser.get_method(), parser.get_http_version()
        head = self._read_head(method, version)
        if isinstance(head, RequestHead):
            self._begin(method, head, version)
        else:
            self._reject(head, method)

    def on_body(self, data: bytes) -> None:
        """Part of the request body."""
        if self._receiving is not None and not self._dead:
            self._receiving.client_body(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        turn, self._receiving = self._receiving, None
        if turn is not None and not self._dead:
            turn.client_end()
            if self.write_paused:
                self._hold(_SLOW, True)

    # --- reading requests

    def _read_head(self, method: bytes, version: str) -> RequestHead | Fault:
        """Read the fields; on one connection they mostly repeat, and equal fields are read once."""
        fault = self._head_fault(method, version)
        if fault is not None:
            return fault
        known = self._known_head
        if known is not None and self._fields == self._known_fields:
            return known
        head = read_request(self._fields, version)
        if isinstance(head, RequestHead) and version == "1.1":
            self._known_fields, self._known_head = self._fields, head
        return head

    def _head_fault(self, method: bytes, version: str) -> Fault | None:
        limits = self._listener.service.limits
        if version not in ("1.1", "1.0"):
            return errors.BAD_VERSION
        if method == b"CONNECT":
            return errors.UPGRADE
        if len(self._target) > limits.max_url_bytes:
            return errors.TARGET_TOO_LONG
        if len(self._fields) > limits.max_headers or self._fields_too_large(limits):
            return errors.HEADERS_TOO_LARGE
        return None

    def _fields_too_large(self, limits: Limits) -> bool:
        if self._fields == self._known_fields:
            return False
        return sum(len(name) + len(value) + 4 for name, value in self._fields) > limits.max_header_bytes

    def _begin(self, method: bytes, head: RequestHead, version: str) -> None:
        service = self._listener.service
        limit = service.limits.max_body_bytes
        name = _METHODS.get(method) or method.decode("ascii")
        if limit and (head.content_length or 0) > limit:
            ruling = service.gate.reject(errors.BODY_TOO_LARGE, name)
        else:
            ruling = service.gate.open(name, self._target, head)
        keep_alive = self._parser.should_keep_alive()
        self._add(Turn(self, service, ruling, method, keep_alive=keep_alive, old_client=version == "1.0"))

    def _add(self, turn: Turn) -> None:
        self.served += 1
        self._receiving = turn
        self.turns.append(turn)
        if len(self.turns) == 2:
            self._hold(_BACKLOG, True)

    def _reject(self, fault: Fault, method: bytes = b"") -> None:
        """Answer what could not be read, in its turn, and stop parsing."""
        service = self._listener.service
        turn = Turn(self, service, service.gate.reject(fault), method, keep_alive=False, old_client=False)
        self._add(turn)
        if fault.close:
            self._dead = True
            self._receiving = None

    def _malformed(self) -> None:
        """The bytes are not HTTP: a request under way is cut, and anything else is told so."""
        if self._dead or (self.turns and not self.turns[-1].keep_alive and self._receiving is None):
            self._dead = True  # bytes after "Connection: close"
            return
        broken = self._receiving
        if broken is None:
            self._reject(errors.MALFORMED)
            return
        self._dead = True
        if broken.finished:
            self.give_up(linger=True)
        elif broken.ruling.answer is None:
            broken.fail(errors.MALFORMED)

    def _watch_head(self, size: int) -> None:
        """Bound a head that does not end."""
        self._head_bytes += size
        limits = self._listener.service.limits
        if self._head_bytes > limits.max_header_bytes + limits.max_url_bytes and not self._dead:
            self._head = False
            self._reject(errors.TARGET_TOO_LONG if len(self._target) > limits.max_url_bytes else errors.HEADERS_TOO_LARGE)

    # --- answering, in order

    def _pump(self) -> None:
        """Start the first request if it waits; answers made here may finish at once, so look again."""
        if self._pumping:
            return
        self._pumping = True
        while self.turns and not self.turns[0].started and not self._closing:
            self.turns[0].start()
        self._pumping = False

    def turn_finished(self, turn: Turn) -> None:
        """The first request is answered: go on to the next, or close."""
        if self.turns and self.turns[0] is turn:
            self.turns.popleft()
        if self._closing:
            return
        if not turn.keep_alive or (self.draining and not self.turns):
            self.give_up(linger=not turn.request_done)
            return
        if len(self.turns) == 1:
            self._hold(_BACKLOG, False)
        if self.turns:
            self._pump()
        elif self._dead:
            self.give_up()

    def write(self, data: bytes) -> None:
        """Queue bytes of an answer; `flush` sends them."""
        self._out.append(data)

    def flush(self) -> None:
        """Send what is queued, in one piece where that is cheap."""
        out = self._out
        if not out:
            return
        self._out = []
        if not self.transport.is_closing():
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def hold_upload(self, held: bool) -> None:
        """Stop (or go on) reading because of the vendor's side."""
        self._hold(_UPLOAD, held)

    @property
    def upload_held(self) -> bool:
        """Whether the client is not read because the vendor does not take the body."""
        return bool(self._pauses & _UPLOAD)

    def _hold(self, why: int, held: bool) -> None:
        before = self._pauses
        self._pauses = before | why if held else before & ~why
        if bool(before) == bool(self._pauses) or self.transport.is_closing():
            return
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    # --- ends

    def give_up(self, *, linger: bool = False) -> None:
        """Close after what is written. `linger`: the client may still be sending, and a reset would cost it the answer."""
        if self._closing:
            return
        self._closing = self._dead = True
        self.flush()
        if not linger:
            self.transport.close()
            return
        self._linger_until = self._listener.service.loop.time() + LINGER_S
        self._pauses = 0
        if not self.transport.is_reading():
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        """Hang up at once: the client must see that its answer is incomplete."""
        self._closing = self._dead = True
        self._out = []
        self.transport.abort()

    def drain(self) -> None:
        """The proxy is shutting down: finish what is under way, then close."""
        self.draining = True
        if not self.turns:
            self.give_up()

    def check(self, now: float) -> None:
        """End what takes too long. `now`: the loop's time, in seconds."""
        limits = self._listener.service.limits
        if self._linger_until:
            if now > self._linger_until:
                self.transport.abort()
        elif self._head and not self._dead:
            if now - self._head_since > limits.header_read_s:
                self._head = False
                self._reject(errors.HEADER_TIMEOUT)
                self._pump()
                self.flush()
        elif self.turns:
            self.turns[0].check(now)
            self.flush()
        elif now - self.moved_at > (limits.keepalive_idle_s if self.served else limits.header_read_s):
            self.give_up()
