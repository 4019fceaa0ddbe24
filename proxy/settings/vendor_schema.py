"""Settings of one vendor: where it is reached, how long it is waited for, how its requests are decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.model import Mode, OnUnknown
from proxy.settings.values import (
    HostField,
    MountPath,
    Origin,
    OriginField,
    PathField,
    Seconds,
    SecretField,
    Section,
    ShortText,
    WholeNumber,
)

KINDS: Final = ("ringcentral", "8x8", "newvoicemedia", "generic")
RINGCENTRAL_API: Final = "https://platform.ringcentral.com"
RINGCENTRAL_MEDIA: Final = "media.ringcentral.com"
Kind = Literal["ringcentral", "8x8", "newvoicemedia", "generic"]


class MountSettings(Section):
    """Which requests belong to a vendor: by path prefix, by host name, or both. The longest path prefix wins."""

    path: MountPath | None = Field(default=None, description="Path prefix that is taken off before forwarding, for example /ringcentral.")
    host: HostField | None = Field(default=None, description="Host name (without port) by which apps call this vendor.")


class TimeoutSettings(Section):
    """How long the proxy waits for one vendor."""

    connect_s: Seconds = Field(default=5, description="Seconds to wait for a connection to the vendor, TLS included.")
    response_head_s: Seconds = Field(default=30, description="Seconds to wait for status and headers once the request was sent.")
    body_idle_s: Seconds = Field(default=60, description="Seconds without a byte of the vendor's body before the request is given up.")


class CircuitBreakerSettings(Section):
    """When a vendor that does not work is left alone for a while. Each of its hosts has a circuit of its own."""

    failures: WholeNumber = Field(
        default=10,
        ge=0,
        le=10_000,
        description="Failures in a row, without any success, after which requests get 503 circuit_open at once; 0 switches this off.",
    )
    open_s: Seconds = Field(default=5, description="Seconds until one request may try again.")
    server_errors: bool = Field(default=False, description="Whether answers with status 500 to 599 count as failures too.")


class GrantSettings(Section):
    """What an operator already knows about one user: these API categories on these PBXs."""

    user: ShortText = Field(description="The user name that logs in.")
    pbx: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=1000)] = Field(description="Names of the PBXs.")
    categories: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=100)] = Field(
        description="API categories the user may use on each of those PBXs, and the only ones."
    )

    def as_mapping(self) -> Mapping[str, object]:
        """Return the entry as plain data, as vendors read it."""
        return {"user": self.user, "pbx": self.pbx, "categories": self.categories}


class VerifySettings(Section):
    """A sample of local denials that is sent to the vendor all the same, to keep the score honest. GET and HEAD only."""

    rate: Annotated[float, Field(gt=0, le=1)] = Field(default=0.01, description="Share of this vendor's denials that is chosen at random.")
    per_minute: Annotated[float, Field(gt=0, le=60)] = Field(default=1, description="Most of them per minute.")


class VendorSettings(Section):
    """One vendor: where apps reach it here, where it really is, and how its requests are decided."""

    kind: Kind = Field(description="Which vendor's rules apply; generic takes them all from the catalogue.")
    mount: MountSettings = Field(description="Which requests belong to this vendor: path, host or both.")
    upstream: OriginField = Field(description="The vendor's API: scheme, host and perhaps port.")
    token_upstream: OriginField | None = Field(default=None, description="newvoicemedia only: the host that issues tokens.")
    media_upstream: OriginField | None = Field(
        default=None,
        description="ringcentral only: the host of recordings and other media; https://media.ringcentral.com where upstream is "
        "https://platform.ringcentral.com.",
    )
    catalog: PathField | None = Field(
        default=None,
        description="Catalogue file, relative to this file. Without it the shipped catalogue of the kind is used; generic needs one.",
    )
    mode: Mode | None = Field(default=None, description="Overrides the global mode for this vendor.")
    on_unknown_operation: OnUnknown = Field(
        default=OnUnknown.FORWARD, description="What to do with an operation that is not in the catalogue."
    )
    on_unknown_token: OnUnknown = Field(default=OnUnknown.FORWARD, description="What to do with a token of which nothing is known.")
    implied_scopes: Literal["presume", "ignore"] = Field(
        default="presume",
        description="presume: scopes that a held one implies count as held until the vendor says otherwise; ignore: to the letter.",
    )
    rewrite_links: bool = Field(
        default=True, description="Whether the vendor's own addresses in JSON bodies and Location headers are pointed back at the proxy."
    )
    discover_scopes: bool = Field(
        default=False,
        description="ringcentral only: whether the vendor is asked, once per token, what a token holds whose login was not seen.",
    )
    timeouts: TimeoutSettings = Field(default_factory=TimeoutSettings, description="How long to wait for this vendor.")
    circuit_breaker: CircuitBreakerSettings = Field(
        default_factory=CircuitBreakerSettings, description="When this vendor is left alone because it does not work."
    )
    ca_file: PathField | None = Field(default=None, description="PEM file with the private CA of the upstream, relative to this file.")
    client_cert_file: PathField | None = Field(
        default=None, description="PEM file with the certificate (and chain) that the proxy shows this vendor, relative to this file."
    )
    client_key_file: PathField | None = Field(default=None, description="PEM file with its private key, relative to this file.")
    client_key_password: SecretField | None = Field(
        default=None, description="Password of that key where it is encrypted. Take it from ${VAR} or ${file:/path}."
    )
    grants: Annotated[tuple[GrantSettings, ...], Field(max_length=10_000)] = Field(
        default=(), description="8x8 only: what is already known about users' access; 8x8 itself tells nobody."
    )
    learned_ttl_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=900, description="Seconds for which a right stays believed absent after the vendor refused for want of it."
    )
    recheck_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=60, description="Seconds after which an absent right that an administrator can grant is tried again with a real request."
    )

    verify_denials: VerifySettings | None = Field(
        default=None,
        description="Sends a small share of denied GET and HEAD requests to the vendor, to score the denials; without it none is sent.",
    )

    @property
    def media_origin(self) -> Origin | None:
        """The host of media: the one that is set, else RingCentral's own beside RingCentral's own API."""
        known = self.kind == "ringcentral" and str(self.upstream) == RINGCENTRAL_API
        return self.media_upstream or (Origin("https", RINGCENTRAL_MEDIA, 443) if known else None)

    def grants_as_mappings(self) -> tuple[Mapping[str, object], ...]:
        """Return the configured grants as plain data, as `Vendor` takes them."""
        return tuple(grant.as_mapping() for grant in self.grants)
