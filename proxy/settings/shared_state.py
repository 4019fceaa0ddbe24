"""Settings of the store that several replicas share, and the address it is given by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field, PlainValidator, WithJsonSchema

from proxy.credentials import Secret
from proxy.settings.values import KeysField, PathField, Section

_DEFAULT_PORT: Final = 6379
_EXAMPLE: Final = "must be an address such as redis://valkey.internal:6379/0, rediss://… for TLS, or unix:///run/valkey.sock"


@dataclass(frozen=True, slots=True, repr=False)
class StoreUrl:
    """Where a Redis or Valkey server is: `host` and `port`, or the path of a Unix `socket`."""

    host: str
    port: int
    socket: str
    database: int
    username: str
    password: Secret | None
    tls: bool


def parse_store_url(value: object) -> StoreUrl:
    """Read `redis://`, `rediss://` (TLS) or `unix://`; raise `ValueError` with a text that does not repeat it."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(_EXAMPLE)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(_EXAMPLE) from None
    if parts.query or parts.fragment:
        raise ValueError("must have no query and no fragment; the database is the path (redis://host/1)")
    if parts.scheme == "unix":
        return _local(parts)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or port == 0:
        raise ValueError(_EXAMPLE)
    return StoreUrl(parts.hostname, port or _DEFAULT_PORT, "", _database(parts.path), *_login(parts), parts.scheme == "rediss")


def _local(parts: SplitResult) -> StoreUrl:
    if parts.hostname or len(parts.path) < 2:
        raise ValueError("must name the whole path of the socket: unix:///run/valkey.sock")
    return StoreUrl("", 0, unquote(parts.path), 0, *_login(parts), False)


def _login(parts: SplitResult) -> tuple[str, Secret | None]:
    return unquote(parts.username or ""), Secret(unquote(parts.password)) if parts.password else None


def _database(path: str) -> int:
    digits = path.removeprefix("/")
    if digits and (not digits.isdecimal() or len(digits) > 5):
        raise ValueError("must have the number of a database as its path, or none: redis://host/1")
    return int(digits or 0)


StoreUrlField = Annotated[
    StoreUrl,
    PlainValidator(parse_store_url),
    WithJsonSchema({"type": "string", "examples": ["rediss://valkey.internal:6379/0"], "writeOnly": True}),
]


class SharedStateSettings(Section):
    """The store through which several replicas share what they learn: Redis or Valkey."""

    url: StoreUrlField = Field(
        description="Where it is: redis://host:port/database, rediss:// for TLS, or unix:///path. User name and password may stand "
        "before the host; take them from ${VAR} or ${file:/path}."
    )
    key: KeysField | None = Field(
        default=None,
        description="The key that all replicas have in common, instead of state.key: 32 bytes as 64 hexadecimal digits or in base64; "
        "several, the oldest first, to replace one. Take it from ${VAR} or ${file:/path}.",
    )
    ca_file: PathField | None = Field(
        default=None, description="rediss:// only: PEM file with the private CA of the store, relative to this file."
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=1, description="Seconds to wait for a connection to the store or an answer of it. No request waits."
    )
    stale_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=30,
        description="Seconds without the store after which knowledge that other replicas have too is given up: one of them may have "
        "seen its end.",
    )
