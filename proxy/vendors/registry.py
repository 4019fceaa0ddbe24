"""The vendor kinds a configuration may name. A new kind is one function and one line here. Only those that are named are imported."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from proxy.catalogs.catalog import Catalog
from proxy.vendors.base import Vendor


def _ringcentral() -> type[Vendor]:
    from proxy.vendors.ringcentral import RingCentral

    return RingCentral


def _eightbyeight() -> type[Vendor]:
    from proxy.vendors.eightbyeight import EightByEight

    return EightByEight


def _newvoicemedia() -> type[Vendor]:
    from proxy.vendors.newvoicemedia import NewVoiceMedia

    return NewVoiceMedia


def _generic() -> type[Vendor]:
    from proxy.vendors.generic import Generic

    return Generic


KINDS: Final[Mapping[str, Callable[[], type[Vendor]]]] = {
    "ringcentral": _ringcentral,
    "8x8": _eightbyeight,
    "newvoicemedia": _newvoicemedia,
    "generic": _generic,
}


class UnknownKindError(ValueError):
    """A configuration names a vendor kind that does not exist; the message lists those that do."""


def make_vendor(kind: str, name: str, catalog: Catalog, grants: tuple[Mapping[str, object], ...] = ()) -> Vendor:
    """Return the vendor of this kind under its configured name; raise `UnknownKindError` for a kind that does not exist."""
    find = KINDS.get(kind)
    if find is None:
        raise UnknownKindError(f"unknown vendor kind {kind!r}: known kinds are {', '.join(KINDS)}")
    return find()(name, catalog, grants)
