"""One connection to a vendor: answers are parsed, doubted, and handed to the turn that asked.

A connection in doubt is closed and never reused (RFC 9112 section 6.3). Once a length-framed head is parsed, what is
left of its body does not go through the parser any more.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

import httptools

from proxy import errors
from proxy.protocol.response_headers import ResponseHead
from proxy.wire.heads import has_no_body
from proxy.wire.limits import MAX_CODING_BYTES, MAX_CODING_SHARE, MAX_INFORMATIONAL, WRITE_HIGH_WATER
from proxy.wire.sockets import Probe, is_whole_end, reset_on_close
from proxy.wire.splice import AT_ONCE, SPLICED_FROM, Splice, can_splice

if TYPE_CHECKING:
    from proxy.errors import Fault
    from proxy.wire.pool import Pool
    from proxy.wire.turn import Turn


class UpstreamConnection:
    """A vendor connection; `turn` is the request it is working for, None while it idles in the pool."""

    __slots__ = (
        "_broken",
        "_coding_bytes",
        "_complete",
        "_dirty",
        "_field_bytes",
        "_fields",
        "_head",
        "_informational",
        "_keep",
        "_method",
        "_no_body",
        "_old",
        "_out",
        "_parser",
        "_pool",
        "_raw_left",
        "_reason",
        "_received",
        "_splice",
        "_spliced",
        "_status_line",
        "_until_close",
        "idle_since",
        "out",
        "probe",
        "reused",
        "transport",
        "turn",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self.out: list[bytes] = []
        self.turn: Turn | None = None
        self._splice: Splice | None = None
        self.reused = False
        self.idle_since = 0.0
        self._reset(b"")

    def _reset(self, method: bytes) -> None:
        self._method = method
        self._fields: list[tuple[bytes, bytes]] = []
        self._field_bytes = 0
        self._reason = b""
        self._head: ResponseHead | None = None
        self._broken: Fault | None = None
        self._complete = self._dirty = self._until_close = self._no_body = False
        self._keep = True
        self._informational = self._received = self._raw_left = self._coding_bytes = 0
        self._status_line = self._old = self._spliced = False

    # --- the turn's side

    def begin(self, turn: Turn, method: bytes) -> None:
        """Work for `turn` from now on."""
        self._reset(method)
        self.turn = turn

    @property
    def last_block(self) -> bytes:
        """The header lines of the last answer, as they went to the client; empty before the first one."""
        return self._head.block if self._head is not None else b""

    @property
    def died_in_the_pool(self) -> bool:
        """Whether this connection was reused and has not answered one byte: the vendor had closed it while it idled."""
        return self.reused and not self._field_bytes

    def write(self, data: bytes) -> None:
        """Queue bytes of the request; `flush` sends them."""
        self.out.append(data)

    def send(self, data: bytes) -> None:
        """Send bytes of the request at once, behind what is queued."""
        if self.out:
            self.out.append(data)
            self.flush()
        elif not self.transport.is_closing():
            self.transport.write(data)

    def flush(self) -> None:
        """Send what is queued, in one piece where that is cheap."""
        out = self.out
        if not out or self.transport.is_closing():
            return
        self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        self.out = []

    def abandon(self) -> None:
        """Give up: nobody is waiting any more, and what was sent must not look complete."""
        self.turn = None
        self._stop_splice()
        reset_on_close(self.transport)
        self.transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and tell the pool."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.probe = Probe(self.transport)
        self._pool.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the pool, and the turn that still waited."""
        self._stop_splice()
        self._pool.discard(self)
        turn, self.turn = self.turn, None
        if turn is not None:
            silent = errors.TLS if isinstance(exc, ssl.SSLError) and not self.reused else errors.NO_RESPONSE
            turn.upstream_lost(silent if self._head is None else errors.TRUNCATED)  # TLS 1.3: a certificate is refused this late
            turn.connection.flush()

    def pause_writing(self) -> None:
        """The vendor takes no more for now: stop reading the client."""
        if self.turn is not None:
            self.turn.upload_paused(True)

    def resume_writing(self) -> None:
        """The vendor takes bytes again."""
        if self.turn is not None:
            self.turn.upload_paused(False)

    def eof_received(self) -> bool | None:
        """An answer without a length ends with the connection; any other is cut short."""
        turn = self.turn
        if turn is not None and self._until_close and is_whole_end(self.transport):
            self._complete = True
            self._release()
            turn.connection.flush()
        return None

    def data_received(self, data: bytes) -> None:
        """Parse and hand on; act on what the parser found only when the whole piece is digested."""
        turn = self.turn
        if turn is None:  # nobody asked: such a connection must never answer another request
            self.transport.abort()
            return
        if self._raw_left:
            self._take_raw(turn, data)
        else:
            self._parse(data)
        if self._broken is not None:
            self._fail(self._broken)
        elif self._complete:
            self._release()
        turn.connection.flush()
        if self._raw_left >= SPLICED_FROM and not self._spliced and self.turn is not None:
            self._begin_splice(turn)

    def _parse(self, data: bytes) -> None:
        # Asking the parser for the version is dear, and an answer mostly begins and ends its head in one piece.
        self._status_line = self._head is None and not self._field_bytes and data.startswith(b"HTTP/1.1 ")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._pool.on_bug(error)
            self._broken = errors.BAD_RESPONSE
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._broken = errors.BAD_RESPONSE
            self._dirty = True
        head = self._head
        if head is None:
            self._field_bytes += len(data)
            if self._field_bytes > self._pool.limits.max_header_bytes + len(data):
                self._broken = errors.BAD_RESPONSE
        elif head.content_length is not None and not self._complete:
            self._raw_left = head.content_length - self._received
        elif head.chunked:
            self._watch_coding(len(data))

    def _watch_coding(self, size: int) -> None:
        """Bound what is no body: chunk sizes, extensions and trailers (which llhttp collects in memory)."""
        self._coding_bytes += size
        if self._coding_bytes > MAX_CODING_BYTES + (MAX_CODING_SHARE + 1) * self._received + self._pool.limits.max_header_bytes:
            self._broken = errors.BAD_RESPONSE

    def _take_raw(self, turn: Turn, data: bytes) -> None:
        left = self._raw_left = self._raw_left - len(data)
        if left <= 0:
            if left < 0:
                data = data[:left]
                self._dirty, self._raw_left = True, 0
            self._end_raw()
        turn.upstream_body(data)

    def _end_raw(self) -> None:
        self._complete = True
        self._parser = httptools.HttpResponseParser(self)

    # --- a long body, which nobody here reads

    def _begin_splice(self, turn: Turn) -> None:
        client, pool = turn.connection.transport, self._pool
        if not turn.only_passes_on or pool.splices >= AT_ONCE or not can_splice(self.transport, client):
            return
        self._spliced = True  # it is tried once in an answer
        splice = self._splice = Splice(self, client, self._raw_left, turn.service.loop)
        pool.splices += 1
        if not splice.begin():
            self._stop_splice()

    def client_ready(self) -> bool:
        """The client takes bytes again; return whether a splice waits for that, which goes on now."""
        if self._splice is not None:
            self._splice.go()
        return self._splice is not None

    def client_blocks(self, blocked: bool) -> None:
        """The client takes none of what is spliced for now (or again)."""
        if self.turn is not None:
            self.turn.connection.write_paused = blocked

    def spliced(self, count: int) -> None:
        """So many bytes went from socket to socket."""
        self._raw_left -= count
        self._pool.spliced_bytes += count
        if self.turn is not None:
            self.turn.upstream_passed(count)

    def splice_ended(self, rest: bytes) -> None:
        """All went, or `rest` is what came and did not; the transports go on."""
        turn = self.turn
        self._stop_splice()
        if turn is None:
            return
        if rest:
            self._take_raw(turn, rest)
        elif not self._raw_left:
            self._end_raw()
        if turn.connection.write_paused:
            turn.connection.resume_writing()
        if self._complete:
            self._release()
        else:
            self.transport.resume_reading()
        turn.connection.flush()

    def _stop_splice(self) -> None:
        splice, self._splice = self._splice, None
        if splice is not None:
            splice.stop()
            self._pool.splices -= 1

    def _fail(self, fault: Fault) -> None:
        turn, self.turn = self.turn, None
        self.transport.abort()
        if turn is not None:
            turn.upstream_lost(fault if self._head is None else errors.TRUNCATED)

    def _release(self) -> None:
        turn, self.turn = self.turn, None
        assert turn is not None
        reusable = self._keep and not self._dirty and not self._until_close and turn.request_done
        if reusable and not self.transport.is_closing() and not self.transport.get_write_buffer_size():
            if self._no_body:  # the parser may still wait for the body that the head announced
                self._parser = httptools.HttpResponseParser(self)
            self._pool.put(self, turn.moved_at)
        elif turn.request_done and not self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.abandon()
        turn.upstream_done()

    # --- llhttp's side

    def on_message_begin(self) -> None:
        """A status line begins."""
        if self._complete:
            self._dirty = True
        self._fields = []
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        """Part of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field; those after the head are trailers and end here (RFC 9110 section 6.5.1)."""
        if self._head is None:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: judge it."""
        if self._complete or self._broken is not None:
            self._dirty = True
            return
        status = self._parser.get_status_code()
        head = self._pool.reader.read(self._fields)
        version = "1.1" if self._status_line else self._parser.get_http_version()
        self._status_line, self._old = False, version == "1.0"
        many = len(self._fields) > self._pool.limits.max_headers * 2
        if head is None or many or not 100 <= status <= 599 or version not in ("1.1", "1.0"):
            self._broken = errors.BAD_RESPONSE
        elif status < 200:
            self._inform(status, head)
        else:
            self._answer(status, head)

    def _inform(self, status: int, head: ResponseHead) -> None:
        """A 1xx answer is passed on; a protocol switch that nobody asked for is a fault (RFC 9110 section 15.2)."""
        self._informational += 1
        framed = head.chunked or head.content_length is not None  # llhttp would read a body
        if status == 101 or framed or self._informational > MAX_INFORMATIONAL:
            self._broken = errors.BAD_RESPONSE
        elif self.turn is not None:
            self.turn.upstream_informational(status, self._reason, head)

    def _answer(self, status: int, head: ResponseHead) -> None:
        turn = self.turn
        assert turn is not None
        self._head = head
        breaker = self._pool.breaker
        if status >= 500 and breaker.server_errors:
            turn.not_answered()
        elif breaker.troubled:
            breaker.heard()
        self._keep = self._parser.should_keep_alive() and not (head.chunked and self._old)
        self._no_body = no_body = has_no_body(self._method, status)
        self._until_close = not no_body and not head.chunked and head.content_length is None
        turn.upstream_head(status, self._reason, head, no_body)
        if no_body or head.content_length == 0:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        """Part of the body; after the end it is nobody's."""
        if self._complete or self._broken is not None or self._head is None:
            self._dirty = True
            return
        self._received += len(data)
        if self.turn is not None:
            self.turn.upstream_body(data)

    def on_message_complete(self) -> None:
        """The message is whole; 1xx answers do not count."""
        if self._head is not None:
            self._complete = True
