"""Who may use the admin listener: whoever shows a token that is configured, or a client certificate that was verified."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from proxy.admin.answers import Problem

OPEN_PATHS: Final = frozenset({"/livez", "/readyz"})
"""Answered to everybody: whoever probes for health has no token, and learns nothing else."""
MAX_TOKEN: Final = 4096
_REALM: Final = {"WWW-Authenticate": 'Bearer realm="scopegate admin"'}
_NO_TOKEN: Final = Problem(401, "token_required", "send the admin token: Authorization: Bearer TOKEN", _REALM)
_WRONG_TOKEN: Final = Problem(401, "wrong_token", "this is none of the tokens in admin.token_sha256", _REALM)


class Access:
    """Checks requests. `hashes` are SHA-256 of the tokens; with none, everybody who reaches the listener may use it."""

    def __init__(self, hashes: Sequence[bytes] = ()) -> None:
        self._hashes = tuple(hashes)
        self.refused = 0

    def know(self, hashes: Sequence[bytes]) -> None:
        """Let other tokens count from now on."""
        self._hashes = tuple(hashes)

    def check(self, request: web.BaseRequest) -> None:
        """Raise a 401 problem unless the request may pass."""
        if not self._hashes or request.path in OPEN_PATHS or _has_certificate(request):
            return
        fields = request.headers.getall("Authorization", [])
        if len(fields) != 1 or fields[0][:7].lower() != "bearer " or len(fields[0]) > MAX_TOKEN:
            self.refused += 1
            raise _NO_TOKEN
        if not self._knows(fields[0][7:].strip()):
            self.refused += 1
            raise _WRONG_TOKEN

    def _knows(self, token: str) -> bool:
        """Compare with every hash, in constant time, whichever one matches."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        matches = [hmac.compare_digest(known, digest) for known in self._hashes]
        return any(matches)


def _has_certificate(request: web.BaseRequest) -> bool:
    """Whether the client showed a certificate; the handshake fails for one that is not verified."""
    transport = request.transport
    return transport is not None and bool(transport.get_extra_info("peercert"))
