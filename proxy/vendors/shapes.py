"""The shape of a real refusal, without anything of the caller whose request was refused.

Pure. Members a vendor module knows become placeholders; any other member is kept only if it cannot tell who asked for what.
Whoever gets the next local answer may be somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from proxy.model import Named
from proxy.vendors.placeholders import escape
from proxy.vendors.resources import bare_resource
from proxy.vendors.seen import Seen

MAX_MEMBERS: Final = 16
MAX_DEPTH: Final = 3
_MEMBER_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{0,40}")
_PLAIN_TEXT = re.compile(r"[A-Za-z ,.:;!?'\"()\[\]{}/_-]{0,200}")
_LONG_WORD = re.compile(r"[A-Za-z_-]{25}")
"""A word this long is more likely an identifier than language."""
_TIME_NAME = re.compile(r"time|date|stamp", re.IGNORECASE)
"""A time in a style that is not understood would be shown for ever."""
_WORD = re.compile(r"[A-Za-z]{4,}")
_OURS: Final = "scopegate"


class _Unsafe:
    """Stands for a value that may not be kept."""


_UNSAFE: Final = _Unsafe()


def private_texts(seen: Seen, *more: str) -> frozenset[str]:
    """Return every text of a request that a shape must not repeat, in lower case: user, resources, path and query values.

    Words of these texts count too, for a refusal may repeat the first half of an address. Literal path segments are nobody's.
    """
    named = seen.resources.resources if isinstance(seen.resources, Named) else frozenset[str]()
    segments = seen.match.parameters if seen.match is not None else seen.target.path.split("/")
    texts = [seen.subject, *more, *(bare_resource(name) for name in named), *(unquote(segment) for segment in segments)]
    texts += [value for _, value in parse_qsl(seen.target.query or "")]
    words = {word for text in texts for word in _WORD.findall(text)}
    return frozenset(text.lower() for text in {*texts, *words, seen.target.path} if len(text) > 1)


def sanitised(body: Mapping[str, object], status: int, known: Mapping[str, object], private: Iterable[str]) -> dict[str, object]:
    """Return the template of a refusal: `known` members as given, in the vendor's order; unknown ones only where they are harmless."""
    cleaner = _Cleaner(status, frozenset(private))
    template: dict[str, object] = {}
    for name, value in body.items():
        kept = known[name] if name in known else cleaner.member(name, value, 1)
        if not isinstance(kept, _Unsafe) and len(template) < MAX_MEMBERS:
            template[name] = kept
    return template


class _Cleaner:
    """Decides which values of one refusal may be kept."""

    def __init__(self, status: int, private: frozenset[str]) -> None:
        self._status = status
        self._private = private

    def member(self, name: str, value: object, depth: int) -> object:
        """Return the value of a member as a template, or `_UNSAFE`."""
        if name == _OURS or not _MEMBER_NAME.fullmatch(name) or _TIME_NAME.search(name) or self._repeats(name):
            return _UNSAFE
        return self.value(value, depth)

    def value(self, value: object, depth: int) -> object:
        """Return a value as a template, or `_UNSAFE`. A structure is kept whole or not at all."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if value == self._status else _UNSAFE
        if isinstance(value, str):
            return self._text(value)
        if not isinstance(value, dict | list) or depth == MAX_DEPTH or len(value) > MAX_MEMBERS:
            return _UNSAFE
        return self._structure(value, depth + 1)

    def _structure(self, value: dict[str, object] | list[object], depth: int) -> object:
        if isinstance(value, list):
            items = [self.value(item, depth) for item in value]
            return _UNSAFE if any(isinstance(item, _Unsafe) for item in items) else items
        members = {name: self.member(name, item, depth) for name, item in value.items()}
        return _UNSAFE if any(isinstance(item, _Unsafe) for item in members.values()) else members

    def _text(self, text: str) -> object:
        harmless = _PLAIN_TEXT.fullmatch(text) and not _LONG_WORD.search(text) and not self._repeats(text)
        return escape(text) if harmless else _UNSAFE

    def _repeats(self, text: str) -> bool:
        lowered = text.lower()
        return any(private in lowered for private in self._private)
