"""What Scopegate is to reach, as data, and whether a run shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.performance.summary import Summary


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure of ours; where `peer` is given, on its ratio to the peer's in the same rounds."""

    what: str
    scenario: str
    figure: str
    limit: float
    at_most: bool = True
    peer: str = ""
    wanted: str = ""

    def seen(self, summary: Summary, ours: str) -> float | None:
        """Return what was measured, or None where nothing was."""
        if self.peer:
            return summary.ratio(self.scenario, ours, self.peer, self.figure)
        return summary.median(self.scenario, ours, self.figure)

    def met(self, seen: float) -> bool:
        """Say whether that is enough."""
        return seen <= self.limit if self.at_most else seen >= self.limit

    def bound(self) -> str:
        """Return the bound in words."""
        return self.wanted or f"at {'most' if self.at_most else 'least'} {self.limit:g}"


_FORWARDED: Final = (
    ("envoy", "Envoy's", 0.8, ""),
    ("traefik", "Traefik's", 0.7, ""),
    ("caddy", "Caddy's", 0.7, ""),
    ("envoy-asking", "that of Envoy with `ext_authz`", 0.35, ""),
    ("mitmproxy", "mitmproxy's", 1 / 30, "at most 1/30 = 0.033"),
    ("nginx", "nginx's", 4, "at most 4, better 3"),
)
_WAYS: Final = (("forward-32", "32 connections"), ("forward-256", "256 connections"), ("secure-32", "HTTPS origin, 32 connections"))


def _forwarding() -> Iterator[Target]:
    for scenario, way in _WAYS:
        for peer, whose, limit, wanted in _FORWARDED:
            yield Target(f"CPU per forwarded request, as part of {whose}; {way}", scenario, "cpu_us", limit, peer=peer, wanted=wanted)


def _streaming() -> Iterator[Target]:
    for way in ("download", "upload"):
        yield Target(f"50 MiB bodies, {way}, MB/s per core, as part of Envoy's", way, "mb_per_core_second", 0.8, False, "envoy")


TARGETS: Final = (
    *_forwarding(),
    Target("Denials per second of CPU, as part of Envoy's `direct_response`", "deny-32", "per_core_second", 1, False, "envoy"),
    Target("Added latency, p99 at 500 requests per second, as part of Envoy's", "latency-500", "added_p99_us", 1, peer="envoy"),
    *_streaming(),
    Target("Resident memory when idle, MiB", "memory", "idle_mib", 60, wanted="under 60"),
    Target("Resident memory per open connection, KiB", "memory", "per_connection_kib", 10, wanted="under 10"),
    Target("Start to ready, seconds", "memory", "ready_s", 1, wanted="under 1"),
)
