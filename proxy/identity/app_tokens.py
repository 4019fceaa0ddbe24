"""Tokens by which apps say who they are: JWTs of the company's own issuers (RFC 7519), verified. Pure: keys and time are handed in.

They have nothing to do with the vendors' access tokens. Only asymmetric algorithms count (RFC 8725 section 3.1): a public key must
never be taken for a shared secret.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from proxy.identity.clients import ALGORITHMS, Badge

MAX_TOKEN: Final = 8192
MAX_REMEMBERED: Final = 10_000
BELIEVED_S: Final = 300.0
"""How long one verification is believed at most, in seconds: so long may a key that was taken away go on counting."""


class PublicKey(NamedTuple):
    """A key as the library wants it, and the one algorithm that it is for (RFC 7517 section 4.4); "" where its set does not say."""

    key: Any
    algorithm: str


Keys = Mapping[str, PublicKey]
"""Public keys by their ids (RFC 7517 section 4.5)."""


class Why(StrEnum):
    """Why a token says nothing about its bearer."""

    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    WRONG_ISSUER = "wrong_issuer"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    MISSING_CLAIM = "missing_claim"


class Accepted(NamedTuple):
    """Whose token it is, as claims say that a client can be known by; believed `until` (seconds since the epoch)."""

    badges: frozenset[Badge]
    until: float


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer: its name (`iss`), the audiences of which one must be meant, and the algorithms that it signs with. Leeway in seconds."""

    name: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...] = ALGORITHMS
    leeway: float = 30.0


class AppTokens:
    """Verifies tokens. `keys` returns an issuer's keys as they are now, `missed` hears of a key id that is not among them."""

    def __init__(self, issuers: Iterable[Issuer], keys: Callable[[str], Keys], missed: Callable[[str], None]) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._keys = keys
        self._missed = missed
        self._remembered: OrderedDict[bytes, Accepted] = OrderedDict()
        self.counts: dict[str, int] = dict.fromkeys(["accepted", *Why], 0)

    def read(self, token: bytes, wall: float) -> Accepted | Why:
        """Return whose token this is at `wall` (seconds since the epoch), or why nobody can say."""
        digest = hashlib.sha256(token).digest()
        known = self._remembered.get(digest)
        if known is not None and wall < known.until:
            self._remembered.move_to_end(digest)
            self.counts["accepted"] += 1
            return known
        verified = self._verify(token, wall)
        self.counts["accepted" if isinstance(verified, Accepted) else verified.value] += 1
        if isinstance(verified, Accepted):
            self._remember(digest, verified)
        return verified

    def forget(self) -> None:
        """Believe no verification any longer: keys were taken away."""
        self._remembered.clear()

    def _remember(self, digest: bytes, accepted: Accepted) -> None:
        self._remembered[digest] = accepted
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    def _verify(self, token: bytes, wall: float) -> Accepted | Why:
        read = _unverified(token)
        if read is None:
            return Why.MALFORMED
        header, told = read
        issuer = self._issuers.get(str(told.get("iss")))
        if issuer is None:
            return Why.WRONG_ISSUER
        if header.get("alg") not in issuer.algorithms:
            return Why.ALGORITHM
        key = self._key(issuer.name, header.get("kid"))
        return Why.UNKNOWN_KEY if key is None else _checked(token, key, str(header["alg"]), issuer, wall)

    def _key(self, issuer: str, name: object) -> PublicKey | None:
        """Return the key that is named; one that has no name will do if it is the only one."""
        keys = self._keys(issuer)
        key = next(iter(keys.values())) if name is None and len(keys) == 1 else keys.get(name) if isinstance(name, str) else None
        if key is None:
            self._missed(issuer)
        return key


def looks_like_a_token(key: bytes) -> bool:
    """Say whether what an app sent as its key is a JWT: three parts, of which the first begins as a JSON object does."""
    return key.count(b".") == 2 and key.startswith(b"eyJ")


def _unverified(token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    if len(token) > MAX_TOKEN:
        return None
    import jwt  # noqa: PLC0415 - for whoever has issuers

    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return whole["header"], whole["payload"]


def _checked(token: bytes, key: PublicKey, algorithm: str, issuer: Issuer, wall: float) -> Accepted | Why:
    if key.algorithm not in ("", algorithm):
        return Why.ALGORITHM
    import jwt  # noqa: PLC0415 - for whoever has issuers

    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "iss", "aud"]}
    try:
        claims = jwt.decode(token, key.key, [algorithm], options, audience=issuer.audiences, issuer=issuer.name)
    except jwt.InvalidAudienceError:
        return Why.WRONG_AUDIENCE
    except jwt.MissingRequiredClaimError:
        return Why.MISSING_CLAIM
    except (jwt.PyJWTError, ValueError, TypeError):
        return Why.BAD_SIGNATURE
    return _in_time(claims, issuer, wall)


def _in_time(claims: Mapping[str, Any], issuer: Issuer, wall: float) -> Accepted | Why:
    """RFC 7519 sections 4.1.4 and 4.1.5, by the clock that was handed in."""
    ends, begins = _number(claims.get("exp")), _number(claims.get("nbf", 0))
    if ends is None or begins is None:
        return Why.MALFORMED
    if wall >= ends + issuer.leeway:
        return Why.EXPIRED
    if wall < begins - issuer.leeway:
        return Why.NOT_YET_VALID
    badges = frozenset(Badge(issuer.name, name, value) for name, value in claims.items() if isinstance(value, str))
    return Accepted(badges, min(ends + issuer.leeway, wall + BELIEVED_S))


def _number(value: object) -> float | None:
    sane = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if sane and isinstance(value, int | float) else None
