"""One client connection: requests are parsed, ruled on, and answered in order.

A connection in doubt gets an answer and is closed; it is never parsed on (RFC 9112 sections 2.2, 6.3, 9.6). Once a
length-framed head is parsed, what is left of its body does not go through the parser any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from proxy import errors
from proxy.identity.clients import NO_PEER
from proxy.protocol.headers import RequestHead, hop_fault, read_request, renew
from proxy.wire.known_request import KnownRequest, rest_of
from proxy.wire.limits import DRAINING_IDLE_S, HALF_CLOSED_S, LINGER_S, MAX_CODING_BYTES, MAX_CODING_SHARE, WRITE_HIGH_WATER, Limits
from proxy.wire.sockets import Probe, is_reset, peer_of, reset_on_close
from proxy.wire.turn import Turn

if TYPE_CHECKING:
    from proxy.errors import Fault
    from proxy.wire.listener import Listener

_BACKLOG, _UPLOAD, _SLOW = 1, 2, 4
"""Why a client is not read: requests wait their turn; the vendor does not take the body; the client takes no answers."""

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}


class ClientConnection:
    """A client connection; `turns` are its requests in order, the first one is being worked on."""

    __slots__ = (
        "_closing",
        "_coding_bytes",
        "_dead",
        "_fields",
        "_half_closed_at",
        "_half_open",
        "_head",
        "_head_bytes",
        "_head_since",
        "_idle_since",
        "_known_fields",
        "_known_head",
        "_known_request",
        "_leave_by",
        "_line",
        "_listener",
        "_method",
        "_out",
        "_parser",
        "_pauses",
        "_pumping",
        "_raw_left",
        "_receiving",
        "_rest",
        "_target",
        "draining",
        "ending",
        "peer",
        "served",
        "transport",
        "turns",
        "upload_held",
        "write_paused",
    )  # fmt: skip

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._out: list[bytes] = []
        self.turns: deque[Turn] = deque()
        self._receiving: Turn | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = self._coding_bytes = self._raw_left = self._pauses = self.served = 0
        self._known_fields: list[tuple[bytes, bytes]] | None = None
        self._known_head: RequestHead | None = None
        self._known_request: KnownRequest | None = None
        self._target = self._method = b""
        self._line = b""
        """What begins with a request line, until that was read."""
        self._rest = b""
        """What came behind the target of the request that is being read, where it began with that request."""
        self._head_since = self._idle_since = self._half_closed_at = self._leave_by = 0.0
        self.peer = NO_PEER
        self._half_open = True
        self._head = self._dead = self._closing = self._pumping = self.draining = self.ending = self.write_paused = self.upload_held = False

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; one connection too many is told so."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.peer = peer_of(self.transport)
        self._half_open = self.transport.can_write_eof()
        self._idle_since = self._listener.service.time()
        fault = self._listener.add(self)
        if fault is None:
            return
        if self._listener.is_flooded(self.peer.address):
            self.abort(reset=True)
            return
        self._reject(fault)
        self._pump()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell every request that is still under way."""
        self._closing = self._dead = True
        self._listener.discard(self)
        self._forget_head()
        for turn in list(self.turns):
            turn.client_gone()
        self.turns.clear()

    def eof_received(self) -> bool | None:
        """The client sends no more; what it has asked for is still answered if that is soon (see `HALF_CLOSED_S`)."""
        if self._receiving is not None and not self._receiving.request_done:
            return None  # a request that is cut short: the transport closes, and the vendor is told by the reset
        self._dead, self._head = True, False
        self._half_closed_at = self._listener.service.time()
        return True if self.turns and self._half_open else None  # TLS connections cannot be half open on these loops

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
        if self._dead:
            return
        if self._raw_left:
            data = self._take_raw(data)
        if data and not self._dead:
            self._read(data)
        if self.turns:
            self._pump()
            upstream = self.turns[0].upstream if self.turns else None
            if upstream is not None and upstream.out:
                upstream.flush()
        if self._out:
            self.flush()

    def _read(self, data: bytes) -> None:
        """Read what is no piece of a length-framed body: where it is one more request of a known kind, the parser need not."""
        known = self._known_request
        target = known.target(data) if known is not None and not self._head and self._receiving is None else b""
        if known is not None and target:
            self._take_known(known, target)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        in_head, body_of, body_bytes, served = self._head, self._receiving, self._body_bytes(), self.served
        self._line = data if not in_head and body_of is None else b""
        self._rest, self._known_request = b"", None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._listener.on_bug(error)
            self._give_up_parsing(errors.INTERNAL)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._give_up_parsing(errors.MALFORMED)
        turn = self._receiving
        if in_head and self._head:
            self._watch_head(len(data))
        elif body_of is not None and body_of is turn:
            self._watch_coding(len(data) - self._body_bytes() + body_bytes)
        elif turn is not None and turn.head is not None and turn.head.content_length is not None:
            self._raw_left = turn.head.content_length - self._body_bytes()
        elif self._rest and turn is None and not self._head and not self._dead and self.served == served + 1:
            self._know()

    def _know(self) -> None:
        """Remember the one whole request that was just parsed, so that the parser need not read the next one like it."""
        head = self._known_head
        known = head is not None and not (head.traced or head.content_length or head.chunked)
        self._known_request = KnownRequest(self._method, self._rest, head) if known and head is not None else None

    def _take_known(self, known: KnownRequest, target: bytes) -> None:
        """Take a request that differs in nothing but its target from one that was parsed."""
        self._target = target
        known.head.repeats = True
        try:
            self._receive(known.method, self._line_fault(known.method, "1.1") or known.head, "1.1", keep_alive=True)
            turn, self._receiving = self._receiving, None
            if turn is not None:
                turn.request_done = True
                if self.write_paused:
                    self._hold(_SLOW, True)
        except Exception as bug:
            self._listener.on_bug(bug)
            self._give_up_parsing(errors.INTERNAL)

    def _take_raw(self, data: bytes) -> bytes:
        """Hand on a piece of a length-framed body; return what comes behind its end, which a parser reads that knows nothing of it."""
        left, turn = self._raw_left, self._receiving
        assert turn is not None
        self._raw_left = max(0, left - len(data))
        try:
            turn.client_body(data if len(data) <= left else data[:left])
        except Exception as bug:
            self._listener.on_bug(bug)
            self._give_up_parsing(errors.INTERNAL)
        if self._raw_left:
            return b""
        keeps_alive = self._parser.should_keep_alive()
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_complete()
        if not keeps_alive:
            self._dead = True  # bytes after "Connection: close"
        return data[left:]

    # --- llhttp's side

    def on_message_begin(self) -> None:
        """A request line begins."""
        self._head = True
        self._head_since = self._listener.service.time()
        self._head_bytes = self._coding_bytes = 0
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
        parser = self._parser
        method: bytes = parser.get_method()
        rest = rest_of(method, self._target, self._line) if self._line else b""  # asking the parser for the version is dear
        version: str = "1.1" if rest else parser.get_http_version()
        self._line = b""
        keep_alive: bool = parser.should_keep_alive()
        if keep_alive:
            self._method, self._rest = method, rest
        self._receive(method, self._read_head(method, version), version, keep_alive=keep_alive)

    def _receive(self, method: bytes, head: RequestHead | Fault, version: str, *, keep_alive: bool) -> None:
        """Rule on a request whose head was read, or answer the fault that is in it."""
        if len(self.turns) >= self._listener.service.limits.max_pipelined:
            self._reject(errors.TOO_MANY_PIPELINED)
        elif isinstance(head, RequestHead):
            self._begin(method, head, version, keep_alive=keep_alive)
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
        known, before = self._known_head, self._known_fields
        if (
            known is not None
            and before is not None
            and version == "1.1"
            and (renew(known, before, self._fields) if known.traced else self._fields == before)
        ):
            known.repeats = True
            fault = self._line_fault(method, version)
            return known if fault is None else fault
        fault = self._line_fault(method, version) or self._fields_fault()
        if fault is not None:
            return fault
        head = read_request(self._fields, version)
        if isinstance(head, RequestHead) and version == "1.1":
            self._forget_head()
            self._known_fields, self._known_head = self._fields, head
        return head

    def _forget_head(self) -> None:
        """Undo the ring of a head that remembers rulings that know their head, so that it is freed at once."""
        if self._known_head is not None:
            self._known_head.rulings = None

    def forget(self) -> None:
        """Remember nothing that another configuration taught: neither how fields were read, nor what was ruled."""
        self._forget_head()
        self._known_fields = self._known_head = self._known_request = None

    def _line_fault(self, method: bytes, version: str) -> Fault | None:
        """Say what is wrong with the request line, if anything."""
        if version not in ("1.1", "1.0"):
            return errors.BAD_VERSION
        if method in (b"CONNECT", b"TRACE"):
            return errors.UPGRADE
        return errors.TARGET_TOO_LONG if len(self._target) > self._listener.service.limits.max_url_bytes else None

    def _fields_fault(self) -> Fault | None:
        """Say whether the fields are too many or too long."""
        limits = self._listener.service.limits
        size = sum(len(name) + len(value) + 4 for name, value in self._fields)
        return errors.HEADERS_TOO_LARGE if len(self._fields) > limits.max_headers or size > limits.max_header_bytes else None

    def _begin(self, method: bytes, head: RequestHead, version: str, *, keep_alive: bool) -> None:
        service = self._listener.service
        limit = service.limits.max_body_bytes
        begun_at = service.now()
        name = _METHODS.get(method) or method.decode("ascii")
        fault = hop_fault(method, head.max_forwards) if head.max_forwards else None
        if limit and (head.content_length or 0) > limit:
            fault = errors.BODY_TOO_LARGE
        if fault is not None:
            ruling = service.gate.reject(fault, name, self.peer)
        else:
            ruling = service.gate.open(name, self._target, head, self.peer)
        self._add(Turn(self, service, ruling, method, begun_at, keep_alive=keep_alive, old_client=version == "1.0"))

    def _add(self, turn: Turn) -> None:
        self.served += 1
        self._receiving = turn
        self.turns.append(turn)
        if len(self.turns) == 2:
            self._hold(_BACKLOG, True)

    def _reject(self, fault: Fault, method: bytes = b"") -> None:
        """Answer what could not be read, in its turn, and stop parsing."""
        service = self._listener.service
        turn = Turn(self, service, service.gate.reject(fault, "", self.peer), method, service.now(), keep_alive=False, old_client=False)
        self._add(turn)
        self._dead, self._head = True, False
        self._receiving = None

    def _give_up_parsing(self, fault: Fault) -> None:
        """What the client sends cannot be read on: a request under way fails, and anything else is told so."""
        if self._dead or (self.turns and not self.turns[-1].keep_alive and self._receiving is None):
            self._dead = True  # bytes after "Connection: close"
            return
        broken = self._receiving
        if broken is None:
            self._reject(fault)
            return
        self._dead = True
        broken.keep_alive = False
        if broken.finished:
            self.give_up(linger=True)
        elif broken.ruling.answer is None:
            broken.fail(fault)

    def _watch_head(self, size: int) -> None:
        """Bound a head that does not end. The packet in which it began, perhaps behind a body, is not counted."""
        self._head_bytes += size
        limits = self._listener.service.limits
        if self._head_bytes > limits.max_header_bytes + limits.max_url_bytes:
            self._reject(errors.TARGET_TOO_LONG if len(self._target) > limits.max_url_bytes else errors.HEADERS_TOO_LARGE)

    def _body_bytes(self) -> int:
        turn = self._receiving
        return 0 if turn is None else turn.request_bytes + turn.discarded

    def _watch_coding(self, size: int) -> None:
        """Bound what is no body: chunk sizes, extensions and trailers (which llhttp collects in memory)."""
        self._coding_bytes += size
        if self._coding_bytes > MAX_CODING_BYTES + MAX_CODING_SHARE * self._body_bytes() and not self._dead:
            self._give_up_parsing(errors.MALFORMED)

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
        self._idle_since = self._listener.service.time()
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
        """Stop (or go on) reading because the vendor does not take the body."""
        self.upload_held = held
        self._hold(_UPLOAD, held)

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
        self._leave_by = self._listener.service.time() + (LINGER_S if linger else self._listener.service.limits.body_idle_s)
        self.flush()
        if not linger:
            self.transport.close()
            return
        self._pauses = 0
        if not self.transport.is_reading():
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self, *, reset: bool = False) -> None:
        """Hang up at once: the client must see that its answer is incomplete. `reset`: a plain end would look like the answer's."""
        self._closing = self._dead = True
        if reset:
            self._out = []
            reset_on_close(self.transport)
        self.flush()
        self.transport.abort()

    def cut(self, fault: Fault) -> None:
        """End everything under way with `fault` and hang up."""
        for turn in list(self.turns):
            turn.cut(fault)
        self.abort()

    def drain(self) -> None:
        """The proxy is shutting down: finish what is under way, a request that is just arriving included, then close."""
        self.draining = self.ending = True
        if self.turns:
            return
        if self.served and not self._head and Probe(self.transport).is_silent():
            self.give_up()
        self._idle_since = self._listener.service.time()

    def check(self, now: float) -> None:
        """End what takes too long. `now`: the loop's time, in seconds."""
        limits = self._listener.service.limits
        if self._leave_by:
            if now > self._leave_by:
                self.transport.abort()
            return
        if self._pauses and is_reset(self.transport):
            self.cut(errors.CLIENT_GONE)
            return
        if self._head:
            self._check_head(now, limits)
        if self.turns:
            self._check_turn(self.turns[0], now)
        elif now - self._idle_since > self._patience(limits):
            self.give_up()

    def _patience(self, limits: Limits) -> float:
        """How long a connection may stay without a request, in seconds."""
        longest = limits.keepalive_idle_s if self.served else limits.header_read_s
        return min(longest, DRAINING_IDLE_S) if self.draining else longest

    def _check_head(self, now: float, limits: Limits) -> None:
        if self._pauses:  # it is our doing that the head does not arrive
            self._head_since = now
        elif now - self._head_since > limits.header_read_s:
            self._reject(errors.HEADER_TIMEOUT)
            self._pump()
            self.flush()

    def _check_turn(self, turn: Turn, now: float) -> None:
        if self._half_closed_at and not turn.answered and now - self._half_closed_at > HALF_CLOSED_S:
            self.cut(errors.CLIENT_GONE)
            return
        turn.check(now)
        self.flush()
