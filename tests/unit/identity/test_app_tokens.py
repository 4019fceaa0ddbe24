"""Tokens of apps: only what an issuer really signed, for us and for now, says who somebody is."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.app_tokens import BELIEVED_S, MAX_REMEMBERED, MAX_TOKEN, Accepted, AppTokens, Keys, Why, looks_like_a_token
from proxy.identity.app_tokens import Issuer as Configured
from proxy.identity.clients import ALGORITHMS, ANONYMOUS, NO_PEER, Badge, Client, Peer, Shown, identify_client
from proxy.identity.issuer_keys import KeySetError, parse_key_set
from tests.fakes.issuer import AUDIENCE, NAME, NOW, Issuer

ISSUER = Issuer()
ISSUER.add("one")
OTHER = Issuer("https://elsewhere.example.com/")
OTHER.add("one")


class Desk:
    """Verifies with the keys that it has, and notes which were missed."""

    def __init__(self, issuer: Issuer = ISSUER, **options: Any) -> None:
        self.keys: Keys = parse_key_set(issuer.public)
        self.missed: list[str] = []
        configured = Configured(NAME, options.pop("audiences", (AUDIENCE,)), **options)
        self.tokens = AppTokens([configured], lambda _: self.keys, self.missed.append)

    def read(self, token: str, wall: float = NOW) -> Accepted | Why:
        return self.tokens.read(token.encode(), wall)


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(header: dict[str, Any]) -> str:
    return f"{encoded(header)}.{encoded({'iss': NAME, 'aud': AUDIENCE, 'sub': 'call-archiver', 'exp': NOW + 600})}."


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_token_of_each_kind_says_who_its_bearer_is(algorithm: str) -> None:
    issuer = Issuer()
    issuer.add("one", algorithm)
    read = Desk(issuer).read(issuer.token(azp="app-7", level=3))
    assert isinstance(read, Accepted)
    assert {Badge(NAME, "sub", "call-archiver"), Badge(NAME, "azp", "app-7")} <= read.badges
    assert read.until == NOW + BELIEVED_S


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", Why.MALFORMED),
        ("a.b.c", Why.MALFORMED),
        ("eyJ.eyJ.x", Why.MALFORMED),
        ("eyJ" + "x" * MAX_TOKEN + "..", Why.MALFORMED),
        (unsigned({"alg": "none"}), Why.ALGORITHM),
        (unsigned({"alg": "HS256", "kid": "one"}), Why.ALGORITHM),
        (OTHER.token(), Why.WRONG_ISSUER),
        (ISSUER.token(without=("iss",)), Why.WRONG_ISSUER),
        (OTHER.token(iss=NAME), Why.BAD_SIGNATURE),
        (ISSUER.token()[:-2] + "AA", Why.BAD_SIGNATURE),
        (ISSUER.token(headers={"kid": "two"}), Why.UNKNOWN_KEY),
        (ISSUER.token(aud="somebody-else"), Why.WRONG_AUDIENCE),
        (ISSUER.token(aud=["x", "y"]), Why.WRONG_AUDIENCE),
        (ISSUER.token(without=("aud",)), Why.MISSING_CLAIM),
        (ISSUER.token(without=("exp",)), Why.MISSING_CLAIM),
        (ISSUER.token(exp=NOW - 31), Why.EXPIRED),
        (ISSUER.token(nbf=NOW + 31), Why.NOT_YET_VALID),
    ],
)
def test_anything_else_says_nothing(token: str, why: Why) -> None:
    desk = Desk()
    assert desk.read(token) is why
    assert desk.tokens.counts[why] == 1
    assert desk.tokens.counts["accepted"] == 0
    assert desk.missed == ([NAME] if why is Why.UNKNOWN_KEY else [])


def test_a_public_key_is_never_a_shared_secret() -> None:
    """RFC 8725 section 2.1: a token signed with the text of the public key as an HMAC secret."""
    secret = json.loads(ISSUER.public)["keys"][0]["x"].encode() * 2
    forged = jwt.encode({"iss": NAME, "aud": AUDIENCE, "exp": NOW + 60, "sub": "call-archiver"}, secret, "HS256", {"kid": "one"})
    assert Desk().read(forged) is Why.ALGORITHM
    assert {name[:2] for name in map(str, ALGORITHMS)} == {"RS", "PS", "ES", "Ed"}


@pytest.mark.parametrize("claims", [{"exp": NOW - 29}, {"nbf": NOW + 29}, {"aud": ["other", AUDIENCE]}])
def test_what_is_within_the_leeway_or_among_others_is_accepted(claims: dict[str, Any]) -> None:
    assert isinstance(Desk().read(ISSUER.token(**claims)), Accepted)


def test_a_key_for_one_algorithm_verifies_no_other() -> None:
    issuer = Issuer()
    issuer.add("one", "RS256")
    desk = Desk(issuer)
    desk.keys = {"one": desk.keys["one"]._replace(algorithm="PS256")}
    assert desk.read(issuer.token()) is Why.ALGORITHM


def test_algorithms_can_be_narrowed() -> None:
    assert Desk(algorithms=("RS256",)).read(ISSUER.token()) is Why.ALGORITHM


def test_a_token_without_a_key_id_is_verified_by_the_only_key() -> None:
    assert isinstance(Desk().read(ISSUER.token(headers={})), Accepted)
    two = Issuer()
    two.add("one")
    two.add("two")
    assert Desk(two).read(two.token(headers={})) is Why.UNKNOWN_KEY


def test_a_verification_is_believed_for_a_while_and_never_beyond_the_end() -> None:
    desk = Desk()
    token = ISSUER.token(exp=NOW + 100)
    read = desk.read(token)
    assert isinstance(read, Accepted)
    assert read.until == NOW + 130
    desk.keys = parse_key_set(OTHER.public)
    assert desk.read(token, NOW + 129) is read
    assert desk.read(token, NOW + 131) is Why.BAD_SIGNATURE
    desk.keys = parse_key_set(ISSUER.public)
    assert desk.read(token, NOW + 131) is Why.EXPIRED


def test_what_was_believed_is_forgotten_when_keys_change() -> None:
    desk = Desk()
    token = ISSUER.token()
    assert isinstance(desk.read(token), Accepted)
    desk.keys = parse_key_set(OTHER.public)
    desk.tokens.forget()
    assert desk.read(token) is Why.BAD_SIGNATURE


def test_memory_of_verifications_is_bounded() -> None:
    desk = Desk()
    accepted = Accepted(frozenset(), NOW + 1)
    for number in range(MAX_REMEMBERED + 5):
        desk.tokens._remember(number.to_bytes(4, "big"), accepted)
    assert len(desk.tokens._remembered) == MAX_REMEMBERED


@given(st.binary(max_size=200) | st.text('eyJ.{}":', max_size=80).map(str.encode))
def test_no_token_is_too_odd(token: bytes) -> None:
    assert isinstance(Desk().tokens.read(token, NOW), Why)
    looks_like_a_token(token)


def test_keys_that_are_no_tokens_are_told_apart() -> None:
    assert looks_like_a_token(ISSUER.token().encode())
    for key in (b"plain-key", b"a.b.c", b"eyJ.x", b"eyJ.a.b.c", b""):
        assert not looks_like_a_token(key)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"keys": []}', b'{"keys": [1]}', b'{"keys": [{"kty": "oct", "k": "AA"}]}', b'{"keys": [{"kty": "RSA"}]}']
)
def test_what_is_no_key_set_is_told_without_repeating_it(data: bytes) -> None:
    with pytest.raises(KeySetError):
        parse_key_set(data)


# --- from token to client -----------------------------------------------------------------------------------

BADGE = Badge(NAME, "sub", "call-archiver")
ARCHIVER = Client("archiver", badge=BADGE)
KEYED = Client("keyed", san="DNS:a.example")
CLIENTS = (ARCHIVER, KEYED, Client("twin-1", badge=Badge(NAME, "azp", "x")), Client("twin-2", badge=Badge(NAME, "role", "y")))


@pytest.mark.parametrize(
    ("shown", "peer", "name", "problem"),
    [
        (Shown(frozenset({BADGE})), NO_PEER, "archiver", ""),
        (Shown(frozenset({BADGE._replace(issuer="other")})), NO_PEER, "unidentified", "no_such_client"),
        (Shown(frozenset({BADGE._replace(claim="azp")})), NO_PEER, "unidentified", "no_such_client"),
        (Shown(problem="expired"), NO_PEER, "unidentified", "expired"),
        (Shown(frozenset({Badge(NAME, "azp", "x"), Badge(NAME, "role", "y")})), NO_PEER, "unidentified", "several_clients"),
        (Shown(frozenset({BADGE})), Peer("", frozenset({"DNS:a.example"})), "unidentified", ""),
        (Shown(problem="expired"), Peer("", frozenset({"DNS:a.example"})), "unidentified", ""),
    ],
)
def test_claims_identify_one_client_or_nobody(shown: Shown, peer: Peer, name: str, problem: str) -> None:
    client = identify_client(CLIENTS, b"eyJ.a.b", peer, shown)
    assert (client.name, client.problem, client.known) == (name, problem, name != "unidentified")


def test_without_clients_everybody_is_anonymous() -> None:
    assert identify_client((), b"eyJ.a.b", NO_PEER, Shown(problem="expired")) is ANONYMOUS
