"""Links of a vendor that point back at the proxy: found in JSON texts and header fields, and spliced in place. Pure.

A link is an absolute URL that is a whole JSON string value (RFC 8259 section 7), or a URI reference of `Location`,
`Content-Location` or `Link` (RFC 9110 sections 8.7, 10.2.2; RFC 8288). Only its origin is exchanged: path and query stay as
they are, byte for byte, and so does everything around it. One pass over the text, whatever the text is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.protocol.targets import BadTarget, parse_target

MEDIA_SEGMENT: Final = "/scopegate-media"
"""What follows a mount's path where requests for the vendor's media host begin. Vendors have no such path."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NOT_TO_BE_TRANSFORMED: Final = re.compile(rb"(?:^|\n)cache-control:[^\n]*\bno-transform\b", re.IGNORECASE)
_OF_THE_OLD_BYTES: Final = (b"content-md5", b"digest", b"content-digest", b"repr-digest", b"accept-ranges")
"""Fields that are only true of the bytes the vendor sent (RFC 9530; RFC 9110 section 14.3)."""
_ORDINARY: Final = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*+)*+(?:\?[A-Za-z0-9._~!$&'()*+,=:@/%?-]*+)?")
"""What follows the origin in nearly every link: nothing the proxy would refuse (`targets` says what that is)."""
_ONE_LINK: Final = (b"location", b"content-location")
_LINK_PART: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|<([^<>"]*+)>')
"""What a `Link` field is made of as far as it matters: quoted strings are passed over, targets are looked at (RFC 8288 section 3)."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where an origin of the vendor is found behind the proxy: `path` is the mount's. `only`: the paths that are (default: all)."""

    scheme: str
    host: str
    port: int
    path: str
    only: frozenset[str] = frozenset()


class Links:
    """Points the vendor's own addresses at `public`: an origin, or "" for the one by which the request itself calls the proxy.

    `path` is that of the mount whose answers are read: relative references there count from it. `authority` stands in for a
    request without a host (HTTP/1.0), `scheme` is that of the listener.
    """

    def __init__(self, homes: Sequence[Home], public: str, path: str = "", authority: str = "", scheme: str = "http") -> None:
        self._homes = tuple(homes)
        self._paths = tuple(home.path.encode("ascii") for home in homes)
        self._public = public.encode("ascii")
        self._path = path.encode("ascii")
        self._authority = authority.encode("ascii")
        self._scheme = scheme.encode("ascii")
        groups = "|".join(f"({_origin_pattern(home, _in_json)})" for home in homes)
        end = '[/?#"]|\\\\/|\\\\u002[fF]|\\\\u003[fF]|\\\\u0023'
        rest = r'[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
        self._in_text = re.compile(rf'"(?=[hH\\])(?<!\\")(?:{groups})(?={end})({rest})"(?![ \t\r\n]*+:)'.encode("ascii"))
        groups = "|".join(f"({_origin_pattern(home, _in_field)})" for home in homes)
        self._in_field = re.compile(rf"(?:{groups})(?=[/?#]|\Z)(.*)".encode("ascii"), re.DOTALL)

    def at(self, path: str) -> Links:
        """Return the same links for the answers of another mount of this vendor."""
        return Links(self._homes, self._public.decode("ascii"), path, self._authority.decode("ascii"), self._scheme.decode("ascii"))

    def rewrite_json(self, text: bytes, host: bytes) -> bytes | None:
        """Return a JSON text in UTF-8 with the vendor's links exchanged, or None where it has none.

        `host` is the request's Host field. Member names, and links that the proxy itself would refuse, stay as they are.
        """
        if (b"://" not in text and b"\\" not in text) or self._in_text.search(text) is None:  # the first look is by far the cheaper one
            return None
        prefixes = self._prefixes(host)
        parts: list[bytes] = []
        end = 0
        for match in self._in_text.finditer(text):
            new = self._exchanged(match, prefixes, _json_text)
            if new is not None:
                parts += (text[end : match.start() + 1], new)
                end = match.end() - 1
        return b"".join((*parts, text[end:])) if parts else None

    def _prefixes(self, host: bytes) -> tuple[bytes, ...]:
        """Return what each origin is exchanged for."""
        public = self._public or b"%b://%b" % (self._scheme, host or self._authority)
        return tuple(public + path for path in self._paths)

    def rewrite_fields(self, block: bytes, host: bytes) -> bytes:
        """Return header lines with the vendor's links in `Location`, `Content-Location` and `Link` exchanged."""
        prefixes = self._prefixes(host)
        return b"\r\n".join(self._line(line, prefixes) for line in block.split(b"\r\n"))

    def _line(self, line: bytes, prefixes: tuple[bytes, ...]) -> bytes:
        name, colon, value = line.partition(b":")
        key, plain = name.lower(), value.strip(b" \t")
        if key in _ONE_LINK:
            return line if (new := self._reference(plain, prefixes)) is None else b"%b%b %b" % (name, colon, new)
        if key == b"link":
            return b"%b%b %b" % (name, colon, _LINK_PART.sub(lambda match: self._link_part(match, prefixes), plain))
        return line

    def _link_part(self, match: re.Match[bytes], prefixes: tuple[bytes, ...]) -> bytes:
        new = None if match[1] is None else self._reference(match[1], prefixes)
        return match[0] if new is None else b"<%b>" % new

    def _reference(self, reference: bytes, prefixes: tuple[bytes, ...]) -> bytes | None:
        """Return a URI reference that leads to the same place through the proxy, None where it may stay (RFC 3986 section 4.2)."""
        if reference[:1] == b"/" and reference[:2] != b"//":
            return self._path + reference if self._path else None
        match = self._in_field.fullmatch(reference)
        return None if match is None else self._exchanged(match, prefixes, _plain_text)

    def _exchanged(self, match: re.Match[bytes], prefixes: tuple[bytes, ...], read: Callable[[bytes], bytes]) -> bytes | None:
        """Return the new address of a link, or None where it stays."""
        *origins, rest = match.groups()
        at = next(at for at, origin in enumerate(origins) if origin is not None)
        only = self._homes[at].only
        if only or not _ORDINARY.fullmatch(rest):
            target, _, _ = read(rest).partition(b"#")
            parsed = parse_target(target if target[:1] == b"/" else b"/" + target)
            if isinstance(parsed, BadTarget) or (only and parsed.path not in only):
                return None
        return prefixes[at] + rest


def _json_text(rest: bytes) -> bytes:
    """Return what the inside of a JSON string stands for; something no target may be where that is not ASCII text."""
    if b"\\" not in rest:
        return rest
    try:
        text: str = json.loads(b'"%b"' % rest)
        return text.encode("ascii")
    except ValueError:
        return b"\\"


def _plain_text(rest: bytes) -> bytes:
    return rest


# --- patterns


def _origin_pattern(home: Home, spell: Callable[[str], str]) -> str:
    """Return a pattern for every spelling of an origin: any case, and the port in words or left out (RFC 3986 section 6.2)."""
    host = f"[{home.host}]" if ":" in home.host else home.host
    usual = home.port == _DEFAULT_PORTS[home.scheme]
    port = f"(?:{spell(f':{home.port}')}|{spell(':')})?" if usual else spell(f":{home.port}")
    if spell is _in_field:  # a reference in a field may leave the scheme out
        return f"(?:{spell(home.scheme + ':')})?{spell('//' + host)}{port}"
    return spell(f"{home.scheme}://{host}") + port


def _in_field(text: str) -> str:
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text.lower())


def _in_json(text: str) -> str:
    """Return a pattern for every way in which a JSON string may spell `text`, in any case."""
    return "".join(f"(?:{_json_character(c)})" for c in text.lower())


def _json_character(character: str) -> str:
    ways = [re.escape(character)]
    if character.isalpha():
        ways = [f"[{character}{character.upper()}]", *(f"\\\\u00{_hex(c)}" for c in (character, character.upper()))]
    elif character == "/":
        ways = [r"\\?/", r"\\u002[fF]"]
    else:
        ways.append(f"\\\\u00{_hex(character)}")
    return "|".join(ways)


def _hex(character: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{ord(character):02x}")


# --- what a changed body does to its head


def may_change(block: bytes) -> bool:
    """Say whether the vendor lets an intermediary change the content (`no-transform`, RFC 9111 section 5.2.2.6)."""
    return _NOT_TO_BE_TRANSFORMED.search(block) is None


def as_changed(block: bytes) -> bytes:
    """Return header lines for a body that was changed: its ETag is weak (RFC 9110 section 8.8.1), digests are gone."""
    lines = (_weaker(line) for line in block.split(b"\r\n"))
    return b"\r\n".join(line for line in lines if line.partition(b":")[0].lower() not in _OF_THE_OLD_BYTES)


def as_known(block: bytes, if_none_match: bytes) -> bytes:
    """Return the header lines of a 304 whose ETag is weak if that is how the client knows it (RFC 9111 section 4.3.4)."""
    return b"\r\n".join(weak if _tag(weak := _weaker(line)) in if_none_match else line for line in block.split(b"\r\n"))


def _weaker(line: bytes) -> bytes:
    if line[:5].lower() != b"etag:" or not _tag(line).startswith(b'"'):
        return line
    return b"%b: W/%b" % (line[:4], _tag(line))


def _tag(line: bytes) -> bytes:
    return line.partition(b":")[2].strip(b" \t")


@lru_cache(maxsize=256)
def is_json(content_type: bytes) -> bool:
    """Say whether a media type is JSON, one text at a time (RFC 8259 section 11, RFC 6839 section 3.1)."""
    kind = content_type.partition(b";")[0].strip(b" \t").lower()
    return kind in (b"application/json", b"text/json") or (kind.endswith(b"+json") and not kind.endswith(b"stream+json"))
