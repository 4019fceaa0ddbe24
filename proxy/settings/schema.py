"""Every setting: its name, meaning, default and bounds. The result of loading a configuration file is a frozen `Settings`.

Durations end in `_s` (seconds), sizes in `_bytes`. `scopegate schema` and the reference documentation are made from this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, Field

from proxy.model import Mode
from proxy.settings.allow_schema import AllowSettings
from proxy.settings.identity_schema import AuthenticateSettings, IssuerSettings
from proxy.settings.shared_state import SharedStateSettings
from proxy.settings.tracing_schema import TracingSettings
from proxy.settings.values import (
    Address,
    AddressField,
    ClientName,
    HashesField,
    KeysField,
    Origin,
    OriginField,
    PathField,
    Seconds,
    SecretField,
    Section,
    VendorName,
    WholeNumber,
)
from proxy.settings.vendor_schema import VendorSettings

MAX_WORKERS: Final = 64
ANONYMOUS: Final = "anonymous"
"""The name of a caller that is no configured client."""
DEFAULT_RETENTION_DAYS: Final = 400
"""Days for which usage is kept; without a store they count too, as long as the process lives."""

_Value = TypeVar("_Value")


def _read_only(value: Mapping[str, _Value]) -> Mapping[str, _Value]:
    return MappingProxyType(dict(value))


class TlsSettings(Section):
    """HTTPS on a listener. Changed files take effect for new connections within about two seconds."""

    cert_file: PathField = Field(description="PEM file with the certificate and its chain, the leaf first, relative to this file.")
    key_file: PathField = Field(description="PEM file with the private key, relative to this file.")
    key_password: SecretField | None = Field(
        default=None, description="Password of an encrypted private key. Take it from ${VAR} or ${file:/path}."
    )
    client_ca_file: PathField | None = Field(
        default=None, description="PEM file with the authorities whose client certificates count, relative to this file."
    )
    client_auth: Literal["required", "optional"] = Field(
        default="required",
        description="With client_ca_file: whether every client must show a certificate; optional where some use keys instead.",
    )
    handshake_s: Seconds = Field(default=10, description="Seconds in which a TLS handshake must be done (protection against slow senders).")


class AdminSettings(Section):
    """The admin listener: metrics, health, console and API. Keep it off public networks."""

    listen: AddressField = Field(
        default=Address("127.0.0.1", 9090),
        json_schema_extra={"default": "127.0.0.1:9090"},
        description="Address of the admin listener; never the traffic listener's.",
    )
    tls: TlsSettings | None = Field(default=None, description="HTTPS on the admin listener; without it, it speaks plain HTTP.")
    token_sha256: HashesField | None = Field(
        default=None,
        description="SHA-256 of the token that requests must show (Authorization: Bearer), 64 hexadecimal digits; a list while one is "
        "replaced. Health needs none.",
    )

    @property
    def is_guarded(self) -> bool:
        """Whether strangers who reach the listener are kept out, or cannot reach it."""
        certificates = self.tls is not None and self.tls.client_ca_file is not None and self.tls.client_auth == "required"
        return self.listen.is_loopback or self.token_sha256 is not None or certificates


class GatewayAdaptersSettings(Section):
    """Endpoints by which Envoy, Traefik, Caddy and nginx ask for decisions. Keep them off public networks."""

    listen: AddressField = Field(description="Address of the listener that gateways ask; neither the traffic nor the admin listener's.")


class ClientSettings(Section):
    """One internal app."""

    name: ClientName = Field(description="The app's name in logs and metrics.")
    authenticate: AuthenticateSettings = Field(description="How the app proves who it is.")
    mode: Mode | None = Field(default=None, description="Overrides the vendor's mode for this app.")
    allow: Annotated[tuple[AllowSettings, ...], Field(max_length=200)] | None = Field(
        default=None,
        description="What the app may do: one of these rules must let a request through. Without it everything, [] nothing.",
    )


class LimitSettings(Section):
    """Bounds on everything that comes from outside."""

    max_header_bytes: WholeNumber = Field(
        default=32_768, ge=1024, le=1_048_576, description="Largest header section of a request, in bytes (431)."
    )
    max_headers: WholeNumber = Field(default=100, ge=10, le=1000, description="Most header fields of a request (431).")
    max_url_bytes: WholeNumber = Field(default=16_384, ge=256, le=65_536, description="Longest request target, in bytes (414).")
    max_body_bytes: WholeNumber = Field(default=0, ge=0, le=2**50, description="Largest request body, in bytes (413); 0 means no limit.")
    max_connections: WholeNumber = Field(default=4096, ge=1, le=1_000_000, description="Most connections of apps at one time.")
    max_connections_per_address: WholeNumber = Field(
        default=0, ge=0, le=1_000_000, description="Most connections from one address, per worker (503); 0 means no limit."
    )
    max_in_flight: WholeNumber = Field(default=512, ge=1, le=1_000_000, description="Most requests under way to one vendor at one time.")
    max_queued: WholeNumber = Field(default=256, ge=0, le=1_000_000, description="Most requests waiting for a place, per vendor (503).")
    queue_wait_s: Annotated[float, Field(ge=0, le=60)] = Field(default=2, description="Seconds a request may wait for a place (503).")
    max_pipelined: WholeNumber = Field(default=32, ge=1, le=1000, description="Most requests read ahead on one connection.")
    max_idle_upstream: WholeNumber = Field(default=64, ge=0, le=10_000, description="Most idle connections kept open to one vendor.")
    max_known_tokens: WholeNumber = Field(
        default=100_000, ge=1, le=10_000_000, description="Most tokens, per vendor, of which knowledge is kept."
    )
    max_learning_bytes: WholeNumber = Field(
        default=262_144,
        ge=4096,
        le=16_777_216,
        description="Most bytes of one body that are copied to learn from; longer ones teach nothing.",
    )
    max_rewrite_bytes: WholeNumber = Field(
        default=4_194_304,
        ge=4096,
        le=67_108_864,
        description="Most bytes of one JSON answer, as it comes and decoded, that wait for their links to be rewritten; longer ones pass.",
    )
    max_rewrite_total_bytes: WholeNumber = Field(
        default=67_108_864, ge=4096, le=2**34, description="Most bytes of all answers together that wait for their links."
    )
    header_read_s: Seconds = Field(
        default=10, description="Seconds in which a request's headers must arrive (protection against slow senders)."
    )
    body_idle_s: Seconds = Field(default=60, description="Seconds without a byte of an app's body before the request is given up.")
    request_s: Annotated[float, Field(ge=0, le=604_800)] = Field(
        default=3600, description="Seconds a request may take in all, its body and the answer included (504); 0 means no limit."
    )
    keepalive_idle_s: Seconds = Field(default=75, description="Seconds an app's connection may stay open without a request.")
    shutdown_grace_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=30, description="Seconds that requests get to end at shutdown."
    )
    shutdown_delay_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0,
        description="Seconds before that in which a stopping proxy says it is not ready, but still serves, so that load balancers notice.",
    )


class StateSettings(Section):
    """The embedded store, in which what was learned survives a restart."""

    path: PathField = Field(description="Database file, relative to this file. Its key is kept beside it, with .key added to the name.")
    key: KeysField | None = Field(
        default=None,
        description="The store's key instead of the file beside it: 32 bytes as 64 hexadecimal digits or in base64; several, the oldest "
        "first, to replace one. Take it from ${VAR} or ${file:/path}.",
    )
    max_bytes: WholeNumber = Field(
        default=268_435_456, ge=1_048_576, le=2**40, description="Largest size of the database, in bytes; the oldest rows go first."
    )
    usage_retention_days: WholeNumber = Field(
        default=DEFAULT_RETENTION_DAYS,
        ge=1,
        le=3650,
        description="Days for which usage is kept after it was last seen; the default covers a yearly job and a month of grace.",
    )


class ReadinessSettings(Section):
    """When an operation counts as ready to be enforced, see `scopegate report readiness`."""

    min_scored_calls: WholeNumber = Field(
        default=30, ge=1, le=1_000_000, description="Scored calls that an operation needs, without any false denial, to be ready."
    )
    keep_days: WholeNumber = Field(default=90, ge=1, le=3650, description="Days for which scores are kept after their last call.")


class AuditSettings(Section):
    """The audit log: one OCSF event per decision, chained by hashes."""

    path: PathField = Field(description="The file, relative to this one. Full files get .000001 and so on added to the name.")
    key: KeysField | None = Field(
        default=None,
        description="Key of the chain: 32 bytes as 64 hexadecimal digits or in base64; of several the last one is used. With it, only "
        "who has the key can make a chain anew. Take it from ${VAR} or ${file:/path}.",
    )
    max_bytes: WholeNumber = Field(
        default=268_435_456, ge=1_048_576, le=2**40, description="Size at which a file is full and the next one begins, in bytes."
    )
    keep_files: WholeNumber = Field(default=0, ge=0, le=100_000, description="Most full files that are kept; 0 keeps all.")
    fsync: Literal["never", "interval", "batch"] = Field(
        default="interval",
        description="When the disk is told to keep what was written: never, every fsync_interval_s, or after each batch.",
    )
    fsync_interval_s: Seconds = Field(default=1, description="Seconds between two fsyncs where fsync is interval.")
    max_queued: WholeNumber = Field(
        default=20_000, ge=100, le=1_000_000, description="Most events that wait for the disk; more are counted and told as a gap."
    )
    subjects: bool = Field(default=True, description="Whether the token's user is named where it is known.")


class LogSettings(Section):
    """What is written to standard output."""

    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto is text on a terminal and JSON lines everywhere else."
    )
    decisions: bool = Field(default=True, description="Whether one line per request is written.")


class Settings(Section):
    """A Scopegate configuration."""

    listen: AddressField = Field(
        default=Address("127.0.0.1", 8080), json_schema_extra={"default": "127.0.0.1:8080"}, description="Address of the traffic listener."
    )
    admin: AdminSettings = Field(default_factory=AdminSettings, description="The admin listener.")
    gateway_adapters: GatewayAdaptersSettings | None = Field(
        default=None, description="Decisions for gateways that send the requests themselves; without it there are none."
    )
    mode: Mode = Field(default=Mode.ENFORCE, description="enforce: answer locally; shadow: only record it; off: decide nothing.")
    public_url: OriginField | None = Field(
        default=None,
        description="How apps reach the proxy, for rewritten links; by default http:// (with tls: https://) and the host a request names.",
    )
    tls: TlsSettings | None = Field(default=None, description="HTTPS and client certificates on the traffic listener.")
    vendors: Annotated[Mapping[VendorName, VendorSettings], Field(min_length=1, max_length=100), AfterValidator(_read_only)] = Field(
        description="The vendors by name; names appear in logs and metrics."
    )
    issuers: Annotated[tuple[IssuerSettings, ...], Field(max_length=20)] = Field(
        default=(), description="The company's own issuers of tokens by which apps say who they are."
    )
    clients: Annotated[tuple[ClientSettings, ...], Field(max_length=1000)] = Field(
        default=(), description="The internal apps. Without any, every caller is 'anonymous'."
    )
    state: StateSettings | None = Field(default=None, description="The embedded store; without it, a restart forgets what was learned.")
    audit: AuditSettings | None = Field(default=None, description="The audit log; without it, decisions are only in the decision log.")
    shared_state: SharedStateSettings | None = Field(
        default=None, description="The store that replicas share (Redis or Valkey); without it, each one learns for itself."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="Sizes, counts and waiting times that apps cannot exceed.")
    readiness: ReadinessSettings = Field(default_factory=ReadinessSettings, description="When an operation is ready to be enforced.")
    log: LogSettings = Field(default_factory=LogSettings, description="The log on standard output.")
    tracing: TracingSettings = Field(default_factory=TracingSettings, description="What is told about traces.")
    workers: WholeNumber = Field(
        default=1,
        ge=1,
        le=MAX_WORKERS,
        description="Number of processes that carry traffic; more than one are watched over by a supervisor.",
    )

    def mode_for(self, vendor: str, client: str = ANONYMOUS) -> Mode:
        """Return the mode that counts: the client's, else the vendor's, else the global one."""
        own = next((entry.mode for entry in self.clients if entry.name == client), None)
        return own or self.vendors[vendor].mode or self.mode

    @property
    def public_origin(self) -> Origin:
        """How apps reach the proxy."""
        return self.public_url or Origin("http" if self.tls is None else "https", self.listen.host, self.listen.port)


def with_overrides(
    settings: Settings,
    *,
    listen: Address | None = None,
    admin: Address | None = None,
    workers: int | None = None,
    gateways: Address | None = None,
) -> Settings:
    """Return the settings with what was given on the command line, or handed over by the service manager."""
    changes: dict[str, Any] = {} if workers is None else {"workers": workers}
    if listen is not None:
        changes["listen"] = listen
    if admin is not None:
        changes["admin"] = settings.admin.model_copy(update={"listen": admin})
    if gateways is not None and settings.gateway_adapters is not None:
        changes["gateway_adapters"] = settings.gateway_adapters.model_copy(update={"listen": gateways})
    return settings.model_copy(update=changes)
