"""The token of a request is read from one place, whole, or the request is refused."""

from __future__ import annotations

import pytest

from proxy.credentials import MAX_TOKEN_BYTES, Fingerprinter, Secret
from proxy.decision.ruling import Mount
from proxy.decision.token_reader import TokenReader
from proxy.errors import Fault
from proxy.model import TokenPlace
from proxy.protocol.headers import Credential, RequestHead
from proxy.protocol.targets import Target
from proxy.vendors.generic import Generic
from tests.gates import FINGERPRINTER, House, MountPlan, generic_catalog, make_head, plans

RC, EIGHT, GENERIC = House(plans()).gate.mounts


def mount_with(place: TokenPlace) -> Mount:
    class Placed(Generic):
        def token_place(self) -> TokenPlace:
            return place

    (mount,) = House([MountPlan(Placed("gen", generic_catalog()))]).gate.mounts
    return mount


def read(mount: Mount, head: RequestHead, query: str | None = None) -> Credential:
    return TokenReader(FINGERPRINTER).read(mount, Target("/x", query), head)


def reason_of(credential: Credential) -> str:
    assert isinstance(credential, Fault)
    return credential.reason


def known(mount: Mount, token: str) -> Credential:
    return Secret(token), FINGERPRINTER(mount.vendor.name, Secret(token))


@pytest.mark.parametrize("field", ["Bearer abc", "bearer abc", "BEARER   abc"])
def test_the_bearer_field_in_any_case(field: str) -> None:
    assert read(RC, make_head(Authorization=field)) == known(RC, "abc")


@pytest.mark.parametrize("field", ["Basic abc", "Digest x=1", "abc", ""])
def test_another_scheme_is_no_token(field: str) -> None:
    assert read(RC, make_head(Authorization=field)) is None


@pytest.mark.parametrize("field", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer\tabc", "Bearer " + "a" * (MAX_TOKEN_BYTES + 1)])
def test_half_a_token_is_refused(field: str) -> None:
    assert reason_of(read(RC, make_head(Authorization=field))) == "credential"
    assert reason_of(read(RC, make_head(Authorization=field), "access_token=abc")) == "credential"


def test_no_token_at_all() -> None:
    assert read(RC, make_head()) is None
    assert read(RC, make_head(), "page=2") is None


def test_a_token_in_the_query_where_the_vendor_allows_it() -> None:
    assert read(RC, make_head(), "access_token=abc") == known(RC, "abc")
    assert read(RC, make_head(), "access%5Ftoken=a%62c") == known(RC, "abc")
    assert read(EIGHT, make_head(), "access_token=abc") is None


def test_the_same_token_twice_is_one() -> None:
    assert read(RC, make_head("abc"), "access_token=abc") == known(RC, "abc")


@pytest.mark.parametrize("query", ["access_token=abd", "access_token=abc&access_token=abc", "access_token="])
def test_two_credentials_are_refused(query: str) -> None:
    assert reason_of(read(RC, make_head("abc"), query)) == "two_credentials"


@pytest.mark.parametrize("query", ["access_token=", "access_token=a%20b", "access_token=a+b", "access_token=%FF"])
def test_an_odd_token_in_the_query_is_refused(query: str) -> None:
    assert reason_of(read(RC, make_head(), query)) == "credential"


def test_two_in_the_query_are_refused_even_if_they_agree() -> None:
    assert reason_of(read(RC, make_head(), "access_token=abc&access_token=abc")) == "two_credentials"


def test_a_configured_header_and_scheme() -> None:
    keyed = mount_with(TokenPlace("X-Api-Token", "Token"))
    assert read(keyed, make_head(x_api_token="token abc", token="other")) == known(keyed, "abc")
    bare = mount_with(TokenPlace("X-Api-Token", ""))
    assert read(bare, make_head(x_api_token="abc")) == known(bare, "abc")
    assert read(bare, make_head("abc")) is None
    assert reason_of(read(bare, make_head(x_api_token="a b"))) == "credential"
    lower = mount_with(TokenPlace("authorization"))
    assert read(lower, make_head("abc")) == known(lower, "abc")


def test_what_is_remembered_with_a_head_is_one_mounts() -> None:
    reader, head = TokenReader(FINGERPRINTER), make_head("abc")
    for mount in (RC, EIGHT, RC, GENERIC):
        assert reader.read(mount, Target("/x", None), head) == known(mount, "abc")
        assert reader.read(mount, Target("/x", None), head) == known(mount, "abc")


def test_what_is_remembered_does_not_hide_the_query() -> None:
    reader, head = TokenReader(FINGERPRINTER), make_head()
    assert reader.read(RC, Target("/x", None), head) is None
    assert reader.read(RC, Target("/x", "access_token=abc"), head) == known(RC, "abc")
    assert reader.read(RC, Target("/x", None), head) is None


def test_fingerprints_are_keyed_and_show_no_token() -> None:
    other = TokenReader(Fingerprinter(Secret(b"other")))
    here, there = read(RC, make_head("abc")), other.read(RC, Target("/x", None), make_head("abc"))
    assert isinstance(here, tuple)
    assert isinstance(there, tuple)
    assert here[1] != there[1]
    assert "abc" not in repr(here)
