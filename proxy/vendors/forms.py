"""Reading what came from outside: JSON objects, forms, scope lists, life times. Nothing here raises; None means "not sure".

Pure. A duplicate member or field is never resolved by taking the first or last one: two readers could differ.
Sources: RFC 8259 section 4 (duplicate names), RFC 6749 section 3.3 (scope) and appendix A (token characters).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from proxy.credentials import MAX_TOKEN_BYTES, CredentialError, Secret, check_token

MAX_JSON_BYTES: Final = 2 * 1024 * 1024
MAX_FORM_BYTES: Final = 64 * 1024
MAX_FORM_FIELDS: Final = 64
MAX_SCOPES: Final = 1000
MAX_TEXT: Final = 320
"""The longest user name that is believed: the longest e-mail address (RFC 3696 errata 1690)."""
MAX_LIFETIME: Final = 7 * 24 * 3600.0
"""Knowledge about a token ends after a week, whatever its issuer says."""

_FORM_TYPE = b"application/x-www-form-urlencoded"
_SCOPE_NAME = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_VISIBLE = re.compile(r"[\x20-\x7e]+")
_DIGITS = re.compile(r"[0-9]{1,10}")


def read_object(body: bytes | None) -> dict[str, object] | None:
    """Read one JSON object; None for anything else: too large, not UTF-8, duplicate members, NaN, nested too deeply."""
    if body is None or len(body) > MAX_JSON_BYTES:
        return None
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def read_form(body: bytes | None, headers: Mapping[str, bytes]) -> Mapping[str, str] | None:
    """Read a form body, each field once; None where it is no form, malformed, too large, or has a field twice."""
    if body is None or len(body) > MAX_FORM_BYTES:
        return None
    if headers.get("content-type", _FORM_TYPE).partition(b";")[0].strip().lower() != _FORM_TYPE:
        return None
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


def scope_names(value: object, separator: str | None = None) -> frozenset[str] | None:
    """Read scopes from a string, split at `separator` (None: white space), or from a list of strings; None on any oddity."""
    if isinstance(value, str):
        names = [name for name in value.split(separator) if name]
    elif isinstance(value, list) and all(isinstance(name, str) for name in value):
        names = value
    else:
        return None
    sound = len(names) <= MAX_SCOPES and all(_SCOPE_NAME.fullmatch(name) for name in names)
    return frozenset(names) if sound else None


def as_token(value: object) -> Secret | None:
    """Read an access token: one RFC 6750 `b64token`."""
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        return check_token(value.encode("ascii"))
    except CredentialError:
        return None


def as_secret(value: object) -> Secret | None:
    """Read a refresh token: visible ASCII characters (RFC 6749 appendix A.17)."""
    if not isinstance(value, str) or len(value) > MAX_TOKEN_BYTES or _VISIBLE.fullmatch(value) is None:
        return None
    return Secret(value)


def as_seconds(value: object, *, digits: bool = False) -> float | None:
    """Read a positive life time in seconds, capped at a week. `digits`: this vendor writes the number as a string."""
    if digits and isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value <= 0 or value == math.inf:
        return None
    return float(min(value, MAX_LIFETIME))


def as_text(value: object) -> str | None:
    """Read an identifier: a short printable string, or a number written as one; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        return None
    return value
