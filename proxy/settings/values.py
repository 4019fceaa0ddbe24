"""The small types that settings are made of: addresses, origins, names, paths, seconds; each with its JSON Schema.

No text here repeats the value it refuses: it may have come from a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from proxy.credentials import Secret, read_keys
from proxy.identity.clients import certificate_name

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]\s]+)):(?P<port>[0-9]{1,5})")
_SAN = re.compile(r"(?P<kind>URI|DNS|email|IP):(?P<name>[^ *]{1,1024})|(?P<uri>[A-Za-z][A-Za-z0-9+.-]*://[^ *]{1,1024})")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class Section(BaseModel):
    """A part of a configuration or catalogue: frozen, no unknown keys, and its `repr` shows no values."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []


class Address(NamedTuple):
    """Where a listener binds. Port 0 takes any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name counts only if it is localhost: what others stand for may change."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Origin:
    """Scheme, host (lower case, IPv6 without brackets) and port of an HTTP server (RFC 6454 section 4)."""

    scheme: str
    host: str
    port: int

    @property
    def host_and_port(self) -> str:
        """The value of a `Host` header: the port only where it is not the scheme's own (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host_and_port}"


_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Matching:
    """Restricts text to a pattern; `rule` is what people read when it does not match."""

    pattern: str
    rule: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        compiled = re.compile(self.pattern)

        def check(value: str) -> str:
            if compiled.fullmatch(value) is None:
                raise ValueError(self.rule)
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def parse_address(value: object) -> Address:
    """Read `host:port` or `[IPv6]:port`; raise `ValueError` with a text that does not repeat it."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["port"]) > 65_535:
        raise ValueError("must be host:port, for example 127.0.0.1:8080 or [::1]:8080")
    return Address(match["six"] or match["host"], int(match["port"]))


def parse_origin(value: object) -> Origin:
    """Read an `http://` or `https://` address of a server, without path; raise `ValueError` that does not repeat it."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be an address such as https://api.example.com")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be an address such as https://api.example.com, with a port from 1 to 65535") from None
    if parts.scheme not in _DEFAULT_PORTS or host is None:
        raise ValueError("must begin with https:// or http:// and a host name")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    if parts.path or "?" in value or "#" in value:
        raise ValueError("must be a scheme, a host and perhaps a port only: no path (not even '/'), query or fragment")
    if (":" not in host and not _HOST_NAME.fullmatch(host)) or port == 0 or parts.netloc.endswith(":"):
        raise ValueError("must name a valid host, and a port from 1 to 65535 where there is one")
    return Origin(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])


def _parse_host(value: object) -> str:
    if not isinstance(value, str) or not _HOST_NAME.fullmatch(value) or value != value.lower():
        raise ValueError("must be a host name in lower case, without scheme and port")
    return value


def _parse_path(value: object, info: ValidationInfo) -> Path:
    """Read a file path; a relative one counts from the directory of the configuration file."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("must be the path of a file")
    directory = (info.context or {}).get("directory", Path())
    return Path(directory, value)


def _parse_sha256(value: object) -> Secret:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("must be the SHA-256 of the key, as 64 hexadecimal digits")
    return Secret(bytes.fromhex(value))


def _parse_hashes(value: object) -> tuple[Secret, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(values) <= 16:
        raise ValueError("must be one SHA-256 of a token, or a list of up to 16")
    return tuple(_parse_sha256(each) for each in values)


def _parse_keys(value: object) -> tuple[Secret, ...]:
    if not isinstance(value, str):
        raise ValueError("must be text: a key of 32 bytes as 64 hexadecimal digits or in base64, or several, the oldest first")
    return read_keys(value)


def _parse_secret(value: object) -> Secret:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text; take it from ${VAR} or ${file:/path}")
    return Secret(value)


def _parse_san(value: object) -> str:
    """Read a name in a certificate: `spiffe://…` or another URI, `DNS:…`, `email:…`, `IP:…`, `URI:…`."""
    match = _SAN.fullmatch(value) if isinstance(value, str) and value.isascii() and value.isprintable() else None
    if match is None:
        raise ValueError(
            "must be one whole name in a certificate: a URI such as spiffe://example.com/app, or DNS:, email: or IP: and a name"
        )
    kind, name = match["kind"] or "URI", match["name"] or match["uri"]
    return certificate_name(kind, name)


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _text_schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


AddressField = Annotated[Address, PlainValidator(parse_address), _text_schema("127.0.0.1:8080")]
OriginField = Annotated[Origin, PlainValidator(parse_origin), _text_schema("https://api.example.com")]
HostField = Annotated[str, PlainValidator(_parse_host), _text_schema("ringcentral.proxy.internal")]
PathField = Annotated[Path, PlainValidator(_parse_path), _text_schema("catalogs/ringcentral.yaml")]
Sha256Field = Annotated[
    Secret, PlainValidator(_parse_sha256), WithJsonSchema({"type": "string", "pattern": "^(?:[0-9A-Fa-f]{64})$", "writeOnly": True})
]
HashesField = Annotated[
    tuple[Secret, ...],
    PlainValidator(_parse_hashes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^(?:[0-9A-Fa-f]{64})$"},
                {"type": "array", "items": {"type": "string", "pattern": "^(?:[0-9A-Fa-f]{64})$"}, "minItems": 1, "maxItems": 16},
            ],
            "writeOnly": True,
        }
    ),
]
SecretField = Annotated[Secret, PlainValidator(_parse_secret), WithJsonSchema({"type": "string", "writeOnly": True})]
SanField = Annotated[str, PlainValidator(_parse_san), _text_schema("spiffe://example.com/app")]
KeysField = Annotated[tuple[Secret, ...], PlainValidator(_parse_keys), WithJsonSchema({"type": "string", "writeOnly": True})]
WholeNumber = Annotated[int, BeforeValidator(_no_boolean)]
Seconds = Annotated[float, Field(gt=0, le=3600), BeforeValidator(_no_boolean)]
"""A duration in seconds, up to an hour."""
MountPath = Annotated[
    str,
    Matching(
        r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+",
        "must begin with '/', must not end with '/', and its segments may have letters, digits, '.', '_', '~' and '-'",
    ),
]
VendorName = Annotated[
    str, Matching(r"[a-z0-9][a-z0-9-]{0,63}", "a vendor's name has 1 to 64 of a-z, 0-9 and '-', and does not begin with '-'")
]
ClientName = Annotated[str, Matching(r"(?!anonymous$)[a-z0-9-]{1,64}", "must have 1 to 64 of a-z, 0-9 and '-', and not be 'anonymous'")]
ShortText = Annotated[str, Field(min_length=1, max_length=256)]
