"""What must hold between settings, and what this version does not serve: each check reads plain data and never stops the others.

They look at the data rather than at validated settings, so that one run reports these problems together with all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from proxy.protocol.links import MEDIA_SEGMENT
from proxy.settings.problems import KeyPath
from proxy.settings.values import Address, parse_address
from proxy.settings.vendor_schema import KINDS

Finding = tuple[KeyPath, str]

EACH: Final = "*"
"""Stands for every key or every index in a pattern of `NOT_SERVED`."""


NOT_SERVED: Final[Mapping[tuple[str, ...], tuple[Callable[[object], bool], str]]] = {}
"""Parts of the contract that are refused rather than ignored. A version that serves one deletes its line."""

KIND_ONLY: Final = {"token_upstream": "newvoicemedia", "media_upstream": "ringcentral", "discover_scopes": "ringcentral", "grants": "8x8"}
"""Settings of a vendor that only one kind reads."""


def not_served(data: object) -> list[Finding]:
    """Find everything in the configuration that this version cannot serve."""
    return [
        (path, text) for pattern, (refuses, text) in NOT_SERVED.items() for path, value in _matching(data, pattern, ()) if refuses(value)
    ]


def without(data: object, paths: frozenset[KeyPath], path: KeyPath = ()) -> object:
    """Return a copy of `data` that lacks the values at `paths`."""
    if isinstance(data, dict):
        return {key: without(item, paths, (*path, key)) for key, item in data.items() if (*path, key) not in paths}
    if isinstance(data, list):
        return [without(item, paths, (*path, index)) for index, item in enumerate(data)]
    return data


def matching(data: object, pattern: tuple[str, ...]) -> Iterator[tuple[KeyPath, object]]:
    """Yield every value at a pattern, with its path."""
    return _matching(data, pattern, ())


def _matching(data: object, pattern: tuple[str, ...], path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if not pattern:
        yield path, data
        return
    for key, value in _children(data):
        if pattern[0] in (EACH, key):
            yield from _matching(value, pattern[1:], (*path, key))


def _children(data: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(data, dict):
        yield from data.items()
    elif isinstance(data, list):
        yield from enumerate(data)


def cross_checks(data: object) -> Iterator[Finding]:
    """Find contradictions between settings."""
    yield from _same_listener(data)
    yield from _one_process_for_gateways(data)
    yield from _open_admin(data)
    yield from _shared_state(data)
    yield from _vendors(data)
    yield from _listeners_tls(data)
    yield from _same_mounts(data)
    yield from _issuers(data)
    yield from _repeated(data, ("issuers", EACH, "issuer"), "another issuer has this name")
    yield from _repeated(data, ("clients", EACH, "name"), "another client has this name")
    yield from _repeated(data, ("clients", EACH, "authenticate", "api_key_sha256"), "another client has this key")
    yield from _repeated(data, ("clients", EACH, "authenticate", "mtls_san"), "another client has this name in its certificate")
    yield from _proofs(data)
    yield from _otlp(data)


def _otlp(data: object) -> Iterator[Finding]:
    for path, otlp in _matching(data, ("tracing", "otlp"), ()):
        if isinstance(otlp, dict) and otlp.get("ca_file") is not None and not str(otlp.get("endpoint", "https:")).startswith("https:"):
            yield (*path, "ca_file"), "is for https:// only"


def _same_listener(data: object) -> Iterator[Finding]:
    traffic = [value for _, value in _matching(data, ("listen",), ())]
    for path, value in _matching(data, ("admin", "listen"), ()):
        if isinstance(value, str) and value in traffic and not value.endswith(":0"):
            yield path, "must differ from the traffic listener's address"
    taken = traffic + [value for _, value in _matching(data, ("admin", "listen"), ())]
    for path, value in _matching(data, ("gateway_adapters", "listen"), ()):
        if isinstance(value, str) and value in taken and not value.endswith(":0"):
            yield path, "must differ from the addresses of the traffic and the admin listener"


def _one_process_for_gateways(data: object) -> Iterator[Finding]:
    for _, workers in _matching(data, ("workers",), ()):
        for path, _ in _matching(data, ("gateway_adapters",), ()):
            if isinstance(workers, int) and workers > 1:
                yield path, GATEWAYS_NEED_ONE_PROCESS


GATEWAYS_NEED_ONE_PROCESS: Final = "is served by a single process only: use workers: 1, and run further replicas instead"
OPEN_ADMIN: Final = "other machines can reach this address: set admin.token_sha256, or admin.tls with client_ca_file, or use 127.0.0.1"


def _open_admin(data: object) -> Iterator[Finding]:
    """What the admin listener shows and can do is for operators only."""
    for path, admin in _matching(data, ("admin",), ()):
        if not isinstance(admin, dict) or not isinstance(admin.get("listen"), str) or admin.get("token_sha256") is not None:
            continue
        tls = admin.get("tls")
        if isinstance(tls, dict) and tls.get("client_ca_file") is not None and tls.get("client_auth", "required") == "required":
            continue
        address = _address(admin["listen"])
        if address is not None and not address.is_loopback:
            yield (*path, "listen"), OPEN_ADMIN


def _address(text: str) -> Address | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


def _shared_state(data: object) -> Iterator[Finding]:
    for path, shared in _matching(data, ("shared_state",), ()):
        if not isinstance(shared, dict):
            continue
        state = data.get("state") if isinstance(data, dict) else None
        if shared.get("key") is None and (not isinstance(state, dict) or state.get("key") is None):
            yield (
                path,
                "needs a key that all replicas have: set shared_state.key or state.key (openssl rand -base64 32 makes one)",
            )
        url = shared.get("url")
        if shared.get("ca_file") is not None and isinstance(url, str) and not url.startswith("rediss:"):
            yield (*path, "ca_file"), "is for rediss:// only"


def _vendors(data: object) -> Iterator[Finding]:
    for path, vendor in _matching(data, ("vendors", EACH), ()):
        if isinstance(vendor, dict):
            yield from _vendor(vendor, path)


def _vendor(vendor: Mapping[str, object], path: KeyPath) -> Iterator[Finding]:
    kind = vendor.get("kind")
    for key, only in KIND_ONLY.items():
        if key in vendor and kind in KINDS and kind != only:
            yield (*path, key), f"is for vendors of kind {only} only"
    if kind == "generic" and "catalog" not in vendor:
        yield path, "a vendor of kind generic needs a catalog"
    yield from _client_certificate(vendor, path)
    mount = vendor.get("mount")
    if isinstance(mount, dict) and mount.get("path") is None and mount.get("host") is None:
        yield (*path, "mount"), "needs a path, a host or both"
    if isinstance(mount, dict) and MEDIA_SEGMENT in (_text(mount.get("path")) or ""):
        yield (*path, "mount", "path"), f"must not contain {MEDIA_SEGMENT}: a vendor's media host is mounted there"


def _client_certificate(vendor: Mapping[str, object], path: KeyPath) -> Iterator[Finding]:
    """A certificate that could never be shown would be a belief in security that is none."""
    given = [key for key in ("client_cert_file", "client_key_file", "client_key_password") if vendor.get(key) is not None]
    for key in ("client_cert_file", "client_key_file"):
        if given and key not in given:
            yield path, f"{given[0]} needs {key} beside it"
    upstreams = [str(vendor.get(key, "")) for key in ("upstream", "token_upstream")]
    if given and not any(origin.startswith("https://") for origin in upstreams):
        yield (*path, given[0]), "is for a vendor with an https:// upstream only"


def _listeners_tls(data: object) -> Iterator[Finding]:
    for pattern in (("tls",), ("admin", "tls")):
        for path, tls in _matching(data, pattern, ()):
            if isinstance(tls, dict) and tls.get("client_auth") is not None and tls.get("client_ca_file") is None:
                yield (*path, "client_auth"), "needs client_ca_file: without it no client certificate is asked for"


def _same_mounts(data: object) -> Iterator[Finding]:
    """Two vendors may share a host or a prefix, but not both: then no request could tell them apart."""
    seen: dict[tuple[object, object], str | int] = {}
    for path, mount in _matching(data, ("vendors", EACH, "mount"), ()):
        if not isinstance(mount, dict):
            continue
        place = (_text(mount.get("host")), _text(mount.get("path")))
        first = seen.setdefault(place, path[1])
        if first != path[1] and place != (None, None) and "" not in place:
            yield path, f"is the same as the mount of vendor '{first}'"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


PROOFS: Final = ("api_key_sha256", "mtls_san", "jwt")
"""The ways in which a client can prove who it is."""


def _proofs(data: object) -> Iterator[Finding]:
    """A client without a proof could be nobody, and with two it would not be clear whether one is enough."""
    asked = any(True for _ in _matching(data, ("tls", "client_ca_file"), ()))
    issuers = {value for _, value in _matching(data, ("issuers", EACH, "issuer"), ()) if isinstance(value, str)}
    for path, proof in _matching(data, ("clients", EACH, "authenticate"), ()):
        if not isinstance(proof, dict):
            continue
        given = [key for key in PROOFS if proof.get(key) is not None]
        if len(given) != 1:
            yield path, f"needs exactly one of {', '.join(PROOFS)}"
        claim = proof.get("jwt")
        if isinstance(claim, dict) and isinstance(claim.get("issuer"), str) and claim["issuer"] not in issuers:
            yield (*path, "jwt", "issuer"), "is none of issuers"
        if "mtls_san" in given and not asked:
            yield (*path, "mtls_san"), "needs tls.client_ca_file: without it no client certificate is asked for"


def _issuers(data: object) -> Iterator[Finding]:
    """An issuer without keys, or with two sets of them, could not be relied on; neither could one claim of two clients."""
    for path, issuer in _matching(data, ("issuers", EACH), ()):
        if not isinstance(issuer, dict):
            continue
        if (issuer.get("jwks_file") is None) == (issuer.get("jwks_url") is None):
            yield path, "needs exactly one of jwks_file and jwks_url"
        if issuer.get("ca_file") is not None and issuer.get("jwks_url") is None:
            yield (*path, "ca_file"), "goes with jwks_url only"
    seen: set[tuple[object, ...]] = set()
    for path, claim in _matching(data, ("clients", EACH, "authenticate", "jwt"), ()):
        if isinstance(claim, dict):
            told = (str(claim.get("issuer")), str(claim.get("claim", "sub")), str(claim.get("value")))
            if told in seen:
                yield path, "another client has this claim"
            seen.add(told)


def _repeated(data: object, pattern: tuple[str, ...], message: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, value in _matching(data, pattern, ()):
        if not isinstance(value, str):
            continue
        if value.lower() in seen:
            yield path, message
        seen.add(value.lower())
