"""The hash chain of the audit log: every line carries its number, the hash of the line before and its own. Pure.

A line is an event with one more member at the end of its object `unmapped`:

    ...,"chain":{"sequence":42,"previous":"<64 digits>","hash":"<64 digits>"}}}

`hash` is SHA-256 of the bytes of the line before `,"hash":`; with a key it is HMAC-SHA256 of them (RFC 2104). Without a key,
whoever can write to the file can make a whole chain anew; with it, only who has the key can.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Final, NamedTuple

from proxy.credentials import Secret

PLAIN: Final = "SHA-256"
KEYED: Final = "HMAC-SHA256"
NO_HASH: Final = b"0" * 64
"""What the first line of a log has for the line before."""
MAX_LINE: Final = 1024 * 1024
"""Longest line that is read, in bytes."""

_LINK: Final = re.compile(
    rb',"chain":\{"sequence":([1-9][0-9]{0,17}),"previous":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\}\}\n\Z'
)  # fmt: skip
_LONGEST_LINK: Final = 260
_AFTER_COVERED: Final = len(b',"hash":""}}}\n') + 64


class Tip(NamedTuple):
    """Where a chain ends: the number of its last line and that line's hash."""

    sequence: int
    hash: bytes


START: Final = Tip(0, NO_HASH)


class Link(NamedTuple):
    """What a line says of its place in the chain."""

    sequence: int
    previous: bytes
    hash: bytes

    @property
    def tip(self) -> Tip:
        """The chain, if this line is its last."""
        return Tip(self.sequence, self.hash)


class Chain:
    """Makes and checks links with one key, or with none."""

    def __init__(self, key: Secret | None = None) -> None:
        self._key = key.reveal() if key is not None else b""
        self.algorithm = KEYED if key is not None else PLAIN
        self.key_id = hashlib.sha256(b"scopegate audit key\0" + self._key).hexdigest()[:16] if key is not None else ""

    def digest(self, data: bytes) -> bytes:
        """Return the hash of some bytes, as 64 hexadecimal digits."""
        digest = hmac.digest(self._key, data, "sha256").hex() if self._key else hashlib.sha256(data).hexdigest()
        return digest.encode("ascii")

    def link(self, event: bytes, tip: Tip) -> tuple[bytes, Tip]:
        """Return the line of an event after `tip`, its newline included, and the new tip. The event ends with `}}`."""
        sequence = tip.sequence + 1
        covered = b'%b,"chain":{"sequence":%d,"previous":"%b"' % (event[:-2], sequence, tip.hash)
        own = self.digest(covered)
        return b'%b,"hash":"%b"}}}\n' % (covered, own), Tip(sequence, own)

    def holds(self, line: bytes, link: Link) -> bool:
        """Say whether a line is as it was when its hash was made."""
        return hmac.compare_digest(self.digest(line[:-_AFTER_COVERED]), link.hash)


def read_link(line: bytes) -> Link | None:
    """Return what a line says of its place, or None where it is no whole line of an audit log."""
    found = _LINK.search(line, max(0, len(line) - _LONGEST_LINK))
    return Link(int(found[1]), found[2], found[3]) if found is not None and line.startswith(b"{") else None


# --- the head: a small file beside the log that tells how far it had come, so that a cut end is noticed


def write_head(chain: Chain, tip: Tip) -> bytes:
    """Return the content of the head file; always of one length, so that writing it anew replaces it whole."""
    covered = _head_text(tip)
    return b'{%b,"algorithm":"%b","mac":"%b"}\n' % (covered, b"%-11b" % chain.algorithm.encode(), chain.digest(b"head\0" + covered))


def _head_text(tip: Tip) -> bytes:
    return b'"sequence":"%018d","hash":"%b"' % (tip.sequence, tip.hash)


class Head(NamedTuple):
    """What a head file says; `mac` proves it where there is a key."""

    tip: Tip
    algorithm: str
    mac: bytes

    def holds(self, chain: Chain) -> bool:
        """Say whether this head was written with the same key."""
        return hmac.compare_digest(chain.digest(b"head\0" + _head_text(self.tip)), self.mac)


def read_head(data: bytes) -> Head | None:
    """Return what a head file says, or None where it is none."""
    try:
        told = json.loads(data)
        tip = Tip(int(told["sequence"]), told["hash"].encode("ascii"))
        return Head(tip, told["algorithm"].strip(), told["mac"].encode("ascii"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
