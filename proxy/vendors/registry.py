"""The vendor kinds a configuration may name. A new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.catalogs.catalog import Catalog
from proxy.vendors.base import Vendor
from proxy.vendors.eightbyeight import EightByEight
from proxy.vendors.generic import Generic
from proxy.vendors.newvoicemedia import NewVoiceMedia
from proxy.vendors.ringcentral import RingCentral

KINDS: Final[Mapping[str, type[Vendor]]] = {vendor.kind: vendor for vendor in (RingCentral, EightByEight, NewVoiceMedia, Generic)}


class UnknownKindError(ValueError):
    """A configuration names a vendor kind that does not exist; the message lists those that do."""


def make_vendor(kind: str, name: str, catalog: Catalog, grants: tuple[Mapping[str, object], ...] = ()) -> Vendor:
    """Return the vendor of this kind under its configured name; raise `UnknownKindError` for a kind that does not exist."""
    vendor = KINDS.get(kind)
    if vendor is None:
        raise UnknownKindError(f"unknown vendor kind {kind!r}: known kinds are {', '.join(KINDS)}")
    return vendor(name, catalog, grants)
