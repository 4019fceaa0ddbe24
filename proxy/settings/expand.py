"""`${VAR}`, `${VAR:-default}` and `${file:/path}` in string values; `$$` is a dollar sign.

Whatever came from the environment or a file is a secret from then on: its key path is kept, and texts never repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.settings.document import Document
from proxy.settings.problems import KeyPath, Problem
from proxy.settings.reading import Disk

MAX_EXPANDED_CHARACTERS: Final = 65_536
MASK: Final = "***"
_PIECE = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_MALFORMED = "'${' must be followed by NAME}, NAME:-default} or file:/path}; write '$$' for a dollar sign"


class _CannotExpandError(Exception):
    """A reference has no value; the text says why."""


@dataclass(frozen=True, slots=True, repr=False)
class Expanded:
    """The data with every reference replaced. `secret` are the paths that had one, `failed` those that have no value."""

    data: object
    secret: frozenset[KeyPath]
    failed: frozenset[KeyPath]
    problems: tuple[Problem, ...]


@dataclass(slots=True, repr=False)
class _Pass:
    document: Document
    environ: Mapping[str, str]
    disk: Disk
    secret: set[KeyPath] = field(default_factory=set)
    failed: set[KeyPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def value(self, value: object, path: KeyPath) -> object:
        if isinstance(value, str):
            return self._text(value, path) if "$" in value else value
        if isinstance(value, dict):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str:
        try:
            return "".join(self._pieces(text, path))
        except _CannotExpandError as error:
            self.failed.add(path)
            self.problems.append(self.document.problem(path, str(error)))
            return ""

    def _pieces(self, text: str, path: KeyPath) -> Iterator[str]:
        end = length = 0
        for match in _PIECE.finditer(text):
            piece = "$" if match[0] == "$$" else self._reference(match[1], path)
            length += len(piece)
            if length > MAX_EXPANDED_CHARACTERS:
                raise _CannotExpandError(f"the expanded value is longer than {MAX_EXPANDED_CHARACTERS} characters")
            yield text[end : match.start()] + piece
            end = match.end()
        yield text[end:]

    def _reference(self, reference: str | None, path: KeyPath) -> str:
        self.secret.add(path)
        if reference is None:
            raise _CannotExpandError(_MALFORMED)
        if reference.startswith("file:"):
            return _read(reference.removeprefix("file:"), self.disk)
        return _variable(reference, self.environ)


def expand(document: Document, environ: Mapping[str, str], disk: Disk | None = None) -> Expanded:
    """Replace every reference in the string values (not the keys) of `document`; failed ones become empty text."""
    work = _Pass(document, environ, disk or Disk())
    data = work.value(document.data, ())
    return Expanded(data, frozenset(work.secret), frozenset(work.failed), tuple(work.problems))


def masked(data: object, secret: frozenset[KeyPath], path: KeyPath = ()) -> object:
    """Return a copy of `data` that can be shown: `***` in place of every secret."""
    if path in secret:
        return MASK
    if isinstance(data, dict):
        return {key: masked(item, secret, (*path, key)) for key, item in data.items()}
    if isinstance(data, list):
        return [masked(item, secret, (*path, index)) for index, item in enumerate(data)]
    return data


def _variable(reference: str, environ: Mapping[str, str]) -> str:
    match = _VARIABLE.fullmatch(reference)
    if match is None:
        raise _CannotExpandError(_MALFORMED)
    value, default = environ.get(match[1]), match[2]
    if default is not None:
        return value or default
    if value is None:
        raise _CannotExpandError(f"the environment variable {match[1]} is not set")
    return value


def _read(name: str, disk: Disk) -> str:
    """Read a secret file: UTF-8, without the line ends at its end (editors and `echo` add one)."""
    path = Path(name)
    if not path.is_absolute():
        raise _CannotExpandError("the path after 'file:' must be absolute")
    try:
        if not disk.is_regular(path):
            raise _CannotExpandError("the file named after 'file:' does not exist or is not a regular file")
        return disk.read(path, MAX_EXPANDED_CHARACTERS + 1).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _CannotExpandError("the file named after 'file:' is not UTF-8 text") from None
    except (OSError, ValueError):
        raise _CannotExpandError("the file named after 'file:' cannot be read") from None
