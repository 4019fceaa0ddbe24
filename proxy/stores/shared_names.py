"""The names of the store's keys: items of other vendors, catalogues, configured grants or keys never meet. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.credentials import FINGERPRINT_BYTES, Fingerprint

MAX_LIFE_S: Final = 7 * 86_400.0
"""Nothing stays longer in the store without being written again, whatever its own end is."""
_FORMAT: Final = "scopegate:1"
_SPECIAL: Final = re.compile(rb"([\\*?\[\]])")


def channel_of(root: str) -> bytes:
    """Return the channel on which the holders of one key hear of changes."""
    return f"{_FORMAT}:{root}:changes".encode()


def epoch_of(root: str) -> bytes:
    """Return the name of what tells whether the store is still the one that was filled: it is gone where somebody emptied it."""
    return f"{_FORMAT}:{root}:epoch".encode()


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where the items of one vendor are. `root` stands for the key, `basis` for what knowledge rests on."""

    root: str
    vendor: str
    basis: str

    @property
    def prefix(self) -> bytes:
        """What the names of all items begin with."""
        return f"{_FORMAT}:{self.root}:{self.vendor}:{self.basis}:".encode()

    @property
    def pattern(self) -> bytes:
        """What `SCAN` finds the items by."""
        return _SPECIAL.sub(rb"\\\1", self.prefix) + b"?:*"

    @property
    def marker(self) -> bytes:
        """The name of the version up to which nothing counts any more."""
        return self.prefix + b"cleared"

    @property
    def tokens(self) -> bytes:
        """What the names of tokens begin with."""
        return self.prefix + b"t:"

    def token(self, fingerprint: Fingerprint) -> bytes:
        """Return the name of a token's item."""
        return self.tokens + fingerprint.hex().encode()

    def token_in(self, key: bytes) -> Fingerprint | None:
        """Return the token that an item is about; None where it is about something else."""
        digits = key.removeprefix(self.tokens)
        if digits == key or len(digits) != 2 * FINGERPRINT_BYTES:
            return None
        try:
            return bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            return None

    def shape(self, hidden: bytes) -> bytes:
        """Return the name of a refusal's shape."""
        return self.prefix + b"s:" + hidden.hex().encode()

    def user(self, hidden: bytes) -> bytes:
        """Return the name of a user's item."""
        return self.prefix + b"u:" + hidden.hex().encode()
