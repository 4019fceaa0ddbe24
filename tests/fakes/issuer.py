"""An issuer of apps' tokens: key pairs, the set of its public keys, and tokens of every kind of wrongness."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NAME, AUDIENCE = "https://login.example.com/", "scopegate"
NOW = 1_795_001_000.0
_RSA = rsa.generate_private_key(65537, 2048)
"""Making one takes a while; all issuers share it under other names."""


class Issuer:
    """Signs with keys that it makes; `public` is its key set."""

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self._keys: dict[str, tuple[Any, str, dict[str, Any]]] = {}

    def add(self, kid: str, algorithm: str = "ES256") -> None:
        private: Any
        if algorithm.startswith(("RS", "PS")):
            private, public = _RSA, RSAAlgorithm.to_jwk(_RSA.public_key(), as_dict=True)
        elif algorithm == "EdDSA":
            private = ed25519.Ed25519PrivateKey.generate()
            public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            private = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        self._keys[kid] = (private, algorithm, {**public, "kid": kid, "use": "sig"})

    def remove(self, kid: str) -> None:
        del self._keys[kid]

    @property
    def public(self) -> bytes:
        return json.dumps({"keys": [public for _, _, public in self._keys.values()]}).encode()

    def token(self, kid: str = "one", *, headers: dict[str, Any] | None = None, without: tuple[str, ...] = (), **claims: Any) -> str:
        private, algorithm, _ = self._keys[kid]
        told = {"iss": self.name, "aud": AUDIENCE, "sub": "call-archiver", "exp": NOW + 600, "iat": NOW, **claims}
        payload = {name: value for name, value in told.items() if name not in without}
        return jwt.encode(payload, private, algorithm, headers={"kid": kid} if headers is None else headers)
