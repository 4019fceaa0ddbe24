"""YAML text → plain data, with the position of every key: strict, bounded, never recursive.

The data is built from parser events rather than from composed nodes: PyYAML's C composer recurses on the C stack and expands
aliases, and its resolver follows YAML 1.1 (see `scalars.py`). Anchors, aliases and tags are refused; so are duplicate keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from proxy.settings.problems import START, KeyPath, Position, Problem, Problems, collect, dotted
from proxy.settings.scalars import resolve

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: slower, same events
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_DEPTH: Final = 24
_ALIAS = "anchors and aliases (&, *) are not allowed: write the value out"
_TAG = "tags (!) are not allowed: put text in quotes instead"


@dataclass(frozen=True, slots=True, repr=False)
class Document:
    """A file's data (mappings with text keys, lists, scalars) and where each key and list item stands."""

    file: str
    data: object
    positions: Mapping[KeyPath, Position]

    def position(self, path: KeyPath) -> Position:
        """Return where `path` stands, or the nearest thing above it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, START)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a problem of this file at `path`."""
        return Problem(self.file, self.position(path), dotted(path), message)


class _UnreadableError(Exception):
    """The document cannot be read further; carries the problem."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position


def read_document(raw: bytes, file: str, max_bytes: int) -> Document | Problems:
    """Read UTF-8 YAML text; `file` is only its name in messages."""
    if len(raw) > max_bytes:
        return collect([Problem(file, START, "", f"the file is larger than {max_bytes} bytes")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return collect([Problem(file, _position_of_byte(raw, error.start), "", "the file is not UTF-8 text")])
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except _UnreadableError as error:
        builder.problems.append(Problem(file, error.position, "", str(error)))
    except yaml.YAMLError as error:
        builder.problems.append(_syntax_problem(error, text, file))
    return collect(builder.problems) if builder.problems else Document(file, builder.root, builder.positions)


class _Open:
    """A mapping or list that has not ended yet."""

    __slots__ = ("key", "path", "value")

    def __init__(self, path: KeyPath, value: dict[str, object] | list[object]) -> None:
        self.path = path
        self.value = value
        self.key: str | None = None


class _Builder:
    """Takes parser events one by one and builds data and positions."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: object = None
        self.positions: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self._stack: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_decorations(event)
            self._scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._refuse_decorations(event)
            self._open(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise _UnreadableError(_mark(event), _ALIAS)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._begin_document(event)

    def _begin_document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _UnreadableError(_mark(event), "the file holds more than one YAML document")

    def _refuse_decorations(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            raise _UnreadableError(_mark(event), _ALIAS)
        if event.tag is not None:
            raise _UnreadableError(_mark(event), _TAG)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event)
        else:
            self._place(event, resolve(event.value) if event.implicit[0] else event.value)

    def _key(self, top: _Open, event: yaml.ScalarEvent) -> None:
        top.key = str(event.value)
        path = (*top.path, top.key)
        if path in self.positions:
            message = f"duplicate key (first on line {self.positions[path].line})"
            self.problems.append(Problem(self.file, _mark(event), dotted(path), message))
        else:
            self.positions[path] = _mark(event)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _UnreadableError(_mark(event), f"values are nested deeper than {MAX_DEPTH} levels")
        value: dict[str, object] | list[object] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Open(self._place(event, value), value))

    def _place(self, event: yaml.NodeEvent, value: object) -> KeyPath:
        """Put a value where it belongs; return its path."""
        if not self._stack:
            self.root = value
            return ()
        top = self._stack[-1]
        if isinstance(top.value, list):
            path = (*top.path, len(top.value))
            self.positions[path] = _mark(event)
            top.value.append(value)
            return path
        if top.key is None:
            raise _UnreadableError(_mark(event), "a key must be plain text")
        path, key, top.key = (*top.path, top.key), top.key, None
        top.value[key] = value
        return path


def _mark(event: yaml.Event) -> Position:
    mark = event.start_mark
    return START if mark is None else Position(mark.line + 1, mark.column + 1)


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """Say where the text stops being YAML. PyYAML's own words name tokens, never the text."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        what = getattr(error, "problem", None) or "unexpected text"
        return Problem(file, Position(mark.line + 1, mark.column + 1), "", f"not valid YAML: {what}")
    offset = getattr(error, "position", 0)
    position = _position_of_byte(text.encode("utf-8"), offset if isinstance(offset, int) else 0)
    return Problem(file, position, "", "not valid YAML: a character that YAML does not allow")


def _position_of_byte(raw: bytes, offset: int) -> Position:
    before = raw[:offset]
    line_start = before.rfind(b"\n") + 1
    return Position(before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1)
