"""What a configuration says, key by key and with every default, and the revision that names it. Nothing of a secret is in either.

Whatever came from a variable or a file (`${…}`), and whatever is a secret by its type, is hidden: it can be compared, not shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from proxy.catalogs.catalog import Catalog
from proxy.settings.expand import MASK
from proxy.settings.problems import KeyPath
from proxy.settings.values import Address, Origin, Section

REVISION_DIGITS: Final = 12
_PLAIN: Final = (str, int, float, bool, type(None))
_NAMES: Final = ("name", "issuer")
"""What tells the items of a list of sections apart; else their place in the list does."""


class Entry(NamedTuple):
    """One value: where it stands in the file (list indexes counted), and its text, `***` where it is hidden."""

    place: KeyPath
    text: str


@dataclass(frozen=True, slots=True)
class Entries:
    """Every value of a configuration by its key. `hidden` are those that must not be shown."""

    told: Mapping[KeyPath, Entry]
    hidden: Mapping[KeyPath, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)


class _Walk:
    """Collects the values of sections. `secret` are the paths (with list indexes) of values that came from elsewhere."""

    def __init__(self, secret: frozenset[KeyPath], directory: Path) -> None:
        self._secret = {path[:end] for path in secret for end in range(len(path) + 1)}
        self._directory = directory
        self.told: dict[KeyPath, Entry] = {}
        self.hidden: dict[KeyPath, object] = {}

    def value(self, value: object, path: KeyPath, place: KeyPath) -> None:
        for name, step, item in _items(value):
            self.value(item, (*path, name), (*place, step))
        if not _is_nest(value):
            self._leaf(value, path, place)

    def _leaf(self, value: object, path: KeyPath, place: KeyPath) -> None:
        text = MASK if place in self._secret else self._text(value)
        self.told[path] = Entry(place, text)
        if text == MASK:
            self.hidden[path] = value

    def _text(self, value: object) -> str:
        """Return a value as JSON writes it. What is of no known harmless type is hidden."""
        if isinstance(value, Address | Origin):
            return _json(str(value))
        if isinstance(value, Path):
            inside = value.is_relative_to(self._directory)
            return _json(str(value.relative_to(self._directory) if inside else value))
        if isinstance(value, tuple):
            parts = [self._text(item) for item in value]
            return MASK if MASK in parts else f"[{', '.join(parts)}]"
        if isinstance(value, Enum):
            value = value.value
        return _json(value) if isinstance(value, _PLAIN) else MASK


def _items(value: object) -> Iterator[tuple[str | int, str | int, object]]:
    """Yield what a section, a mapping or a list of sections holds: its name, its step in the file, and the value."""
    if isinstance(value, Section):
        yield from ((name, name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        yield from ((str(name), str(name), item) for name, item in value.items())
    elif _is_nest(value) and isinstance(value, tuple):
        yield from ((_name(item, index), index, item) for index, item in enumerate(value))


def _is_nest(value: object) -> bool:
    if isinstance(value, tuple) and not isinstance(value, Address):
        return bool(value) and all(isinstance(item, Section) for item in value)
    return isinstance(value, Section | Mapping)


def _name(item: object, index: int) -> str | int:
    return next((str(getattr(item, name)) for name in _NAMES if hasattr(item, name)), index)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode() if not isinstance(value, str) or _is_unicode(value) else MASK


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def entries_of(settings: Section, secret: frozenset[KeyPath], directory: Path) -> Entries:
    """Return every value of `settings`; paths of files count from `directory`, so that it does not matter where that is."""
    walk = _Walk(secret, directory)
    walk.value(settings, (), ())
    return Entries(MappingProxyType(walk.told), MappingProxyType(walk.hidden))


def mark_of(catalog: Catalog) -> str:
    """Return 64 hexadecimal digits that change with what a catalogue says."""
    return hashlib.sha256(orjson.dumps(catalog, default=_ordered, option=orjson.OPT_SORT_KEYS)).hexdigest()


def revision_of(entries: Entries, marks: Mapping[str, str]) -> str:
    """Return 12 hexadecimal digits that change with what a configuration and its catalogues say, secrets left out.

    `marks` are those of the catalogues by vendor. Comments, order and whether a default is written out make no difference: replicas with
    the same files have the same revision.
    """
    state = hashlib.sha256()
    for path in sorted(entries.told, key=repr):
        state.update(orjson.dumps([path, entries.told[path].text], option=orjson.OPT_APPEND_NEWLINE))
    for name in sorted(marks):
        state.update(orjson.dumps([name, marks[name]]))
    return state.hexdigest()[:REVISION_DIGITS]


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} has no fixed order")
