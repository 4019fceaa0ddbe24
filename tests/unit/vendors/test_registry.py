from __future__ import annotations

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.vendors.registry import KINDS, UnknownKindError, make_vendor


@pytest.mark.parametrize("kind", ["ringcentral", "8x8", "newvoicemedia", "generic"])
def test_a_vendor_is_made_by_its_kind_under_its_own_name(kind: str) -> None:
    catalog, grants = compile_catalog("x", ()), ({"user": "u"},)
    vendor = make_vendor(kind, "ours", catalog, grants)
    assert (vendor.kind, vendor.name, vendor.catalog, vendor.configured_grants) == (kind, "ours", catalog, grants)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownKindError) as refused:
        make_vendor("vonage", "v", compile_catalog("x", ()))
    assert [kind for kind in ("vonage", *KINDS) if kind not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("kind", "title"), [("ringcentral", "RingCentral"), ("8x8", "8x8"), ("newvoicemedia", "NewVoiceMedia"), ("generic", "ours")]
)
def test_a_vendor_is_called_as_people_call_it(kind: str, title: str) -> None:
    assert make_vendor(kind, "ours", compile_catalog("x", ())).title == title
