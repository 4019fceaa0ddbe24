"""Laws of the request target: what is judged is what is sent, and no other spelling of a path gets through."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote

from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.catalogs.catalog import compile_catalog
from proxy.model import AnyToken, Operation
from proxy.protocol.targets import BadTarget, Target, parse_target, query_values
from tests import strategies as some

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)


def resolve_dots(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    return "/".join(kept)


NORMALISERS: tuple[Callable[[str], str], ...] = (
    unquote,
    lambda path: unquote(unquote(path)),
    lambda path: unquote(path, "latin-1"),
    lambda path: re.sub("//+", "/", path),
    resolve_dots,
    lambda path: re.sub(";[^/]*", "", path),
    lambda path: path.replace("\\", "/"),
    lambda path: unicodedata.normalize("NFKC", path),
    lambda path: unicodedata.normalize("NFC", path),
    lambda path: INVISIBLE.sub("", path),
    lambda path: "".join(character for character in path if character >= " " and character != "\x7f"),
    lambda path: path.split("#")[0].split("?")[0].split("\0")[0],
)


@given(some.raw_targets)
def test_parse_target_never_raises_and_an_accepted_target_is_sent_as_it_came(raw: bytes) -> None:
    target = parse_target(raw)
    if isinstance(target, Target):
        assert target.raw().encode("ascii") == raw
    else:
        assert target.reason
        assert target.detail


@given(some.raw_targets, st.lists(st.sampled_from(NORMALISERS), max_size=6))
def test_no_accepted_path_is_normalised_into_another_path(raw: bytes, normalisers: list[Callable[[str], str]]) -> None:
    target = parse_target(raw)
    assume(isinstance(target, Target))
    assert isinstance(target, Target)
    path = target.path
    for normalise in normalisers:
        path = normalise(path)
    once, changed = unquote(target.path).split("/"), unquote(path).split("/")
    assert len(changed) == len(once)
    for before, after in zip(once, changed, strict=True):
        assert before == after if before.isascii() else not after.isascii()


@given(some.raw_targets, st.lists(st.sampled_from(NORMALISERS), max_size=6))
def test_no_other_spelling_of_a_guarded_route_gets_past_it(raw: bytes, normalisers: list[Callable[[str], str]]) -> None:
    guarded = Operation("vendor", "guarded", "GET", "/a:b/users", AnyToken())
    catalog = compile_catalog("vendor", [guarded, Operation("vendor", "open", "GET", "/{any}/{thing}", AnyToken())])
    target = parse_target(b"/" + raw.lstrip(b"/"))
    assume(isinstance(target, Target))
    assert isinstance(target, Target)
    path = target.path
    for normalise in normalisers:
        path = normalise(path)
    found = catalog.find("GET", target.path)
    if unquote(path) == guarded.route:
        assert found is not None
        assert found.operation is guarded


@given(st.sampled_from(("/a:b/users", "/a:b/fi")), st.data())
def test_a_percent_encoded_spelling_of_a_path_is_refused_or_means_the_same(route: str, data: st.DataObject) -> None:
    catalog = compile_catalog("vendor", [Operation("vendor", "guarded", "GET", route, AnyToken())])
    spelled = "".join(data.draw(st.sampled_from((letter, f"%{ord(letter):02x}", f"%{ord(letter):02X}"))) for letter in route)
    target = parse_target(b"/" + spelled[1:].encode() if spelled[0] == "/" else spelled.encode())
    assert isinstance(target, BadTarget) or catalog.find("GET", target.path) is not None


@given(st.text(min_size=1, max_size=6), st.text(max_size=6), st.data())
def test_query_values_finds_every_encoded_spelling_of_a_name(name: str, value: str, data: st.DataObject) -> None:
    assume(not any("\ud800" <= character <= "\udfff" for character in name + value))
    spelled = "".join(
        data.draw(st.sampled_from((quote_plus(character), "".join(f"%{octet:02x}" for octet in character.encode())))) for character in name
    )
    query = f"x=1&{spelled}={quote(value)}&{quote(name)}-not=2"
    assert query_values(query, name) == (value,) if name != "x" else ("1", value)
    assert query_values(f"{query}&{spelled}", name)[-1] == ""
