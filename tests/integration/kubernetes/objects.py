"""The secrets that the files of values name, with content that the proxy takes; and rendered ConfigMaps."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import trustme

from tests.integration.kubernetes.rendering import Manifest, every

TOKEN: Final = "a-token-of-operators"
HASH: Final = hashlib.sha256(TOKEN.encode()).hexdigest().encode()
PASSWORD: Final = "oneWordOfLettersAndDigits4711"


@cache
def secrets() -> Mapping[str, Mapping[str, bytes]]:
    """Return name → key → content of every secret."""
    authority = trustme.CA()
    pair = authority.issue_cert("gate-scopegate.telephony.svc", "127.0.0.1")
    chain = b"".join(blob.bytes() for blob in pair.cert_chain_pems)
    tls, ca = {"tls.crt": chain, "tls.key": pair.private_key_pem.bytes()}, authority.cert_pem.bytes()
    return {
        "scopegate-admin": {"token": TOKEN.encode(), "token-sha256": HASH},
        "gate-scopegate-admin": {"token": TOKEN.encode(), "token-sha256": HASH},
        "ops": {"bearer": TOKEN.encode(), "bearer.sha256": HASH + b"\n"},
        "admin-tls": {**tls, "ca.crt": ca},
        "operators-ca": {"ca.crt": ca},
        "scopegate-tls": tls,
        "apps-ca": {"bundle.pem": ca},
        "partner": {"ca": ca},
        "app-keys": {"call-archiver": _hash("archiver"), "unused": b"-"},
        "scopegate-apps": {"call-archiver": _hash("archiver")},
        "scopegate-state": {"key": _key(1)},
        "scopegate-audit": {"key": _key(2)},
        "scopegate-shared": {"key": _key(3)},
        "scopegate-store": {"url": f"rediss://scopegate:{PASSWORD}@store.example.com:6380/0".encode(), "ca.crt": ca},
        "scopegate-valkey": {"password": PASSWORD.encode()},
    }


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).hexdigest().encode()


def _key(number: int) -> bytes:
    return base64.b64encode(bytes([number] * 32))


def config_maps(manifests: Sequence[Manifest]) -> dict[str, dict[str, bytes]]:
    """Return name → key → content of every rendered ConfigMap."""
    return {one["metadata"]["name"]: {key: text.encode() for key, text in one["data"].items()} for one in every(manifests, "ConfigMap")}
