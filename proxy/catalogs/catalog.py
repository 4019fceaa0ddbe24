"""The operations of one vendor, and which of them a request means: a compiled route trie.

Pure. A template has whole segments as parameters; a literal segment beats a parameter; two operations that match the
same requests are an error. Look-up costs one dictionary access per path segment, whatever the number of routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from proxy.model import KnownError, Operation, RefusalPattern, RefusalTemplate, ScopeInfo, TokenEndpoint, TokenPlace


class CatalogError(ValueError):
    """The operations contradict each other; the message says which and why."""


class Match(NamedTuple):
    """An operation and the values of its path parameters, in the order of the template."""

    operation: Operation
    parameters: tuple[str, ...]

    def parameter(self, name: str) -> str | None:
        """Return the raw (still percent-encoded) value of the path parameter `name`, or None."""
        names = [part[1:-1] for part in self.operation.route.split("/") if is_parameter(part)]
        return self.parameters[names.index(name)] if name in names else None


class _Node:
    """One segment of the trie: literal children, one parameter child, and the operations that end here by method."""

    __slots__ = ("literals", "operations", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.operations: dict[str, Operation] = {}

    def child(self, segment: str) -> _Node:
        """Return the child for a template segment, making it where it is missing."""
        if not is_parameter(segment):
            return self.literals.setdefault(unquote(segment), _Node())
        if self.parameter is None:
            self.parameter = _Node()
        return self.parameter


def is_parameter(segment: str) -> bool:
    """Say whether a template segment stands for any value."""
    return len(segment) > 2 and segment[0] == "{" and segment[-1] == "}"


def fold(path: str) -> str:
    """Return a path as servers read it that ignore letter case and one slash at the end."""
    return path.removesuffix("/").casefold()


def _fold(operations: Iterable[Operation]) -> _Node:
    """Return the trie of all routes as such servers read them; of those that become one, the first stands for all."""
    root = _Node()
    for operation in operations:
        node = root
        for segment in operation.route.removesuffix("/").split("/")[1:]:
            node = node.child(segment if is_parameter(segment) else unquote(segment).casefold())
        node.operations.setdefault(operation.method, operation)
    return root


def _words(node: _Node) -> Iterator[str]:
    yield from node.literals
    for child in (*node.literals.values(), *((node.parameter,) if node.parameter is not None else ())):
        yield from _words(child)


def _add(root: _Node, operation: Operation) -> None:
    if not operation.route.startswith("/"):
        raise CatalogError(f"the path of operation {operation.id!r} does not begin with '/': {operation.route}")
    node = root
    for segment in operation.route.split("/")[1:]:
        node = node.child(segment)
    other = node.operations.setdefault(operation.method, operation)
    if other is not operation:
        raise CatalogError(f"operations {other.id!r} and {operation.id!r} match the same requests: {operation.method} {operation.route}")


def _find(node: _Node, segments: list[str], depth: int, method: str, values: list[str]) -> Operation | None:
    """Walk the trie, literals first; step back from a branch that has no such route or method.

    Literals are compared decoded: `%3A` and `:` are one character to the vendor, so they must be one route here.
    """
    if depth == len(segments):
        return node.operations.get(method)
    segment = segments[depth]
    literal = node.literals.get(unquote(segment))
    if literal is not None:
        found = _find(literal, segments, depth + 1, method, values)
        if found is not None:
            return found
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    found = _find(node.parameter, segments, depth + 1, method, values)
    if found is None:
        values.pop()
    return found


def implied_by(scopes: Mapping[str, ScopeInfo]) -> dict[str, frozenset[str]]:
    """Turn "A implies B" into "B is implied by A", transitively. Cycles are harmless."""
    holders: dict[str, set[str]] = {}
    for name in scopes:
        for implied in _closure(name, scopes):
            holders.setdefault(implied, set()).add(name)
    return {name: frozenset(by) for name, by in holders.items()}


def _closure(name: str, scopes: Mapping[str, ScopeInfo]) -> set[str]:
    seen: set[str] = set()
    todo = list(scopes[name].implies)
    while todo:
        implied = todo.pop()
        if implied in seen or implied == name:
            continue
        seen.add(implied)
        if implied in scopes:
            todo.extend(scopes[implied].implies)
    return seen


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything a vendor's catalogue file says, compiled. Build it with `compile_catalog`."""

    vendor: str
    source: str
    scopes: Mapping[str, ScopeInfo]
    aliases: Mapping[str, str]
    operations: tuple[Operation, ...]
    implied_by: Mapping[str, frozenset[str]]
    token_endpoints: tuple[TokenEndpoint, ...] = ()
    token_in: TokenPlace | None = None
    refusal: RefusalTemplate | None = None
    recognise: tuple[RefusalPattern, ...] = ()
    errors: tuple[KnownError, ...] = ()
    _root: _Node = field(default_factory=_Node, repr=False, compare=False)
    _folded: _Node = field(default_factory=_Node, repr=False, compare=False)
    _words: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def find(self, method: str, path: str) -> Match | None:
        """Return the operation that `method` on `path` means, or None. HEAD counts as GET (RFC 9110 section 9.3.2)."""
        if not path.startswith("/"):
            return None
        values: list[str] = []
        operation = _find(self._root, path.split("/"), 1, "GET" if method == "HEAD" else method, values)
        return None if operation is None else Match(operation, tuple(values))

    def near(self, method: str, path: str, match: Match | None) -> Operation | None:
        """Return the operation, another than `match`, that a server which ignores letter case or a slash at the end reads in `path`.

        Where there is a match, only a parameter whose value is spelled like a literal of some route can make such a difference.
        """
        if match is not None and self._words.isdisjoint([unquote(value).casefold() for value in match.parameters]):
            return None
        segments = [unquote(part).casefold() for part in path.removesuffix("/").split("/")]
        found = _find(self._folded, segments, 1, "GET" if method == "HEAD" else method, [])
        if found is None or (match is not None and fold(found.route) == fold(match.operation.route)):
            return None
        return found

    def by_id(self, operation_id: str) -> Operation | None:
        """Return the operation with this id, or None."""
        return next((operation for operation in self.operations if operation.id == operation_id), None)

    def canonical(self, scopes: Iterable[str]) -> frozenset[str]:
        """Replace alias names of scopes by the names that requirements use."""
        return frozenset(self.aliases.get(name, name) for name in scopes)

    def scope(self, name: str) -> ScopeInfo:
        """Return what is known about a scope; a bare `ScopeInfo` for one the catalogue does not describe."""
        return self.scopes.get(name) or ScopeInfo(name, title=name)

    def routes(self) -> Iterator[str]:
        """Yield every distinct route template, in catalogue order."""
        yield from dict.fromkeys(operation.route for operation in self.operations)


def compile_catalog(
    vendor: str,
    operations: Iterable[Operation],
    *,
    source: str = "",
    scopes: Mapping[str, ScopeInfo] | None = None,
    aliases: Mapping[str, str] | None = None,
    token_endpoints: tuple[TokenEndpoint, ...] = (),
    token_in: TokenPlace | None = None,
    refusal: RefusalTemplate | None = None,
    recognise: tuple[RefusalPattern, ...] = (),
    errors: tuple[KnownError, ...] = (),
) -> Catalog:
    """Compile operations into a `Catalog`; raise `CatalogError` where two of them match the same requests or share an id."""
    rows, root, ids = tuple(operations), _Node(), set[str]()
    for operation in rows:
        if operation.id in ids:
            raise CatalogError(f"operation id {operation.id!r} is used twice")
        ids.add(operation.id)
        _add(root, operation)
    infos, folded = scopes or {}, _fold(rows)
    return Catalog(
        vendor,
        source,
        infos,
        aliases or {},
        rows,
        implied_by(infos),
        token_endpoints,
        token_in,
        refusal,
        recognise,
        errors,
        root,
        folded,
        frozenset(_words(folded)),
    )
