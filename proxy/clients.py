"""Which internal app is calling: by the hash of its API key. Pure.

With no clients configured everybody is `anonymous` and policy is off. With clients configured, a caller without a known
key is nobody, and policy (which fails closed) refuses it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.model import Mode


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection: its address, without the port."""

    address: str = ""


NO_PEER: Final = Peer()


@dataclass(frozen=True, slots=True)
class Client:
    """One internal app. `known` is false for a caller that no configured key identifies."""

    name: str
    api_key_sha256: bytes = b""
    mode: Mode | None = None
    known: bool = True


ANONYMOUS: Final = Client("anonymous")
UNIDENTIFIED: Final = Client("unidentified", known=False)


def identify_client(clients: Sequence[Client], key: bytes | None) -> Client:
    """Return the client that `key` identifies. Every hash is compared in constant time, whichever one matches."""
    if not clients:
        return ANONYMOUS
    if key is None:
        return UNIDENTIFIED
    digest = hashlib.sha256(key).digest()
    found = UNIDENTIFIED
    for client in clients:
        if hmac.compare_digest(client.api_key_sha256, digest):
            found = client
    return found
