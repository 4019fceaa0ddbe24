"""The vendor's answer on its way to the client: passed on piece by piece, or held until its links are pointed back here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.decision.ruling import Ruling
from proxy.protocol.response_headers import ResponseHead
from proxy.wire.heads import CHUNKED, CLOSE, KEEP_ALIVE, LAST_CHUNK, chunk, informational_head, length_field, response_head

if TYPE_CHECKING:
    from proxy.wire.downstream import ClientConnection
    from proxy.wire.rewriting import Held
    from proxy.wire.service import Service


class Download:
    """The answering half of a `Turn`. While an answer is held nothing of it was sent: `answered` is False."""

    # Defaults stand at the class: most requests leave most of them as they are, and this is made for every request.
    answered = False
    request_done = False
    _status = 0
    _response_bytes = 0
    _chunked_answer = False
    _until_close = False
    _answer_head: ResponseHead | None = None
    _response_copy: bytearray | None = None
    _held: Held | None = None

    def __init__(self, connection: ClientConnection, service: Service, ruling: Ruling, keep_alive: bool, old_client: bool) -> None:
        self.connection = connection
        self.service = service
        self.ruling = ruling
        self.keep_alive = keep_alive
        self.old_client = old_client
        self.moved_at = service.time()

    def upstream_informational(self, status: int, reason: bytes, head: ResponseHead) -> None:
        """Pass a 1xx answer on; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        self.moved_at = self.service.time()
        if not self.old_client and not self.answered:
            self.connection.write(informational_head(status, reason, head.block))

    def upstream_head(self, status: int, reason: bytes, head: ResponseHead, no_body: bool) -> None:
        """Take the head of the answer: pass it on, or hold it until its body is there."""
        ruling = self.ruling
        self.moved_at = self.service.time()
        self._answer_head = head
        if self.service.closer.reads_answer(ruling, status):
            self._response_copy = bytearray()
        assert ruling.mount is not None
        links = ruling.mount.links
        if links is not None:
            seen = self.service.rewrites.look(ruling, links, status, reason, head, no_body)
            if not isinstance(seen, ResponseHead):
                self._held = seen
                return
            head = seen
        self._pass_head(status, reason, head, no_body)

    def _pass_head(self, status: int, reason: bytes, head: ResponseHead, no_body: bool) -> None:
        """Pass the head of the answer on, framed for this client."""
        self.answered, self._status = True, status
        self.keep_alive = self.keep_alive and self.request_done and not self.connection.ending
        framing = b"" if status == 204 else self._framing(head, no_body)
        if not self.keep_alive:
            framing += CLOSE
        elif self.old_client:
            framing += KEEP_ALIVE
        self.connection.write(response_head(status, reason, framing, self.ruling.stamp(b"vendor"), head.block))

    def _framing(self, head: ResponseHead, no_body: bool) -> bytes:
        """Choose how the client learns the end of the body (RFC 9112 section 6.3)."""
        if head.content_length is not None or no_body:
            return length_field(head.content_length)
        if self.old_client:
            self._until_close, self.keep_alive = True, False
            return b""
        self._chunked_answer = True
        return CHUNKED

    def upstream_body(self, data: bytes) -> None:
        """Pass a piece of the body on, or keep it with what is held."""
        self.moved_at = self.service.time()
        self._response_bytes += len(data)
        if self._response_copy is not None:
            self._response_copy = self._copied(self._response_copy, data)
        if self._held is None:
            self.connection.write(chunk(data) if self._chunked_answer else data)
        elif not self._held.take(data):
            self._let_go(self._held)

    @property
    def only_passes_on(self) -> bool:
        """Whether nobody here looks at the body, or changes it."""
        return self._held is None and self._response_copy is None and not self._chunked_answer

    def upstream_passed(self, count: int) -> None:
        """So many bytes of the body went to the client without coming here."""
        self.moved_at = self.service.loop.time()
        self._response_bytes += count

    def _copied(self, copy: bytearray | None, data: bytes) -> bytearray | None:
        """Copy aside what is learned from; a body beyond the bound teaches nothing."""
        if copy is None:
            return None
        copy += data
        return copy if len(copy) <= self.service.limits.max_learning_bytes else None

    def end_answer(self) -> None:
        """The answer is complete."""
        held = self._held
        if held is not None:
            new = held.end()
            if new is None:
                self._let_go(held)
            else:
                self.drop_held()
                self._pass_head(held.status, held.reason, held.head, False)
                self.connection.write(new)
        if self._chunked_answer:
            self.connection.write(LAST_CHUNK)

    def _let_go(self, held: Held) -> None:
        """Pass on what was held, as it came."""
        self._held = None
        self._pass_head(held.status, held.reason, held.head, False)
        for piece in held.release():
            self.connection.write(chunk(piece) if self._chunked_answer else piece)

    def drop_held(self) -> None:
        """Forget what is held."""
        held, self._held = self._held, None
        if held is not None:
            held.release()
