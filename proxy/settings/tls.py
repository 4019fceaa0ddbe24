"""From settings to what `certificates` builds contexts of; and whether the files can be used, found out while a configuration is read."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from proxy.credentials import Secret
from proxy.settings.checks import Finding
from proxy.settings.problems import KeyPath
from proxy.settings.schema import TlsSettings
from proxy.settings.vendor_schema import VendorSettings
from proxy.tls.certificates import CertificateError, Pair, ServerTls, UpstreamTls, load_authorities, load_pair

TRAFFIC: Final = "traffic"
ADMIN: Final = "admin"


def server_tls(name: str, settings: TlsSettings) -> ServerTls:
    """Return how a listener speaks TLS."""
    pair = Pair(settings.cert_file, settings.key_file, settings.key_password)
    return ServerTls(name, pair, settings.client_ca_file, settings.client_auth == "required")


def upstream_tls(name: str, settings: VendorSettings) -> UpstreamTls:
    """Return how a vendor is spoken to over TLS."""
    pair = None
    if settings.client_cert_file is not None and settings.client_key_file is not None:
        pair = Pair(settings.client_cert_file, settings.client_key_file, settings.client_key_password)
    return UpstreamTls(f"vendor/{name}", settings.ca_file, pair)


def unusable_files(data: object, directory: Path, failed: frozenset[KeyPath]) -> Iterator[Finding]:
    """Find certificate files that cannot be used. `data` is plain, and may have other mistakes; `failed` are keys without a value."""
    vendors = [("vendors", str(name)) for name in _section(data, ("vendors",))]
    for path in (("tls",), ("admin", "tls"), *vendors):
        if any(key[: len(path)] == path for key in failed):
            continue
        prefix = "client_" if path in vendors else ""
        try:
            _try(_section(data, path), prefix, directory)
        except CertificateError as error:
            yield (*path, f"{prefix}cert_file"), str(error)


def _try(section: Mapping[str, object], prefix: str, directory: Path) -> None:
    pair = _pair(section, prefix, directory)
    if pair is not None:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)
    authorities = _file(section.get("client_ca_file"), directory)
    if authorities is not None:
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authorities)


def _section(data: object, path: KeyPath) -> Mapping[str, object]:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _pair(section: Mapping[str, object], prefix: str, directory: Path) -> Pair | None:
    cert, key = (_file(section.get(f"{prefix}{name}_file"), directory) for name in ("cert", "key"))
    password = section.get(f"{prefix}key_password")
    if cert is None or key is None:
        return None
    return Pair(cert, key, Secret(password) if isinstance(password, str) else None)


def _file(value: object, directory: Path) -> Path | None:
    return Path(directory, value) if isinstance(value, str) and value and value.isprintable() else None
