"""One request target, one meaning: the path that is judged is byte for byte the path that is sent.

Pure. A target that two servers could read differently is refused with a reason, for everybody, before matching.
Sources: RFC 3986 (characters, dot segments), RFC 9112 section 3.2 (origin-form), RFC 3629 (UTF-8 without overlong forms).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH: Final = _UNRESERVED + b"!$&'()*+,=:@/"
"""Path characters with one meaning: RFC 3986 `pchar` and `/`, without `%` (looked at closely) and `;` (path parameters)."""
_QUERY: Final = _UNRESERVED + b"!$&'()*+,=:@/%?;[]{}|\"<>^`\\"
"""Query characters: what clients really send. The query never chooses the operation, so it may be looser than the path."""
UNKNOWN_MARKED: Final = bytes(octet if octet in _QUERY else octet == 0 for octet in range(256))
"""A table for `bytes.translate` that leaves alone what consists of query characters, and nothing else: cheaper than deleting them."""
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})?")
_NEVER_ENCODED = {ord("/"): "encoded_slash", ord("\\"): "encoded_backslash", ord("%"): "double_encoding", 0: "nul"}
_ENCODED_DELIMITERS = frozenset(b"?#;")
_INVISIBLE_CATEGORIES: Final = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"})
_IGNORABLE: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that show nothing (Unicode Default_Ignorable_Code_Point, outside those categories; and the empty Braille cell)."""

REASONS: Final = frozenset(
    (
        "query_characters", "not_origin_form", "empty_segment", "dot_segment", "bad_percent_encoding", "backslash", "fragment",
        "path_parameters", "path_characters", "encoded_slash", "encoded_backslash", "double_encoding", "nul", "control_character",
        "encoded_delimiter", "needless_encoding", "invalid_utf8", "confusable_character", "invisible_character",
    )
)  # fmt: skip
"""Every reason for which a target is refused by itself."""

AMBIGUOUS_PATH: Final = "ambiguous_path"
"""The reason for a path that a vendor could read as that of another operation."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Target:
    """A request target in origin-form: `path` and raw `query` (None where there is no `?`), both as they came."""

    path: str
    query: str | None

    def __init__(self, path: str, query: str | None) -> None:  # written out because one is made for every request
        self.path = path
        self.query = query

    def raw(self) -> str:
        """Return the target as it is sent."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def parameters(self, name: str) -> tuple[str, ...]:
        """Return the decoded values of every query parameter called `name`, in order."""
        return query_values(self.query, name)


@dataclass(frozen=True, slots=True)
class BadTarget:
    """The target is refused. `reason` is a stable word, `detail` a sentence; neither repeats what was sent."""

    reason: str
    detail: str


def parse_target(raw: bytes) -> Target | BadTarget:
    """Read an origin-form target, or say why it is refused."""
    path, mark, query = raw.partition(b"?")
    bad = bad_path(path)
    if bad is not None:
        return bad
    if not mark:
        return Target(path.decode("ascii"), None)
    return bad_query(query) or Target(path.decode("ascii"), query.decode("ascii"))


def bad_query(query: bytes) -> BadTarget | None:
    """Say why a raw query (without `?`) is refused, or None."""
    if query.translate(UNKNOWN_MARKED) != query:
        return BadTarget("query_characters", "the query has characters that must be percent-encoded")
    return None


def bad_path(path: bytes) -> BadTarget | None:
    """Say why a raw path is refused, or None."""
    if path[:1] != b"/":
        return BadTarget("not_origin_form", "the request target must be a path that begins with '/'")
    bad = _bad_path_characters(path) if path.translate(None, _PATH) else None
    if bad is not None:
        return bad
    if b"//" in path:
        return BadTarget("empty_segment", "the path has an empty segment ('//'), which servers read differently")
    if b"/." in path and not {b".", b".."}.isdisjoint(path.split(b"/")):
        return BadTarget("dot_segment", "the path has a '.' or '..' segment, which servers read differently")
    return None


def _bad_path_characters(path: bytes) -> BadTarget | None:
    rest = path.translate(None, _PATH + b"%")
    if rest:
        return _name_raw_character(rest[0])
    for match in _PERCENT.finditer(path):
        if match[1] is None:
            return BadTarget("bad_percent_encoding", "the path has a '%' that is not followed by two hexadecimal digits")
        bad = _bad_encoded_octet(int(match[1], 16))
        if bad is not None:
            return bad
    return _bad_unicode(unquote_to_bytes(path))


def _name_raw_character(octet: int) -> BadTarget:
    if octet == ord("\\"):
        return BadTarget("backslash", "the path has a backslash, which some servers read as '/'")
    if octet == ord("#"):
        return BadTarget("fragment", "the request target has a fragment ('#')")
    if octet == ord(";"):
        return BadTarget("path_parameters", "the path has ';', which some servers cut off before routing")
    return BadTarget("path_characters", "the path has characters that RFC 3986 does not allow there")


def _bad_encoded_octet(octet: int) -> BadTarget | None:
    if octet in _NEVER_ENCODED:
        return BadTarget(_NEVER_ENCODED[octet], "the path has a percent-encoded character that servers decode at different times")
    if octet < 0x20 or octet == 0x7F:
        return BadTarget("control_character", "the path has a percent-encoded control character")
    if octet in _ENCODED_DELIMITERS:
        return BadTarget("encoded_delimiter", "the path has a percent-encoded '?', '#' or ';'")
    if octet in _UNRESERVED and octet != ord("~"):
        return BadTarget("needless_encoding", "the path has a percent-encoded letter, digit, '-', '.' or '_': send it as it is")
    return None


def _bad_unicode(decoded: bytes) -> BadTarget | None:
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        return BadTarget("invalid_utf8", "the percent-encoded path is not valid UTF-8")
    if text.isascii():
        return None
    foreign = [character for character in text if not character.isascii()]
    if any(_ascii_count(unicodedata.normalize("NFKC", character)) for character in foreign) or _composes_ascii(text):
        return BadTarget("confusable_character", "the path has a character that some servers fold into an ASCII one")
    if any(unicodedata.category(character) in _INVISIBLE_CATEGORIES or _IGNORABLE.match(character) for character in foreign):
        return BadTarget("invisible_character", "the path has an invisible or unassigned character")
    return None


def _composes_ascii(text: str) -> bool:
    """Say whether an ASCII letter melts into a combining mark behind it."""
    return _ascii_count(unicodedata.normalize("NFKC", text)) != _ascii_count(text)


def _ascii_count(text: str) -> int:
    return sum(character.isascii() for character in text)


def ambiguous_path(route: str) -> BadTarget:
    """Return why a path is refused that differs from `route`, a template of the catalogue, in letter case or a slash at its end."""
    return BadTarget(AMBIGUOUS_PATH, f"the path differs from {route} only in letter case or a slash at the end; write it like that")


def query_values(query: str | None, name: str) -> tuple[str, ...]:
    """Return the decoded values of every parameter called `name` in a raw query, in order.

    Names are compared after decoding, so `access%5Ftoken` is found too. Only `&` separates (WHATWG URL).
    """
    if not query or (name not in query and "%" not in query and "+" not in query):
        return ()
    pairs = (part.partition("=") for part in query.split("&"))
    return tuple(unquote_plus(value) for key, _, value in pairs if unquote_plus(key) == name)
