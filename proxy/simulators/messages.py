"""A request and an answer as values, so that a simulated vendor is a function from one to the other."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

STREAM_CHUNK: Final = 65536
AUDIO_PATTERN: Final = bytes(range(256)) * (STREAM_CHUNK // 256)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request, parsed as far as a vendor looks at it. Header names are in lower case, the last value counts."""

    listener: str
    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False, default=b"")

    @property
    def raw_path(self) -> str:
        """The path as it was sent."""
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        """The path with each segment decoded once."""
        return "/".join(unquote(segment) for segment in self.raw_path.split("/"))

    def query(self) -> dict[str, str]:
        """The decoded query parameters; of a repeated one the last."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """The decoded fields of a form body; of a repeated one the last."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def credentials(self, scheme: str) -> str | None:
        """What follows the authorization scheme (named in lower case, sent in any), or None."""
        sent, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if sent.lower() == scheme else None

    def basic(self) -> tuple[str, str] | None:
        """The user and password of HTTP Basic authentication, or None."""
        try:
            decoded = base64.b64decode(self.credentials("basic") or "", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        user, colon, password = decoded.partition(":")
        return (user, password) if colon else None


@dataclass(frozen=True, slots=True)
class Audio:
    """`size` bytes that are made while they are sent: byte number n is n modulo 256."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces, never holding more than one."""
        whole, rest = divmod(self.size, STREAM_CHUNK)
        for _ in range(whole):
            yield AUDIO_PATTERN
        if rest:
            yield AUDIO_PATTERN[:rest]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A body of bytes is sent with its length, audio is streamed with its length."""

    status: int = 200
    body: bytes | Audio = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        """The same answer with more headers at the end."""
        return replace(self, headers=self.headers + headers)

    def compressed(self) -> Reply:
        """The same answer with its body under gzip, where it has one in memory."""
        if not isinstance(self.body, bytes) or not self.body:
            return self
        return replace(self, body=gzip.compress(self.body, mtime=0), headers=(*self.headers, ("Content-Encoding", "gzip")))


def json_reply(status: int, document: Any, *, indent: int | None = None, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An answer in JSON; members keep their order. Without `indent` it is written without blanks."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(document, indent=indent, separators=separators, ensure_ascii=False)
    return Reply(status, text.encode(), (("Content-Type", "application/json"), *headers))


def audio_reply(size: int) -> Reply:
    """A sound file of `size` bytes."""
    return Reply(200, Audio(size), (("Content-Type", "audio/mpeg"),))
