"""Who is at the other end, as a TLS connection tells it. What OpenSSL tells of resumed sessions cannot be had from Python's client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from proxy.wire.sockets import peer_of

NAMES = (("URI", "spiffe://example.com/app"), ("DNS", "App.example.com"))


class Told(asyncio.Transport):
    """A transport whose connection tells of this certificate; None where that cannot be read."""

    def __init__(self, certificate: Mapping[str, object] | None) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "ssl_object": self})
        self._certificate = certificate

    def getpeercert(self) -> Mapping[str, Any]:
        if self._certificate is None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        return self._certificate


def test_the_names_of_a_verified_certificate() -> None:
    told = Told({"notAfter": "Jan  1 00:00:00 2990 GMT", "subjectAltName": NAMES})
    assert peer_of(told).names == {"URI:spiffe://example.com/app", "DNS:app.example.com"}
    assert peer_of(told).address == "192.0.2.1"


@pytest.mark.parametrize(
    "certificate",
    [{}, None, {"notAfter": "Jan  1 00:00:00 2020 GMT", "subjectAltName": NAMES}, {"notAfter": "Jan  1 00:00:00 2990 GMT"}],
    ids=["none that was verified", "unreadable", "of a resumed session, ended since", "without names"],
)
def test_no_names(certificate: Mapping[str, object] | None) -> None:
    assert peer_of(Told(certificate)).names == frozenset()
