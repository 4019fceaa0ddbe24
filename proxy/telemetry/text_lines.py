"""Decision lines for people: one-liners for a terminal."""

from __future__ import annotations

from proxy.telemetry.exchange import Exchange
from proxy.telemetry.log_members import MAX_PATH
from proxy.telemetry.timestamps import Timestamps


class TextLines:
    """Encodes exchanges as one-liners for a terminal."""

    def __init__(self) -> None:
        self._clock = Timestamps()

    def __call__(self, exchange: Exchange) -> bytes:
        """Return one line of printable ASCII."""
        parts = (self._clock(exchange.started_at)[11:23], *_headline(exchange), *_details(exchange))
        return (_printable(" ".join(parts)) + "\n").encode("ascii")


def _headline(exchange: Exchange) -> tuple[str, ...]:
    path = exchange.path if len(exchange.path) <= MAX_PATH else exchange.path[:MAX_PATH] + "..."
    return (str(exchange.status), exchange.answered_by, exchange.decision, exchange.vendor, exchange.method, path)


def _details(exchange: Exchange) -> list[str]:
    told = {
        "operation": exchange.operation,
        "reason": exchange.reason,
        "policy": exchange.policy,
        "missing": "|".join("+".join(scopes) for scopes in exchange.missing),
        "fault": exchange.fault,
        "client": exchange.client,
        "ms": f"{exchange.duration * 1e3:.1f}",
        "id": exchange.decision_id,
        "revision": exchange.revision,
    }
    return [f"{name}={value}" for name, value in told.items() if value]


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(mark if mark.isascii() and mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)
