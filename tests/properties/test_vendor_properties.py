"""Laws for what arrives from outside: nothing raises, nothing is believed of another caller, no secret is shown."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials import Secret
from proxy.model import NO_RESOURCES
from proxy.protocol.targets import Target
from proxy.vendors.base import Vendor
from proxy.vendors.seen import Seen
from tests.unit.vendors import test_eightbyeight, test_generic, test_newvoicemedia, test_ringcentral
from tests.unit.vendors.support import sample, target

VENDORS: tuple[Vendor, ...] = (test_ringcentral.VENDOR, test_eightbyeight.VENDOR, test_newvoicemedia.VENDOR, test_generic.VENDOR)
PATHS = (
    *(test_ringcentral.LOG, test_ringcentral.LOGIN, test_ringcentral.REVOKE),
    *(test_eightbyeight.RECORDS, test_eightbyeight.QUEUES, test_eightbyeight.LOGIN, test_eightbyeight.PRODUCT_LOGIN),
    *(test_newvoicemedia.ACCESS, test_newvoicemedia.LOGIN, "/calls", "/answered", "/asked", "/nowhere"),
)
SAMPLES = tuple(
    sample(name)
    for name in (
        "ringcentral/token.json",
        "ringcentral/refusal-ReadCallLog.json",
        "8x8/token-products.json",
        "8x8/refusal-category.json",
        "8x8/refusal-pbx.json",
        "8x8/refusal-pbx-id.json",
        "newvoicemedia/token.json",
        "newvoicemedia/access-permissions.json",
    )
)
MEMBERS = sorted({name for body in SAMPLES for name in json.loads(body)})
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["bearer", "105-400-038", "CMN-401"])
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4))
objects = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=8).map(lambda body: json.dumps(body).encode())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A documented body with a few bytes replaced."""
    body = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 3))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


bodies = st.none() | st.binary(max_size=200) | objects | damaged()
forms = bodies | st.dictionaries(st.sampled_from(["grant_type", "scope", "username", "token", "client_id"]), st.text(max_size=20)).map(
    lambda form: urlencode(form, errors="replace").encode()
)


@given(
    st.sampled_from(VENDORS),
    st.sampled_from(["GET", "POST", "HEAD", "DELETE"]),
    st.sampled_from(PATHS),
    st.sampled_from([200, 201, 207, 400, 401, 403, 404, 418, 429, 500]),
    forms,
    bodies,
    st.dictionaries(st.sampled_from(["authorization", "content-type", "x-http-method-override", "_"]), st.binary(max_size=40)),
    st.text(max_size=10),
)
def test_whatever_arrives_is_read_without_a_fault(
    vendor: Vendor, method: str, path: str, status: int, form: bytes | None, body: bytes | None, headers: dict[str, bytes], subject: str
) -> None:
    where = target(path)
    match = vendor.catalog.find(method, where.path)
    resources = vendor.resources(match, where) if match is not None else NO_RESOURCES
    seen = Seen(method, where, match, headers, form, status, body, resources, subject)
    vendor.classify(seen)
    vendor.watch(method, where, match)
    vendor.effective_method(method, where, headers)
    for fact in vendor.learn(seen):
        assert "***" in repr(fact) or not any(isinstance(value, Secret) for value in (getattr(fact, name) for name in fact.__slots__))


@given(st.sampled_from(VENDORS), st.binary(max_size=200))
def test_any_token_is_looked_into_without_a_fault(vendor: Vendor, token: bytes) -> None:
    vendor.knowledge_in_token(Secret(token))


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=60))
def test_any_query_is_judged_without_a_fault(query: str) -> None:
    for vendor in VENDORS:
        vendor.effective_method("POST", Target("/x", query), {})
