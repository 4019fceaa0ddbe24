from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from proxy.credentials import MAX_TOKEN_BYTES, CredentialError, Fingerprinter, Secret, bearer_token, check_token

MARK = "c4n4ry"
SECRET = Secret(MARK)


@dataclass(frozen=True)
class Holder:
    name: str
    key: Secret


SHOWN: list[Callable[[], object]] = [
    lambda: repr(SECRET),
    lambda: str(SECRET),
    lambda: f"{SECRET} {SECRET!r} {SECRET!s} {SECRET!a}",
    lambda: f"{SECRET}",
    lambda: "%s %r" % (SECRET, SECRET),  # noqa: UP031 - this way of formatting is meant
    lambda: repr([SECRET, {SECRET: SECRET}]),
    lambda: repr(Holder("a", SECRET)),
    lambda: repr(ValueError(SECRET)) + str(ValueError(SECRET)),
    lambda: logging.LogRecord("a", 1, "b", 1, "%s", (SECRET,), None).getMessage(),
    lambda: "\n".join(traceback.TracebackException.from_exception(_fault(), capture_locals=True).format()),
    lambda: dir(SECRET),
]
RAISING: list[Callable[[], object]] = [
    lambda: pickle.dumps(SECRET),
    lambda: pickle.dumps(Holder("a", SECRET), protocol=0),
    lambda: copy.copy(SECRET),
    lambda: copy.deepcopy(Holder("a", SECRET)),
    lambda: json.dumps({"a": SECRET}),
    lambda: f"{SECRET:>10}",
    lambda: bytes(SECRET),  # type: ignore[call-overload] # a Secret is no bytes
    lambda: "".join([SECRET]),  # type: ignore[list-item] # a Secret is no text
    lambda: vars(SECRET),
    lambda: int(SECRET),  # type: ignore[call-overload] # a Secret is no number
]


def _fault() -> Exception:
    try:
        _fail(SECRET)
    except RuntimeError as fault:
        return fault
    raise AssertionError


def _fail(secret: Secret) -> None:
    raise RuntimeError("cannot use", secret)


@pytest.mark.parametrize("show", SHOWN)
def test_a_secret_never_shows_itself(show: Callable[[], object]) -> None:
    text = str(show())
    assert text
    assert MARK not in text


@pytest.mark.parametrize("take", RAISING)
def test_a_secret_is_not_taken_for_something_else_and_the_error_does_not_show_it(take: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        take()
    assert MARK not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)


def test_a_secret_says_what_it_is() -> None:
    assert str(SECRET) == repr(SECRET) == f"{SECRET}" == "Secret(***)"
    with pytest.raises(TypeError, match=r"^a Secret is not pickled$"):
        pickle.dumps(SECRET)


def test_a_secret_is_read_with_reveal_only() -> None:
    assert Secret("käse").reveal() == "käse".encode()
    assert Secret(b"\xff").reveal() == b"\xff"
    assert Secret("\udcff").reveal() == b"\xff"


def test_a_text_that_is_no_unicode_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match=r"^the secret is not valid Unicode text$") as caught:
        Secret(MARK + "\ud800")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_secrets_are_compared_by_what_they_hold() -> None:
    assert Secret(MARK) == Secret(MARK.encode())
    assert hash(Secret(MARK)) == hash(Secret(MARK.encode()))
    assert Secret(MARK) != Secret("other")
    assert Secret(MARK) != MARK
    assert len(Secret(MARK)) == len(MARK)
    assert not Secret("")


def test_a_fingerprint_depends_on_key_vendor_and_token() -> None:
    base = Fingerprinter(Secret("key"))("8x8", Secret(MARK))
    assert base == Fingerprinter(Secret("key"))("8x8", Secret(MARK))
    others = {
        Fingerprinter(Secret("other"))("8x8", Secret(MARK)),
        Fingerprinter(Secret("key"))("ringcentral", Secret(MARK)),
        Fingerprinter(Secret("key"))("8x8", Secret("other")),
        Fingerprinter(Secret("key"))("8x", Secret("8" + MARK)),
    }
    assert len(others | {base}) == 5
    assert {len(print_) for print_ in others} == {16}


def test_a_fingerprinter_can_be_used_again_and_takes_long_keys() -> None:
    fingerprint = Fingerprinter(Secret("k" * 65))
    assert fingerprint("a", Secret("1")) == fingerprint("a", Secret("1")) != fingerprint("a", Secret("2"))


def test_a_fingerprinter_without_a_key_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=r"^a fingerprint needs a key$"):
        Fingerprinter(Secret(""))


@pytest.mark.parametrize("field", [b"Bearer abc", b"bearer abc", b"BEARER abc", b"bEARER  abc", b"Bearer   abc"])
def test_a_bearer_token_is_read_under_any_case_of_the_scheme(field: bytes) -> None:
    assert bearer_token(field) == Secret(b"abc")


@pytest.mark.parametrize("token", [b"a", b"A-._~+/9", b"abc=", b"abc==", b"eyJ.a.b", b"a" * MAX_TOKEN_BYTES])
def test_every_b64token_is_a_token(token: bytes) -> None:
    assert bearer_token(b"Bearer " + token) == check_token(token) == Secret(token)


@pytest.mark.parametrize(
    "field", [b"", b"Basic abc", b"Digest a=b", b"Bearers abc", b"Bear abc", b"abc", b" Bearer abc", b"Basic", b"Bearer-x a"]
)
def test_another_scheme_carries_no_bearer_token(field: bytes) -> None:
    assert bearer_token(field) is None


def test_the_scheme_is_the_vendors() -> None:
    assert bearer_token(b"token abc", b"Token") == Secret(b"abc")
    assert bearer_token(b"Bearer abc", b"Token") is None


SPACE = "the authorization scheme and the access token are not parted by a space"
CHARACTERS = "the access token is empty or has characters that RFC 6750 does not allow"
LENGTH = "the access token is longer than 8192 bytes"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b"Bearer", CHARACTERS),
        (b"Bearer ", CHARACTERS),
        (b"Bearer   ", CHARACTERS),
        (b"Bearer =", CHARACTERS),
        (b"Bearer a b", CHARACTERS),
        (b"Bearer a\tb", CHARACTERS),
        (b"Bearer \tab", CHARACTERS),
        (b"Bearer a ", CHARACTERS),
        (b"Bearer a,Bearer b", CHARACTERS),
        (b"Bearer a=b", CHARACTERS),
        (b"Bearer a\xa0", CHARACTERS),
        (b"Bearer \xc2\xa0a", CHARACTERS),
        (b"Bearer a\n", CHARACTERS),
        (b'Bearer "a"', CHARACTERS),
        (b"Bearer\ta", SPACE),
        (b"Bearer\xa0a", SPACE),
        (b"bearer\xc2\xa0a", SPACE),
        (b"Bearer/a", SPACE),
        (b"Bearer,Basic a", SPACE),
        (b"Bearer " + b"a" * (MAX_TOKEN_BYTES + 1), LENGTH),
    ],
)
def test_a_token_with_two_readings_is_refused(field: bytes, message: str) -> None:
    with pytest.raises(CredentialError, match=f"^{message}$"):
        bearer_token(field)
