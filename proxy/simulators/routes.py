"""Which operation a request means and which scopes it needs, decided the vendor's way.

Written apart from `proxy/catalogs/catalog.py` and `proxy/prediction.py` on purpose: a test that compares our verdict with a
simulator's must not compare one piece of code with itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the simulated API. `requires` is None where the catalogue does not know."""

    id: str
    method: str
    template: str
    requires: tuple[tuple[str, ...], ...] | None = ()
    auth: str = "bearer"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the path parameters, left to right."""
        return tuple(re.findall(r"\{([^}]*)\}", self.template))

    def satisfied_by(self, held: frozenset[str]) -> bool:
        """Whether a token with these scopes may call the operation."""
        return not self.requires or any(held.issuperset(alternative) for alternative in self.requires)

    def first_missing(self, held: frozenset[str]) -> str:
        """The scope a refusal names: the first one lacking of the first alternative; "" where nothing lacks."""
        if self.satisfied_by(held) or not self.requires:
            return ""
        return next(name for name in self.requires[0] if name not in held)


@dataclass(frozen=True, slots=True)
class Document:
    """What a simulator takes from a catalogue file."""

    operations: tuple[Operation, ...] = ()
    implies: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def closure(self, scopes: Iterable[str]) -> frozenset[str]:
        """Add everything the scopes include, however deep."""
        held = set(scopes)
        todo = list(held)
        while todo:
            fresh = self.implies.get(todo.pop(), frozenset()) - held
            held |= fresh
            todo.extend(fresh)
        return frozenset(held)


class Found(NamedTuple):
    """An operation and the decoded values of its path parameters."""

    operation: Operation
    parameters: Mapping[str, str]


def read_document(document: Mapping[str, Any]) -> Document:
    """Take what a simulator needs from a parsed catalogue; unknown members are ignored."""
    implies = {name: frozenset((info or {}).get("implies") or ()) for name, info in (document.get("scopes") or {}).items()}
    for alias, name in (document.get("aliases") or {}).items():
        implies[alias] = implies.get(alias, frozenset()) | {name}
    return Document(tuple(_operation(row) for row in document.get("operations") or ()), implies)


def _operation(row: Mapping[str, Any]) -> Operation:
    requires = row.get("requires", [])
    known = tuple(tuple(alternative) for alternative in requires) if isinstance(requires, list) else None
    return Operation(str(row["id"]), row["method"], row["path"], known, row.get("auth", "bearer"))


def load_document(path: Path) -> Document:
    """Read a catalogue file; raise OSError or yaml.YAMLError."""
    with path.open("rb") as stream:
        return read_document(yaml.load(stream, Loader=_loader()))  # noqa: S506 - both loaders are safe ones


def _loader() -> Any:
    """The loader in C, or the one in Python where PyYAML was built without libyaml."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped_catalog(vendor: str) -> Path:
    """Where the catalogue of a vendor lies: inside the installed package, or in a checkout's `config`."""
    package = Path(__file__).resolve().parent.parent
    places = (package / "builtin_config" / "catalogs", package.parent / "config" / "catalogs")
    files = [place / f"{vendor}.yaml" for place in places]
    return next((file for file in files if file.is_file()), files[-1])


class RouteTable:
    """The operations of a vendor as regular expressions, most literal first. A trailing slash makes no difference."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._rows: dict[tuple[str, int], list[tuple[re.Pattern[str], Operation]]] = {}
        for operation in sorted(operations, key=_literal_first):
            key = (operation.method, _depth(operation.template))
            self._rows.setdefault(key, []).append((_pattern(operation.template), operation))

    def find(self, method: str, path: str) -> Found | None:
        """Return the operation for a method and a decoded path, or None. HEAD counts as GET."""
        key = ("GET" if method == "HEAD" else method, _depth(path))
        for pattern, operation in self._rows.get(key, ()):
            match = pattern.fullmatch(path.rstrip("/"))
            if match:
                return Found(operation, dict(zip(operation.names, match.groups(), strict=True)))
        return None


def _depth(path: str) -> int:
    return path.rstrip("/").count("/")


def _literal_first(operation: Operation) -> tuple[bool, ...]:
    return tuple(segment.startswith("{") for segment in operation.template.split("/"))


def _pattern(template: str) -> re.Pattern[str]:
    segments = template.rstrip("/").split("/")
    return re.compile("/".join("([^/]+)" if segment.startswith("{") else re.escape(segment) for segment in segments))
