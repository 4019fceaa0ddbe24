"""Which settings take effect while the proxy runs, and which only at a start. Each one is in exactly one of the two lists."""

from __future__ import annotations

from typing import Final

from proxy.settings.problems import KeyPath
from proxy.settings.schema import Settings
from proxy.settings.values import Section

LIVE: Final[tuple[KeyPath, ...]] = (
    ("admin", "tls"),
    ("admin", "token_sha256"),
    ("mode",),
    ("public_url",),
    ("tls",),
    ("vendors",),
    ("issuers",),
    ("clients",),
    ("state", "usage_retention_days"),
    ("limits",),
    ("readiness",),
    ("tracing", "pass_to_vendor"),
)
"""What a reload changes; everything below a key belongs to it."""
AT_START: Final[tuple[KeyPath, ...]] = (
    ("listen",),
    ("admin", "listen"),
    ("gateway_adapters",),
    ("state", "path"),
    ("state", "key"),
    ("state", "max_bytes"),
    ("audit",),
    ("shared_state",),
    ("log",),
    ("tracing", "otlp"),
    ("workers",),
)
"""What is bound to an address, a file, a key or a process for as long as the proxy runs."""
SWITCHED_AT_START: Final[tuple[KeyPath, ...]] = (("tls",), ("admin", "tls"), ("state",))
"""Sections that are there or not from the start on; what is in them may change, as far as it is in the first list."""
NEEDS_RESTART: Final = "needs a restart: it cannot change while the proxy runs, so nothing of this configuration was taken over"


def needs_restart(old: Settings, new: Settings) -> list[KeyPath]:
    """Return the keys that differ and cannot change while the proxy runs."""
    switched = [path for path in SWITCHED_AT_START if (_at(old, path) is None) != (_at(new, path) is None)]
    changed = [path for path in AT_START if _at(old, path) != _at(new, path)]
    return switched + [path for path in changed if not any(path[: len(above)] == above for above in switched)]


def _at(settings: Settings, path: KeyPath) -> object:
    value: object = settings
    for name in path:
        value = getattr(value, str(name)) if isinstance(value, Section) else None
    return value
