"""The scopes that a JWT access token carries itself. Its signature is not checked: the claims serve only to refuse early.

Pure. Sources: RFC 7519 (JWT), RFC 9068 section 2.2.3 (`scope`), and the `scp` claim some issuers write instead.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from proxy.catalogs.catalog import Catalog
from proxy.credentials import Secret
from proxy.model import Grants, Source
from proxy.vendors.facts import Issued
from proxy.vendors.forms import as_seconds, read_object, scope_names


def read_scope_claim(token: Secret, catalog: Catalog, lifetime: float) -> Issued | None:
    """Return what a JWT says of its scopes; None for an opaque token, or one whose claims are absent, odd or contradictory.

    It is believed for `exp` - `iat` seconds, at most a week; for `lifetime` seconds where one of them is missing.
    No subject is taken from it: anybody can write a token that names somebody else.
    """
    claims = _claims(token.reveal())
    names = None if claims is None else _scopes(claims)
    if claims is None or not names:
        return None
    grants = Grants(scopes=catalog.canonical(names), complete=True)
    return Issued(token, grants, Source.TOKEN_CLAIM, _lifetime(claims) or lifetime)


def _claims(token: bytes) -> Mapping[str, object] | None:
    parts = token.split(b".")
    if len(parts) != 3 or _decode(parts[0]) is None:
        return None
    return _decode(parts[1])


def _decode(part: bytes) -> dict[str, object] | None:
    try:
        raw = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return read_object(raw)


def _scopes(claims: Mapping[str, object]) -> frozenset[str] | None:
    told = {scope_names(claims[name]) for name in ("scope", "scp") if name in claims}
    return told.pop() if len(told) == 1 else None


def _lifetime(claims: Mapping[str, object]) -> float | None:
    expires, issued = claims.get("exp"), claims.get("iat")
    if isinstance(expires, int) and isinstance(issued, int):
        return as_seconds(expires - issued)
    return None
