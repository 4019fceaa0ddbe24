"""What a worker and the supervisor tell each other over their socket: frames of a length, a kind and bytes. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes of the longest frame: a whole metrics snapshot of the largest allowed number of series fits several times over."""
BATCH_BYTES: Final = 256 * 1024
_HEAD: Final = struct.Struct("<IB")
_LENGTH: Final = struct.Struct("<I")
_NUMBER: Final = struct.Struct("<Q")


class Kind(IntEnum):
    """What a frame is about."""

    # from the supervisor
    KEY = 0  # the key that makes tokens into fingerprints
    KNOWLEDGE = 1  # part of all that is known: records
    KNOWN = 2  # that was all: the place in the journal at which it was so
    ACCEPT = 3  # accept connections from now on
    ASK = 4  # a question: its number, then what is asked
    DRAIN = 5  # stop accepting, finish what is under way within so many milliseconds
    CONFIGURE = 7  # the configuration in force, where it is another one than at the start: its number, then its files
    LEAVE = 6  # the end is near: go on, but have each connection closed after its next answer
    # from a worker
    LOST = 16  # the journal went on too far: all that is known is needed
    READY = 17  # the knowledge is taken over
    ANSWER = 18  # the answer to a question: its number, then the answer
    RECORD = 19  # a record for whoever handles its kind: length of the kind, kind, bytes
    NUMBERS = 20  # what this worker has counted so far
    ENDED = 21  # drained: connections that had to be cut


class FrameError(ValueError):
    """The other side does not speak this language."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: Kind
    data: bytes = b""

    def encoded(self) -> bytes:
        """Return the bytes of the message."""
        return _HEAD.pack(len(self.data), self.kind) + self.data


class Frames:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the messages that are whole now; raise `FrameError`."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            length, kind = _HEAD.unpack_from(self._buffer)
            if length > self._limit:
                raise FrameError("too long")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            frame = Frame(_kind(kind), bytes(self._buffer[_HEAD.size : end]))
            del self._buffer[:end]
            yield frame


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise FrameError("no such kind") from None


# --- what is in a frame -----------------------------------------------------------------------------------


def pack_records(records: Iterable[bytes], size: int = BATCH_BYTES) -> Iterator[bytes]:
    """Yield records packed together, about `size` bytes at a time."""
    batch = bytearray()
    for record in records:
        batch += _LENGTH.pack(len(record)) + record
        if len(batch) >= size:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)


def unpack_records(data: bytes) -> Iterator[bytes]:
    """Yield the records that were packed; raise `FrameError`."""
    position = 0
    while position < len(data):
        if len(data) - position < _LENGTH.size:
            raise FrameError("a record is cut off")
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if len(data) - position < length:
            raise FrameError("a record is cut off")
        yield data[position : position + length]
        position += length


def pack_number(number: int, data: bytes = b"") -> bytes:
    """Return a number and what follows it."""
    return _NUMBER.pack(number) + data


def unpack_number(data: bytes) -> tuple[int, bytes]:
    """Return a number and what follows it; raise `FrameError`."""
    if len(data) < _NUMBER.size:
        raise FrameError("a number is cut off")
    return _NUMBER.unpack_from(data)[0], data[_NUMBER.size :]


def pack_named(name: str, data: bytes) -> bytes:
    """Return a name of at most 255 bytes and what follows it."""
    encoded = name.encode()
    if len(encoded) > 255:
        raise FrameError("the name is too long")
    return bytes([len(encoded)]) + encoded + data


def unpack_named(data: bytes) -> tuple[str, bytes]:
    """Return a name and what follows it; raise `FrameError`."""
    if not data or len(data) < 1 + data[0]:
        raise FrameError("a name is cut off")
    end = 1 + data[0]
    try:
        return data[1:end].decode(), data[end:]
    except UnicodeDecodeError:
        raise FrameError("a name is not text") from None
