"""Laws of secrets and fingerprints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials import CredentialError, Fingerprinter, Secret, bearer_token

texts = st.binary(min_size=1, max_size=64)
vendors = st.sampled_from(("ringcentral", "8x8", "newvoicemedia"))
b64tokens = st.from_regex(rb"[A-Za-z0-9\-._~+/]{1,40}={0,2}", fullmatch=True)


@given(st.binary(max_size=80))
def test_a_bearer_field_is_read_whole_or_refused(rest: bytes) -> None:
    try:
        token = bearer_token(b"Bearer" + rest)
    except CredentialError:
        return
    if token is not None:
        assert rest == b" " * (len(rest) - len(token)) + token.reveal()
        assert rest.startswith(b" ")
        assert len(token)


@given(b64tokens, st.sampled_from((b"Bearer", b"bearer", b"BEARER", b"bEaReR")), st.integers(1, 3))
def test_every_b64token_is_read_under_any_spelling_of_the_scheme(token: bytes, scheme: bytes, spaces: int) -> None:
    assert bearer_token(scheme + b" " * spaces + token) == Secret(token)


@given(texts, texts, vendors, vendors, texts, texts)
def test_a_fingerprint_tells_key_vendor_and_token_apart(
    key: bytes, other_key: bytes, vendor: str, other_vendor: str, token: bytes, other_token: bytes
) -> None:
    one = Fingerprinter(Secret(key))(vendor, Secret(token))
    other = Fingerprinter(Secret(other_key))(other_vendor, Secret(other_token))
    same_key = key.ljust(64, b"\0") == other_key.ljust(64, b"\0")
    assert len(one) == 16
    if (key, vendor, token) == (other_key, other_vendor, other_token):
        assert one == other
    elif not same_key or (vendor, token) != (other_vendor, other_token):
        assert one != other


@given(st.text(st.characters(), min_size=1, max_size=30) | st.text(st.characters(categories=["Cs", "Lu"]), min_size=1))
def test_a_secret_of_any_text_is_made_or_refused_without_showing_it(text: str) -> None:
    if any(("\ud800" <= character <= "\udc7f") or "\udd00" <= character <= "\udfff" for character in text):
        with pytest.raises(ValueError, match=r"^the secret is not valid Unicode text$"):
            Secret(text)
        return
    if max(text) < "\udc80" or min(text) > "\udcff":
        assert Secret(text).reveal() == text.encode()
    assert repr(Secret(text)) == str(Secret(text)) == "Secret(***)"
