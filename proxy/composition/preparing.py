"""What a configuration needs besides itself before it can be in force: certificate files that can be used, and keys of issuers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from proxy.composition.app_identity import AppIdentity
from proxy.composition.encryption import secured
from proxy.identity.issuer_keys import KeySetError
from proxy.settings import (
    ADMIN,
    NEEDS_RESTART,
    TRAFFIC,
    KeyPath,
    Loaded,
    Problem,
    Problems,
    collect,
    dotted,
    needs_restart,
    upstream_tls,
)
from proxy.tls.certificates import CertificateError, Certificates, LiveContext
from proxy.tls.handshakes import Secured


class Prepared(NamedTuple):
    """A configuration that can be in force at once. `contexts` keeps alive what was made for it."""

    loaded: Loaded
    identity: AppIdentity
    traffic: Secured | None
    admin: Secured | None
    contexts: tuple[LiveContext, ...]


async def prepare(new: Loaded, old: Loaded, identity: AppIdentity | None, certificates: Certificates) -> Prepared | Problems:
    """Make ready for `new`, or say why it cannot follow `old`. Nothing that is in force is touched; `identity` is what is."""
    fixed = [_problem(new, path, NEEDS_RESTART) for path in needs_restart(old.settings, new.settings)]
    if fixed:
        return collect(fixed)
    secure = await asyncio.to_thread(_secure, new, certificates)
    if isinstance(secure, Problems):
        return secure
    known = await _identity(new, old, identity)
    return known if isinstance(known, Problems) else Prepared(_with_known_catalogs(new, old), known, *secure)


def _secure(new: Loaded, certificates: Certificates) -> tuple[Secured | None, Secured | None, tuple[LiveContext, ...]] | Problems:
    """Return how the listeners speak TLS, and what the ways to the vendors will be opened with. Reads files, and takes a while."""
    path: KeyPath = ()
    try:
        path = ("tls",)
        traffic = secured(TRAFFIC, new.settings.tls, certificates)
        path = ("admin", "tls")
        admin = secured(ADMIN, new.settings.admin.tls, certificates)
        contexts = []
        for name, vendor in new.settings.vendors.items():
            path = ("vendors", name)
            if any(each is not None and each.scheme == "https" for each in (vendor.upstream, vendor.token_upstream, vendor.media_origin)):
                contexts.append(certificates.follow(upstream_tls(name, vendor)))
    except CertificateError as error:
        return collect([_problem(new, path, f"certificate files cannot be used: {error}")])
    return traffic, admin, tuple(contexts)


def _with_known_catalogs(new: Loaded, old: Loaded) -> Loaded:
    """Keep the catalogues that say the same: what was remembered about their operations goes on counting."""
    kept = {name: old.catalogs[name] for name, mark in new.marks.items() if old.marks.get(name) == mark}
    return replace(new, catalogs=MappingProxyType({**new.catalogs, **kept}))


async def _identity(new: Loaded, old: Loaded, present: AppIdentity | None) -> AppIdentity | Problems:
    """Return who verifies apps' tokens: the present one where the issuers stay, else another one that has its keys."""
    if present is not None and new.settings.issuers == old.settings.issuers:
        return present
    try:
        identity = AppIdentity(new.settings)
        await identity.keys.start()
    except (OSError, KeySetError) as error:
        return collect([_problem(new, ("issuers",), f"the keys of an issuer cannot be used: {error}")])
    if present is not None:
        identity.take_over(present)
    return identity


async def give_up(prepared: Prepared, present: AppIdentity | None) -> None:
    """Let go of what was made ready for nothing."""
    if prepared.identity is not present:
        await prepared.identity.keys.stop()


def _problem(loaded: Loaded, path: KeyPath, message: str) -> Problem:
    return Problem(str(loaded.files[0]), loaded.position(path), dotted(path), message)
