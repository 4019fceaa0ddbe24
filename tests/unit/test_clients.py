"""Which app is calling."""

from __future__ import annotations

import hashlib

from proxy.clients import ANONYMOUS, UNIDENTIFIED, Client, identify_client

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
