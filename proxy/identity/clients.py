"""Which internal app is calling: by the hash of its API key, or by a name in its TLS certificate. Pure.

With no clients configured everybody is `anonymous` and policy is off. With clients configured, a caller whom nothing identifies
is nobody, and policy (which fails closed) refuses it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, Literal, NamedTuple, get_args

from proxy.model import Mode

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
"""The signatures by which an app's token may say who it is: asymmetric ones only (RFC 8725 section 3.1)."""
NO_NAMES: Final[frozenset[str]] = frozenset()
_KINDS: Final = {"URI": "URI", "DNS": "DNS", "email": "email", "IP Address": "IP"}
"""Kinds of subject alternative names (RFC 5280 section 4.2.1.6) as Python's `ssl` calls them, and as they are written here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection: its address, without the port, and the names in its verified certificate."""

    address: str = ""
    names: frozenset[str] = NO_NAMES


NO_PEER: Final = Peer()


def certificate_names(alternative_names: Iterable[tuple[str, object]]) -> frozenset[str]:
    """Return subject alternative names as `mtls_san` writes them: the kind, a colon, the whole name; DNS names in lower case."""
    return frozenset(
        certificate_name(_KINDS[kind], value) for kind, value in alternative_names if kind in _KINDS and isinstance(value, str)
    )


def certificate_name(kind: str, value: str) -> str:
    """Return one name; also for what is configured, so that equal names are equal texts."""
    if kind == "IP":
        with suppress(ValueError):
            return f"IP:{ip_address(value.strip())}"
    return f"{kind}:{value.lower() if kind == 'DNS' else value}"


class Badge(NamedTuple):
    """One claim of a verified token by which a client can be known."""

    issuer: str
    claim: str
    value: str


class Shown(NamedTuple):
    """What a verified token says, or why it says nothing (`problem`)."""

    badges: frozenset[Badge] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """One internal app. `known` is false for a caller that nothing configured identifies. `san`: as in `Peer.names`.

    `problem` says, of a caller that is nobody, why its token was not accepted; "" where it showed none.
    """

    name: str
    api_key_sha256: bytes = b""
    mode: Mode | None = None
    known: bool = True
    san: str = ""
    badge: Badge | None = None
    problem: str = ""


ANONYMOUS: Final = Client("anonymous")
UNIDENTIFIED: Final = Client("unidentified", known=False)


def identify_client(clients: Sequence[Client], key: bytes | None, peer: Peer = NO_PEER, shown: Shown | None = None) -> Client:
    """Return the client that key and certificate identify. `shown`: the key is a token, and this is what it says.

    A wrong key is nobody's, whatever the certificate says; so are two proofs that speak of different clients.
    """
    if not clients:
        return ANONYMOUS
    by_certificate = _by_names(clients, peer.names) if peer.names else None
    if key is None:
        return by_certificate or UNIDENTIFIED
    by_key = _by_key(clients, key) if shown is None else _by_badge(clients, shown)
    return by_key if by_certificate is None or by_certificate is by_key else UNIDENTIFIED


def _by_key(clients: Sequence[Client], key: bytes) -> Client:
    """Return whose key it is. Every hash is compared in constant time, whichever one matches."""
    digest = hashlib.sha256(key).digest()
    found = UNIDENTIFIED
    for client in clients:
        if hmac.compare_digest(client.api_key_sha256, digest):
            found = client
    return found


def _by_badge(clients: Sequence[Client], shown: Shown) -> Client:
    """Return whose token it is; nobody's where its claims are those of no client, or of several."""
    found = [client for client in clients if client.badge is not None and client.badge in shown.badges]
    if len(found) == 1:
        return found[0]
    return replace(UNIDENTIFIED, problem=shown.problem or ("several_clients" if found else "no_such_client"))


def _by_names(clients: Sequence[Client], names: frozenset[str]) -> Client | None:
    """Return whose certificate has these names: None where they are no client's, `UNIDENTIFIED` where they are several clients'."""
    found = [client for client in clients if client.san and client.san in names]
    if len(found) > 1:
        return UNIDENTIFIED
    return found[0] if found else None
