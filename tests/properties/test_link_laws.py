"""Laws of rewriting links, against the plain way: read the JSON, exchange the links, compare what both mean."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.links import Home, Links
from proxy.protocol.targets import BadTarget, parse_target

LINKS = Links(
    [Home("https", "platform.example.com", 443, "/rc"), Home("http", "media.example.com", 81, "/rc/scopegate-media")], "https://proxy.test"
)
PREFIXES = {
    ("https", "platform.example.com", 443): "https://proxy.test/rc",
    ("http", "media.example.com", 81): "https://proxy.test/rc/scopegate-media",
}
ORIGINS = ("https://platform.example.com", "http://media.example.com:81")
PIECES = (
    "https://", "http://", "HTTPS://", "//", "platform.example.com", "media.example.com", "PLATFORM.example.com", "proxy.test",
    ":443", ":81", ":", "@", "/", "/a", "/restapi/v1.0", "?", "x=1&y=%2F", "#", "..", "\\", '"', " ", "\n", "é", "\U0001f600",
    "{id}", "%2F", "%", "u0068", ",",
)  # fmt: skip
tails = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
strings = tails | st.builds(str.__add__, st.sampled_from(ORIGINS), tails)
values = st.recursive(
    strings | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)


def expected(value: Any) -> Any:
    """What the value means after the plain way."""
    if isinstance(value, str):
        return exchanged(value)
    if isinstance(value, list):
        return [expected(item) for item in value]
    return {name: expected(item) for name, item in value.items()} if isinstance(value, dict) else value


def exchanged(url: str) -> str:
    found = re.match(r"(?i)(https?)://([a-z.]+)(?::([0-9]*))?(?=[/?#]|\Z)", url)
    if found is None or not url.isascii():
        return url
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    prefix = PREFIXES.get((scheme, host, int(port) if port else {"https": 443, "http": 80}[scheme]))
    rest = url[found.end() :]
    target = rest.partition("#")[0]
    parsed = parse_target((target if target.startswith("/") else "/" + target).encode())
    return url if prefix is None or isinstance(parsed, BadTarget) else prefix + rest


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """A JSON text of `value`: blanks anywhere, every character of a string in any spelling."""
    blank = st.sampled_from(("", " ", "\n", "\t \r"))
    if isinstance(value, str):
        return f'"{"".join(draw(st.sampled_from(spellings(c))) for c in value)}"'
    if isinstance(value, list):
        return f"[{','.join(draw(blank) + draw(spelled(item)) + draw(blank) for item in value)}]"
    if isinstance(value, dict):
        pairs = (draw(spelled(name)) + draw(blank) + ":" + draw(blank) + draw(spelled(item)) for name, item in value.items())
        return f"{{{','.join(draw(blank) + pair + draw(blank) for pair in pairs)}}}"
    return json.dumps(value)


def spellings(character: str) -> list[str]:
    units = character.encode("utf-16-be")
    ways = ["".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))]
    ways += [ways[0].replace("u00", "u00").swapcase().replace("U", "u")]
    ways += [json.dumps(character)[1:-1], json.dumps(character, ensure_ascii=False)[1:-1]] * 3
    return [*ways, "\\/"] if character == "/" else ways


@given(st.data(), values)
def test_it_means_the_same_but_for_the_links(data: st.DataObject, value: Any) -> None:
    text = data.draw(spelled(value))
    new = LINKS.rewrite_json(text.encode(), b"host.test")
    assert json.loads(text if new is None else new) == expected(value)
    assert (new is None) == (expected(value) == value)


@given(st.data(), values)
def test_it_changes_nothing_the_second_time(data: st.DataObject, value: Any) -> None:
    text = data.draw(spelled(value)).encode()
    new = LINKS.rewrite_json(text, b"host.test")
    assert new is None or LINKS.rewrite_json(new, b"host.test") is None


STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def is_spliced(old: str, new: str) -> bool:
    """Whether one JSON string became the other by an exchange of its beginning."""
    return any(new.startswith(f'"{prefix}') and old.endswith(new[len(prefix) + 1 :]) for prefix in PREFIXES.values())


@given(st.data(), values)
def test_everything_outside_the_exchanged_strings_stays(data: st.DataObject, value: Any) -> None:
    text = data.draw(spelled(value))
    new = (LINKS.rewrite_json(text.encode(), b"host.test") or text.encode()).decode()
    assert STRING.split(new) == STRING.split(text)
    assert all(old == now or is_spliced(old, now) for old, now in zip(STRING.findall(text), STRING.findall(new), strict=True))


@given(st.binary(max_size=200) | st.lists(st.sampled_from([piece.encode() for piece in PIECES]), max_size=30).map(b"".join))
def test_any_bytes_are_taken(text: bytes) -> None:
    new = LINKS.rewrite_json(text, b"host.test")
    assert new is None or b"proxy.test" in new
