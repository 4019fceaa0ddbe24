"""Answers whose links are pointed back at the proxy: which ones wait for their body, how many bytes may wait, what became of them."""

from __future__ import annotations

from typing import Final

from proxy.decision.ruling import Ruling
from proxy.protocol.bodies import decode_body, encode_body, is_decodable
from proxy.protocol.links import Links, as_changed, as_known, is_json, may_change
from proxy.protocol.response_headers import ResponseHead
from proxy.telemetry.labels import Reading

REWRITTEN: Final = "rewritten"
UNCHANGED: Final = "unchanged"
TOO_LARGE: Final = "too_large"
BUSY: Final = "busy"
UNREADABLE: Final = "unreadable"
NO_TRANSFORM: Final = "no_transform"
RESULTS: Final = (REWRITTEN, UNCHANGED, TOO_LARGE, BUSY, UNREADABLE, NO_TRANSFORM)
"""What becomes of the body of a JSON answer; all but the first let it pass as it came."""


class Rewrites:
    """Counts answers by vendor and result, and the bytes that wait. `max_bytes` bounds one body, `max_waiting` all of them."""

    def __init__(self, max_bytes: int = 0, max_waiting: int = 0) -> None:
        self.max_bytes = max_bytes
        self.max_waiting = max_waiting
        self.waiting = 0
        self._counts: dict[tuple[str, ...], int] = {}

    def know(self, vendor: str) -> None:
        """Count for this vendor from now on: its series start at 0."""
        for result in RESULTS:
            self._counts.setdefault((vendor, result), 0)

    def limit(self, max_bytes: int, max_waiting: int) -> None:
        """Change the bounds; bodies that wait already are not concerned."""
        self.max_bytes, self.max_waiting = max_bytes, max_waiting

    def count(self, vendor: str, result: str) -> None:
        """Count one answer."""
        self._counts[vendor, result] = self._counts.get((vendor, result), 0) + 1

    def readings(self) -> tuple[Reading, ...]:
        """Return what is told about it on the metrics page."""
        bodies, waiting = "JSON answers by what became of their links.", "Bytes of answers that wait for their links to be rewritten."
        return (
            Reading("scopegate_link_rewrites_total", bodies, lambda: self._counts, ("vendor", "result"), counter=True),
            Reading("scopegate_link_rewrites_waiting_bytes", waiting, lambda: {(): self.waiting}),
        )

    # --- one answer

    def look(self, ruling: Ruling, links: Links, status: int, reason: bytes, head: ResponseHead, no_body: bool) -> ResponseHead | Held:
        """Return the head to pass on now, its own links exchanged, or the answer that waits for its body.

        Never touched: parts of a body (206), for they belong to the vendor's own bytes, and answers to logins.
        """
        assert ruling.head is not None
        if head.refers:
            head = head.with_block(links.rewrite_fields(head.block, ruling.head.host))
        if status == 304:
            return head.with_block(as_known(head.block, ruling.head.named.get("if-none-match", b"")))
        if status == 206 or ruling.watch.request or not is_json(head.content_type):
            return head
        if no_body:  # what the length and the validators of the body would be is only known when there is one
            return head if status == 204 else head.reframed(as_changed(head.block), None)
        assert ruling.mount is not None
        vendor = ruling.mount.vendor.name
        if (head.content_length or 0) > self.max_bytes or not is_decodable(head.content_encoding):
            self.count(vendor, UNREADABLE if not is_decodable(head.content_encoding) else TOO_LARGE)
            return head
        return Held(self, links, vendor, ruling.head.host, status, reason, head)


class Held:
    """The head and the pieces of an answer that waits."""

    def __init__(self, book: Rewrites, links: Links, vendor: str, host: bytes, status: int, reason: bytes, head: ResponseHead) -> None:
        self.status = status
        self.reason = reason
        self.head = head
        self._book = book
        self._links = links
        self._vendor = vendor
        self._host = host
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, data: bytes) -> bool:
        """Keep a piece of the body; return False where waiting ends because it, or all that waits, is too much."""
        self._pieces.append(data)
        self._size += len(data)
        self._book.waiting += len(data)
        if self._size <= self._book.max_bytes and self._book.waiting <= self._book.max_waiting:
            return True
        self._book.count(self._vendor, TOO_LARGE if self._size > self._book.max_bytes else BUSY)
        return False

    def release(self) -> list[bytes]:
        """Give up the pieces, as they came."""
        pieces, self._pieces = self._pieces, []
        self._book.waiting -= self._size
        self._size = 0
        return pieces

    def end(self) -> bytes | None:
        """The body is whole: return the new one, and change the head for it; None where all stays as it came."""
        result, body = self._result(b"".join(self._pieces))
        self._book.count(self._vendor, result)
        if body is not None:
            self.head = self.head.reframed(as_changed(self.head.block), len(body))
            self.head.chunked = False
        return body

    def _result(self, body: bytes) -> tuple[str, bytes | None]:
        coding = self.head.content_encoding
        text = decode_body(body, coding, self._book.max_bytes)
        if text is None:
            return UNREADABLE, None
        new = self._links.rewrite_json(text, self._host)
        if new is None:
            return UNCHANGED, None
        return (REWRITTEN, encode_body(new, coding)) if may_change(self.head.block) else (NO_TRANSFORM, None)
