"""Bounds of the byte path, each a setting. Sizes in bytes, times in seconds; 0 means "no limit" where the setting says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WRITE_HIGH_WATER: Final = 256 * 1024
"""How much may wait to be written to one peer before the other side is no longer read."""

SURPLUS_CONNECTIONS: Final = 64
"""How many connections too many are told so; those beyond are dropped at once, so that a flood cannot use up the descriptors."""

DRAIN_BYTES: Final = 64 * 1024
"""How much of a request body that nobody wants is read and thrown away before the connection is given up."""

LINGER_S: Final = 2.0
"""How long a connection that is given up is still read, so that the answer is not lost to a reset."""

HALF_CLOSED_S: Final = 1.0
"""How long a client that sends no more is still waited for: it may have closed one direction, but most have gone away."""

DRAINING_IDLE_S: Final = 0.5
"""How long a proxy that is shutting down waits for a first request, or for the rest of a head: it was sent before anybody could know."""

MAX_CODING_BYTES: Final = 32 * 1024
MAX_CODING_SHARE: Final = 8
"""How much of a chunked body may be no body (sizes, extensions, trailers): so many bytes, and so many for each byte of body."""

MAX_INFORMATIONAL: Final = 16
"""How many 1xx answers one request may bring."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the listener and of each vendor's channel."""

    max_header_bytes: int = 32768
    max_headers: int = 100
    max_url_bytes: int = 16384
    max_body_bytes: int = 0
    max_connections: int = 4096
    max_connections_per_address: int = 0
    max_in_flight: int = 512
    max_queued: int = 256
    queue_wait_s: float = 2.0
    max_pipelined: int = 32
    max_idle_upstream: int = 64
    max_learning_bytes: int = 262144
    header_read_s: float = 10.0
    body_idle_s: float = 60.0
    request_s: float = 3600.0
    keepalive_idle_s: float = 75.0
    upstream_idle_s: float = 30.0
    shutdown_grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one vendor is waited for, in seconds."""

    connect_s: float = 5.0
    response_head_s: float = 30.0
    body_idle_s: float = 60.0
