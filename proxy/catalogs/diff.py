"""What two catalogues say differently about who may do what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from proxy.catalogs.catalog import Catalog, is_parameter
from proxy.model import AnyToken, Auth, OneOf, Operation


class Effect(StrEnum):
    """What a change means for whoever calls: some tokens are no longer enough, more are, both, or nobody knows."""

    ADDED = "added"
    REMOVED = "removed"
    STRICTER = "stricter"
    LOOSER = "looser"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Change:
    """One operation that the catalogues say different things of; `old` or `new` is None where one does not have it."""

    effect: Effect
    old: Operation | None
    new: Operation | None

    @property
    def operation(self) -> Operation:
        """The operation as the newer catalogue that has it tells it."""
        found = self.new or self.old
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class ScopeChange:
    """A scope that implies other scopes than before."""

    scope: str
    no_longer_implies: tuple[str, ...]
    now_implies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs. Names and texts of operations and scopes do not count."""

    operations: tuple[Change, ...]
    scopes: tuple[ScopeChange, ...]

    def __bool__(self) -> bool:
        return bool(self.operations or self.scopes)


def compare(old: Catalog, new: Catalog) -> Difference:
    """Compare two catalogues; operations are the same if they match the same requests, whatever they are called."""
    return Difference(tuple(_operations(old, new)), tuple(_scopes(old, new)))


def _operations(old: Catalog, new: Catalog) -> Iterator[Change]:
    before, after = _by_requests(old), _by_requests(new)
    for requests, operation in before.items():
        other = after.get(requests)
        effect = Effect.REMOVED if other is None else _effect(operation, other)
        if effect is not None:
            yield Change(effect, operation, other)
    yield from (Change(Effect.ADDED, None, operation) for requests, operation in after.items() if requests not in before)


def _by_requests(catalog: Catalog) -> Mapping[tuple[str, ...], Operation]:
    return {
        (row.method, *("{}" if is_parameter(segment) else segment for segment in row.route.split("/"))): row for row in catalog.operations
    }


def _effect(old: Operation, new: Operation) -> Effect | None:
    if (old.requirement, old.auth, old.resource, old.partial) == (new.requirement, new.auth, new.resource, new.partial):
        return None
    before, after = _sufficient(old), _sufficient(new)
    if before is None or after is None or old.resource != new.resource:
        return Effect.UNKNOWN
    still_enough, was_enough = _covers(after, before), _covers(before, after)
    if still_enough and was_enough:
        return None if old.auth is new.auth and old.partial == new.partial else Effect.DIFFERENT
    return Effect.LOOSER if still_enough else Effect.STRICTER if was_enough else Effect.DIFFERENT


def _sufficient(operation: Operation) -> tuple[frozenset[str], ...] | None:
    """Return the sets of scopes that are enough, the empty one for "any token"; None where that is not known."""
    if operation.auth is not Auth.BEARER or isinstance(operation.requirement, AnyToken):
        return (frozenset(),)
    if not isinstance(operation.requirement, OneOf):
        return None
    return tuple(frozenset(alternative) for alternative in operation.requirement.alternatives)


def _covers(enough: Iterable[frozenset[str]], tokens: Iterable[frozenset[str]]) -> bool:
    """Say whether every one of `tokens` holds a set that is enough. Scopes are read to the letter: what implies what is told apart."""
    sets = tuple(enough)
    return all(any(alternative <= token for alternative in sets) for token in tokens)


def _scopes(old: Catalog, new: Catalog) -> Iterator[ScopeChange]:
    for name in dict.fromkeys([*old.scopes, *new.scopes]):
        before, after = old.scope(name).implies, new.scope(name).implies
        if before != after:
            yield ScopeChange(name, tuple(sorted(before - after)), tuple(sorted(after - before)))
