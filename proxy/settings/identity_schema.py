"""Settings of how apps say who they are: keys, certificates, and tokens of the company's own issuers."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from proxy.identity.clients import ALGORITHMS, Algorithm
from proxy.settings.values import Address, PathField, SanField, Section, Sha256Field, ShortText


def _list_for_text(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _parse_key_address(value: object) -> str:
    if not isinstance(value, str) or len(value) > 2000 or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be an address such as https://login.example.com/jwks.json")
    try:
        parts = urlsplit(value)
        host = parts.hostname
        loopback = host is not None and Address(host, parts.port or 1).is_loopback
    except ValueError:
        raise ValueError("must be an address such as https://login.example.com/jwks.json") from None
    if not host or parts.username or parts.fragment or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise ValueError("must begin with https:// (http:// on loopback only): whoever can change the keys can be any app")
    return value


OriginAndPath = Annotated[
    str, PlainValidator(_parse_key_address), WithJsonSchema({"type": "string", "examples": ["https://login.example.com/jwks.json"]})
]


class IssuerSettings(Section):
    """One issuer of tokens by which apps say who they are (JWTs), and where its public keys are: a file or an address."""

    issuer: ShortText = Field(description="The issuer's name, as in the claim iss of its tokens.")
    audience: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=20), BeforeValidator(_list_for_text)] = Field(
        description="The audience that tokens must be meant for (claim aud), or a list of which one will do."
    )
    jwks_file: PathField | None = Field(default=None, description="File with its public keys (a JWK set), relative to this file; followed.")
    jwks_url: OriginAndPath | None = Field(default=None, description="Address of its public keys (a JWK set): https, or http on loopback.")
    ca_file: PathField | None = Field(default=None, description="PEM file with the private CA of that address, relative to this file.")
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1, max_length=10)] = Field(
        default=ALGORITHMS, description="The signature algorithms that count."
    )
    leeway_s: Annotated[float, Field(ge=0, le=300)] = Field(default=30, description="Seconds by which clocks may differ.")


class TokenClaimSettings(Section):
    """The claim by which an issuer's tokens tell one client."""

    issuer: ShortText = Field(description="One of issuers.")
    claim: ShortText = Field(default="sub", description="The claim that says whose token it is.")
    value: ShortText = Field(description="Its whole value.")


class AuthenticateSettings(Section):
    """How a client proves who it is: exactly one of these."""

    api_key_sha256: Sha256Field | None = Field(
        default=None, description="SHA-256 of the client's key (sent as Scopegate-Key), 64 hexadecimal digits."
    )
    mtls_san: SanField | None = Field(
        default=None,
        description="One whole subject alternative name of the client's certificate: a URI, or DNS:, email: or IP: and a name.",
    )
    jwt: TokenClaimSettings | None = Field(
        default=None, description="A claim of the token that the client sends as Scopegate-Key, issued by one of issuers."
    )
