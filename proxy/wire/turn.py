"""One request and its answer: forwarded to a vendor or answered here, recorded exactly once in any case.

waiting ── start ──> answered here ───────────────────────────┐
             └─────> queued ── admitted ──> dialling ──> sent ─┴─> finished
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy import errors
from proxy.decision.closing import Result
from proxy.decision.ruling import LocalAnswer, Ruling
from proxy.errors import Fault
from proxy.protocol.headers import block_for
from proxy.wire.download import Download
from proxy.wire.heads import CLOSE, KEEP_ALIVE, LAST_CHUNK, chunk, local_head, request_head
from proxy.wire.limits import DRAIN_BYTES

if TYPE_CHECKING:
    from proxy.wire.channel import Channel
    from proxy.wire.downstream import ClientConnection
    from proxy.wire.pool import Pool
    from proxy.wire.service import Service
    from proxy.wire.upstream import UpstreamConnection

PENDING_BYTES: Final = 64 * 1024
_SAFE_TO_REPEAT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))


class Turn(Download):
    """A request on its way. The client connection feeds it from one side, a vendor connection from the other."""

    # Defaults stand at the class: most requests leave most of them as they are, and this is made for every request.
    started = False
    finished = False
    in_channel = False
    upstream: UpstreamConnection | None = None
    request_bytes = 0
    discarded = 0
    _pending_bytes = 0
    _sent_at = 0.0
    _pending: list[bytes] | None = None
    _channel: Channel | None = None
    _pool: Pool | None = None
    _dial: asyncio.Task[None] | None = None
    _repeated = False
    _request_copy: bytearray | None = None

    def __init__(
        self,
        connection: ClientConnection,
        service: Service,
        ruling: Ruling,
        method: bytes,
        begun_at: float,
        *,
        keep_alive: bool,
        old_client: bool,
    ) -> None:
        super().__init__(connection, service, ruling, keep_alive, old_client)
        self.method = method
        self.head = ruling.head
        self.begun_at = begun_at
        if ruling.watch.request:
            self._request_copy = bytearray()

    # --- the client's side

    def start(self) -> None:
        """It is this request's turn: answer it here, or queue for the vendor."""
        self.started = True
        ruling = self.ruling
        if ruling.answer is not None:
            self._answer(ruling.answer)
            return
        assert ruling.mount is not None
        assert ruling.target is not None
        self._channel = self.service.channels[ruling.mount.vendor.name]
        self._pool = pool = self._channel.pools[ruling.mount.origin(ruling.target.path)]
        wait_s = pool.breaker.admit(self) if pool.breaker.troubled else 0
        if wait_s:
            self.fail(replace(errors.CIRCUIT_OPEN, retry_after=wait_s))
        else:
            self._channel.enter(self)

    def client_body(self, data: bytes) -> None:
        """Take a piece of the request body; after the answer it is thrown away, within a bound."""
        self.moved_at = self.service.time()
        if self.finished or self.ruling.answer is not None:
            self.discarded += len(data)
            if self.finished and self.discarded > DRAIN_BYTES:
                self.connection.give_up(linger=True)
            return
        self.request_bytes += len(data)
        if self._is_too_large():
            self.fail(errors.BODY_TOO_LARGE)
            return
        self._request_copy = self._copied(self._request_copy, data)
        assert self.head is not None
        self._send(chunk(data) if self.head.chunked else data)

    def client_end(self) -> None:
        """The request body is complete."""
        self.request_done = True
        self.moved_at = self.service.time()
        if self.head is not None and self.head.chunked and not self.finished and self.ruling.answer is None:
            self._send(LAST_CHUNK)

    def client_gone(self) -> None:
        """The client vanished: the vendor must not take what was sent for complete."""
        self.cut(errors.CLIENT_GONE)

    def download_paused(self, paused: bool) -> None:
        """The client takes no more for now (or again): stop (or go on) reading the vendor."""
        upstream = self.upstream
        if upstream is None or upstream.transport.is_closing():
            return
        if not paused and upstream.client_ready():
            return
        if paused:
            upstream.transport.pause_reading()
        else:
            self.moved_at = self.service.time()
            upstream.transport.resume_reading()

    def _send(self, data: bytes) -> None:
        if self.upstream is not None:
            self.upstream.write(data)
            return
        if self._pending is None:
            self._pending = []
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > PENDING_BYTES:
            self.connection.hold_upload(True)

    def _is_too_large(self) -> bool:
        limit = self.service.limits.max_body_bytes
        return bool(limit) and self.request_bytes > limit

    # --- the way to the vendor

    def admitted(self) -> None:
        """There is a place: take an idle vendor connection, or dial."""
        self.in_channel = True
        assert self._pool is not None
        upstream = self._pool.take()
        if upstream is not None:
            self._connected(upstream)
        else:
            self._redial()

    def _redial(self) -> None:
        assert self._pool is not None
        self._dial = self.service.loop.create_task(self._dial_and_go(self._pool))

    async def _dial_and_go(self, pool: Pool) -> None:
        outcome = await pool.dial()
        self._dial = None
        if isinstance(outcome, Fault):
            self._not_dialled(pool, outcome)
        elif pool.breaker.troubled:
            pool.breaker.dialled()
        if isinstance(outcome, Fault):
            if not self.finished:
                self.fail(outcome)
        elif self.finished:
            pool.put(outcome, self.service.time())
        else:
            self._connected(outcome)
        self.connection.flush()

    def _not_dialled(self, pool: Pool, fault: Fault) -> None:
        if fault.reason in errors.DIAL_REASONS:
            pool.breaker.dial_failed(self, self.begun_at)
        elif fault is errors.NO_RESPONSE:
            self.not_answered()

    def not_answered(self) -> None:
        """Tell the circuit breaker that the vendor took the request and gave no answer worth the name."""
        assert self._pool is not None
        ruling = self.ruling
        self._pool.breaker.answer_failed(self, (ruling.client.name, ruling.peer.address), self.begun_at)

    def _connected(self, upstream: UpstreamConnection) -> None:
        """Send the head and what has come of the body in one piece."""
        ruling, head, pool = self.ruling, self.head, self._pool
        assert head is not None
        assert pool is not None
        assert ruling.target is not None
        self.upstream = upstream
        self.moved_at = self.service.time()
        self._sent_at = self._sent_at or self.service.now()
        upstream.begin(self, self.method)
        block = block_for(self.method, head) if head.max_forwards else head.block
        trace = ruling.trace.lines(ruling.request_id)
        first = request_head(self.method, ruling.target.raw().encode("ascii"), pool.authority, block, trace)
        if self._pending is None:
            upstream.send(first)
        else:
            upstream.write(first)
            self._send_pending(upstream, self._pending)
        if self.connection.write_paused:
            upstream.transport.pause_reading()

    def _send_pending(self, upstream: UpstreamConnection, pending: list[bytes]) -> None:
        for piece in pending:
            upstream.write(piece)
        self._pending, self._pending_bytes = None, 0
        upstream.flush()
        self.connection.hold_upload(False)

    def _repeatable(self) -> bool:
        """RFC 9110 section 9.2.2: only an idempotent request without a body may be sent again, and only once."""
        head = self.head
        assert head is not None
        return self.method in _SAFE_TO_REPEAT and not head.chunked and not head.content_length and not self._repeated

    # --- the vendor's side

    def upload_paused(self, paused: bool) -> None:
        """The vendor takes no more for now (or again)."""
        if not paused:
            self.moved_at = self.service.time()
        self.connection.hold_upload(paused)

    def upstream_done(self) -> None:
        """The answer is complete."""
        self.upstream = None
        self.end_answer()
        self._finish(self._status, "vendor", "")

    def upstream_lost(self, fault: Fault) -> None:
        """The vendor connection died or talked nonsense: repeat, answer, or cut."""
        upstream, self.upstream = self.upstream, None
        if self.finished:
            return
        died_in_the_pool = fault is errors.NO_RESPONSE and upstream is not None and upstream.died_in_the_pool
        if self.answered:
            self.cut(fault)
        elif died_in_the_pool and self._repeatable():
            self._repeated = True
            self._redial()
        else:
            if not died_in_the_pool and fault is not errors.TRUNCATED:
                self.not_answered()
            self.fail(fault)

    # --- ends

    def fail(self, fault: Fault) -> None:
        """Answer one of our own faults, or cut the connection where an answer has begun."""
        self._drop_upstream()
        if self.answered:
            self.cut(fault)
            return
        self.service.gate.refuse(self.ruling, fault)
        assert self.ruling.answer is not None
        if self.started:
            self._answer(self.ruling.answer)

    def _answer(self, answer: LocalAnswer) -> None:
        """Write an answer made here. A body nobody wants is drained within a bound, or the connection is given up."""
        self._status, self.answered = answer.status, True
        self.keep_alive = self.keep_alive and not answer.close and not self.connection.ending and self._will_end_soon()
        connection = CLOSE if not self.keep_alive else KEEP_ALIVE if self.old_client else b""
        self.connection.write(local_head(answer.status, answer.fields, len(answer.body), connection, self.ruling.started_at))
        if self.method != b"HEAD":
            self._response_bytes = len(answer.body)
            self.connection.write(answer.body)
        self._finish(answer.status, "proxy", "")

    def _will_end_soon(self) -> bool:
        """Whether the rest of the request body is worth waiting for."""
        if self.request_done:
            return True
        head = self.head
        if head is None or head.expects_continue:
            return False
        return head.chunked or (head.content_length or 0) - self.request_bytes <= DRAIN_BYTES

    def cut(self, fault: Fault) -> None:
        """Hang up so that neither side takes what it got for whole."""
        if self.finished:
            return
        self._drop_upstream()
        self.keep_alive = False
        self.connection.abort(reset=self._until_close)
        self._finish(self._status or fault.status, "vendor" if self.answered else "proxy", fault.reason)

    def _drop_upstream(self) -> None:
        self.drop_held()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()
        if self._channel is not None and not self.in_channel and self.started:
            self._channel.withdraw(self)

    def _finish(self, status: int, answered_by: str, fault: str) -> None:
        self.finished = True
        channel, now = self._channel, self.service.now()
        head = self._answer_head
        result = Result(
            status,
            answered_by,
            fault,
            self.request_bytes,
            self._response_bytes,
            now - self.begun_at,
            now - self._sent_at if self._sent_at else 0.0,
            None if self._request_copy is None else bytes(self._request_copy),
            None if self._response_copy is None else bytes(self._response_copy),
            head.content_encoding if head is not None else b"",
            head.content_type if head is not None else b"",
        )
        self.service.closer.close(self.ruling, result)
        self._pending = None
        if self._pool is not None and self._pool.breaker.troubled:
            self._pool.breaker.ended(self)
        if self.connection.upload_held:
            self.connection.hold_upload(False)
        if channel is not None and self.in_channel:
            self.in_channel = False
            channel.leave()
        self.connection.turn_finished(self)

    # --- time

    def check(self, now: float) -> None:
        """Fail or cut the request if nothing has moved for too long. `now`: the loop's time, in seconds."""
        if self.finished or not self.started or not self.in_channel or self._dial is not None or self._channel is None:
            return
        limit = self.service.limits.request_s
        if limit and self._sent_at and self.service.now() - self._sent_at > limit:
            self.fail(errors.REQUEST_TIMEOUT)
            return
        idle, timeouts = now - self.moved_at, self._channel.timeouts
        if self.answered or self._held is not None:
            if idle > timeouts.body_idle_s:
                self.fail(errors.CLIENT_STALLED if self.connection.write_paused else errors.RESPONSE_STALLED)
        elif not self.request_done:
            self._check_upload(idle, timeouts.body_idle_s)
        elif idle > timeouts.response_head_s:
            self.not_answered()
            self.fail(errors.RESPONSE_TIMEOUT)

    def _check_upload(self, idle: float, vendor_idle_s: float) -> None:
        if self.connection.upload_held:
            if idle > vendor_idle_s:
                self.not_answered()
                self.fail(errors.UPLOAD_TIMEOUT)
        elif idle > self.service.limits.body_idle_s:
            self.fail(errors.BODY_TIMEOUT)
