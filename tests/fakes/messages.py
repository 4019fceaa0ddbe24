"""A small, strict reader of HTTP/1.1 messages for both ends of a test; it knows nothing of the proxy's own parser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

More = Callable[[], Awaitable[None]]
"""Appends bytes to the buffer; raises EOFError at the end."""


@dataclass
class Message:
    """One message: start line, fields in order, body without its coding, trailer fields."""

    start: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunked: bool = False

    def all(self, name: str) -> list[bytes]:
        """Return the values of a field, in order."""
        wanted = name.lower().encode()
        return [value for key, value in self.fields if key.lower() == wanted]

    def get(self, name: str) -> str:
        """Return the value of a field that occurs once; "" where there is none."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0].decode("latin-1") if values else ""

    @property
    def target(self) -> bytes:
        """The request target."""
        return self.start.split(b" ")[1]

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.start.split(b" ")[1])


class Cut(Exception):  # noqa: N818 - an outcome that tests ask for
    """The connection ended before the message did; `partial` is what had arrived of it."""

    def __init__(self, partial: bytes) -> None:
        super().__init__(f"cut after {len(partial)} bytes")
        self.partial = partial


async def read_head(more: More, buffer: bytearray) -> Message:
    """Read a head; raise EOFError where the connection ends before it does."""
    while b"\r\n\r\n" not in buffer:
        await more()
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    buffer[:] = rest
    start, *lines = head.split(b"\r\n")
    return Message(start, [_field(line) for line in lines])


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b": ")
    assert colon, f"no field: {line!r}"
    assert not value.startswith(b" ")
    return name, value


async def read_request(more: More, buffer: bytearray) -> Message:
    """Read one request."""
    message = await read_head(more, buffer)
    await _read_body(message, more, buffer, until_end=False)
    return message


async def read_answer(more: More, buffer: bytearray, method: str = "GET") -> Message:
    """Read one answer to a request with `method`. Raise `Cut` where its body is incomplete."""
    message = await read_head(more, buffer)
    if method != "HEAD" and message.status >= 200 and message.status not in (204, 304):
        await _read_body(message, more, buffer, until_end=True)
    return message


async def _read_body(message: Message, more: More, buffer: bytearray, *, until_end: bool) -> None:
    message.chunked = message.get("Transfer-Encoding") == "chunked"
    length = message.get("Content-Length")
    assert not (message.chunked and length), "two framings"
    if message.chunked:
        await _read_chunks(message, more, buffer)
    elif length:
        message.body = await _exactly(int(length), more, buffer, b"")
    elif until_end:
        message.body = await _to_the_end(more, buffer)


async def _exactly(count: int, more: More, buffer: bytearray, before: bytes) -> bytes:
    while len(buffer) < count:
        try:
            await more()
        except EOFError:
            raise Cut(before + bytes(buffer)) from None
    data = bytes(buffer[:count])
    del buffer[:count]
    return data


async def _line(more: More, buffer: bytearray, before: bytes) -> bytes:
    while b"\r\n" not in buffer:
        try:
            await more()
        except EOFError:
            raise Cut(before + bytes(buffer)) from None
    line, _, rest = bytes(buffer).partition(b"\r\n")
    buffer[:] = rest
    return line


async def _read_chunks(message: Message, more: More, buffer: bytearray) -> None:
    while True:
        size = int((await _line(more, buffer, message.body)), 16)
        if not size:
            break
        data = await _exactly(size + 2, more, buffer, message.body)
        assert data.endswith(b"\r\n")
        message.body += data[:-2]
    while line := await _line(more, buffer, message.body):
        message.trailers.append(_field(line))


async def _to_the_end(more: More, buffer: bytearray) -> bytes:
    """Read until an orderly end; a reset is a `Cut` (raised by the reader as ConnectionError)."""
    try:
        while True:
            await more()
    except EOFError:
        pass
    except ConnectionError:
        raise Cut(bytes(buffer)) from None
    data = bytes(buffer)
    buffer.clear()
    return data
