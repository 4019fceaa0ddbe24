"""Tokens as they arrive: a type that cannot be printed, where a request carries one, and its keyed fingerprint.

Pure. Sources: RFC 6750 sections 2.1 to 2.3 (bearer tokens), RFC 7235 (scheme names are case-insensitive).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

MAX_TOKEN_BYTES: Final = 8192
FINGERPRINT_BYTES: Final = 16
KEY_BYTES: Final = 32
_TOKEN_CHARACTERS: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""What a scheme name is made of: RFC 9110 `tchar`."""
_B64TOKEN = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")


class Secret:
    """Bytes that no log, message or traceback shows: `str`, `repr` and formatting give `***`. Read with `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = _encoded(value) if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """Return the secret bytes, for comparing, hashing or sending; never for printing."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not pickled")


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # its arguments hold the whole text
        pass
    raise ValueError("the secret is not valid Unicode text")


def read_keys(text: str) -> tuple[Secret, ...]:
    """Read keys of 32 bytes, each as 64 hexadecimal digits or in base64, parted by white space; lines that begin with # are notes.

    Raise `ValueError`, whose text never repeats what was read.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    keys = tuple(_read_key(word) for line in lines for word in line.split())
    if not keys or len(set(keys)) != len(keys):
        raise ValueError("must hold at least one key, and none twice")
    return keys


def _read_key(word: str) -> Secret:
    try:
        raw = bytes.fromhex(word) if len(word) == 2 * KEY_BYTES else base64.b64decode(word, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("each key must be 32 bytes, written as 64 hexadecimal digits or in base64")
    return Secret(raw)


class CredentialError(ValueError):
    """A request carries its token in a way that two readers could read differently. The text never has the token."""


Fingerprint = bytes
"""A keyed hash of a token, 16 bytes: all that is ever stored of it."""


class Fingerprinter:
    """Turns tokens into fingerprints under one secret key (BLAKE2b in keyed mode, RFC 7693)."""

    __slots__ = ("_start",)

    def __init__(self, key: Secret) -> None:
        if not key:
            raise ValueError("a fingerprint needs a key")
        self._start = hashlib.blake2b(key=key.reveal()[:64], digest_size=FINGERPRINT_BYTES)

    def __call__(self, vendor: str, token: Secret) -> Fingerprint:
        """Return the fingerprint of `token` at `vendor`: the same text at two vendors is two tokens."""
        state = self._start.copy()
        state.update(vendor.encode() + b"\0" + token.reveal())
        return state.digest()


def bearer_token(field: bytes, scheme: bytes = b"bearer") -> Secret | None:
    """Read the token of an `Authorization` field; None for another scheme (Basic at token endpoints).

    Raise `CredentialError` for a token that is empty, over-long, not an RFC 6750 `b64token`, or not parted from the scheme by spaces
    alone (RFC 9110 section 11.4): a reader that takes a tab for a space would find a token here that a strict one does not.
    """
    rest = field.lstrip(_TOKEN_CHARACTERS)
    if field[: len(field) - len(rest)].lower() != scheme.lower():
        return None
    if rest and not rest.startswith(b" "):
        raise CredentialError("the authorization scheme and the access token are not parted by a space")
    return check_token(rest.lstrip(b" "))


def check_token(token: bytes) -> Secret:
    """Return `token` as a `Secret` if it is one whole RFC 6750 `b64token`, else raise `CredentialError`."""
    if len(token) > MAX_TOKEN_BYTES:
        raise CredentialError("the access token is longer than 8192 bytes")
    if _B64TOKEN.fullmatch(token) is None:
        raise CredentialError("the access token is empty or has characters that RFC 6750 does not allow")
    return Secret(token)
