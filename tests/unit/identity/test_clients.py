"""Which app is calling."""

from __future__ import annotations

import hashlib

import pytest

from proxy.identity.clients import ANONYMOUS, UNIDENTIFIED, Client, Peer, certificate_names, identify_client

ONE = Client("one", hashlib.sha256(b"key-1").digest())
TWO = Client("two", hashlib.sha256(b"key-2").digest())


def test_without_clients_everybody_is_anonymous() -> None:
    assert identify_client([], None) is ANONYMOUS
    assert identify_client([], b"key-1") is ANONYMOUS
    assert ANONYMOUS.known


def test_a_key_names_its_client() -> None:
    assert identify_client([ONE, TWO], b"key-1") is ONE
    assert identify_client([ONE, TWO], b"key-2") is TWO


def test_no_key_and_a_wrong_key_name_nobody() -> None:
    assert identify_client([ONE, TWO], None) is UNIDENTIFIED
    assert identify_client([ONE, TWO], b"key-3") is UNIDENTIFIED
    assert identify_client([ONE, TWO], ONE.api_key_sha256) is UNIDENTIFIED
    assert not UNIDENTIFIED.known


# --- certificates

URI, DNS = Client("uri", san="URI:spiffe://example.com/app"), Client("dns", san="DNS:app.example.com")
ALL = [ONE, TWO, URI, DNS]


def peer(*names: tuple[str, str]) -> Peer:
    return Peer("192.0.2.1", certificate_names(names))


def test_a_client_is_known_by_a_name_in_its_certificate() -> None:
    assert identify_client(ALL, None, peer(("DNS", "other"), ("URI", "spiffe://example.com/app"))) is URI
    assert identify_client(ALL, None, peer(("DNS", "APP.example.com"))) is DNS


@pytest.mark.parametrize(
    "name",
    [
        ("URI", "spiffe://example.com/app/"),
        ("URI", "spiffe://example.com/App"),
        ("URI", "spiffe://example.com"),
        ("DNS", "spiffe://example.com/app"),
        ("URI", "app.example.com"),
        ("email", "app.example.com"),
        ("DNS", "*.example.com"),
        ("DNS", "app.example.com\0.evil.example"),
        ("Registered ID", "app.example.com"),
    ],
)
def test_only_the_whole_name_of_the_same_kind_counts(name: tuple[str, str]) -> None:
    assert identify_client(ALL, None, peer(name)) is UNIDENTIFIED


def test_names_of_other_kinds_are_written_with_their_kind() -> None:
    names = (("email", "app@Example.com"), ("IP Address", "2001:DB8:0:0:0:0:0:1\n"), ("DirName", ((("commonName", "app"),),)))
    assert certificate_names(names) == {"email:app@Example.com", "IP:2001:db8::1"}


def test_names_of_several_clients_are_nobodys() -> None:
    assert identify_client(ALL, None, peer(("DNS", "app.example.com"), ("URI", "spiffe://example.com/app"))) is UNIDENTIFIED


def test_a_key_and_a_certificate_must_not_contradict_each_other() -> None:
    uri = peer(("URI", "spiffe://example.com/app"))
    assert identify_client(ALL, b"key-1", uri) is UNIDENTIFIED
    assert identify_client(ALL, b"key-3", uri) is UNIDENTIFIED
    assert identify_client(ALL, b"key-1", peer(("DNS", "sidecar.example"))) is ONE
    both = Client("both", api_key_sha256=ONE.api_key_sha256, san=URI.san)
    assert identify_client([TWO, both], b"key-1", uri) is both


def test_an_empty_name_or_key_identifies_nobody() -> None:
    assert identify_client(ALL, b"", peer()) is UNIDENTIFIED
    assert identify_client(ALL, None, Peer("", frozenset({""}))) is UNIDENTIFIED
