"""The rules and cases that every engine is given, and the rules in the words of each engine. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.catalogs.catalog import Catalog
from proxy.model import AnyToken, Grants, NotKnown, Operation, Permit
from proxy.prediction import predict

Alternatives = tuple[tuple[str, ...], ...]
Rules = Mapping[str, Alternatives]
"""By operation: sets of scopes, one of which must be held whole; the empty set is held by everybody."""

CASBIN_MODEL: Final = """\
[request_definition]
r = held, operation
[policy_definition]
p = needed, operation
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.operation == p.operation && holds(r.held, p.needed)
"""
REGO_MODULE: Final = """\
package scopegate

default allow := false

allow if {
    some alternative in data.operations[input.operation]
    every scope in alternative { scope in input.scopes }
}
"""
REGO_RULE: Final = "scopegate/allow"


@dataclass(frozen=True, slots=True)
class Case:
    """One operation and one token: its name and all of its scopes."""

    operation: Operation
    token: str
    scopes: frozenset[str]

    def permitted(self) -> bool:
        """Return our own decision, scopes read to the letter."""
        return isinstance(predict(self.operation, Grants(self.scopes, complete=True)), Permit)


def make_rules(catalog: Catalog) -> Rules:
    """Return what each operation needs; one of which that is not known has no rule that a two-valued engine could be given."""
    known = (each for each in catalog.operations if not isinstance(each.requirement, NotKnown))
    return {each.id: ((),) if isinstance(each.requirement, AnyToken) else each.alternatives() for each in known}


def make_cases(catalog: Catalog, permitted: bool, count: int, chance: random.Random) -> list[Case]:
    """Return so many cases that are all permitted or all denied: any operation with a token of one of forty apps."""
    rules = make_rules(catalog)
    operations = [each for each in catalog.operations if each.id in rules]
    tokens = _tokens(sorted({scope for needed in rules.values() for each in needed for scope in each}))
    found: list[Case] = []
    while len(found) < count:
        case = Case(chance.choice(operations), *chance.choice(tokens))
        if case.permitted() is permitted:
            found.append(case)
    return found


def _tokens(scopes: Sequence[str]) -> list[tuple[str, frozenset[str]]]:
    chance = random.Random(1)
    return [(f"token-{index}", frozenset(chance.sample(scopes, k=chance.randint(2, len(scopes) // 2)))) for index in range(40)]


# --- Cedar -----------------------------------------------------------------------------------------------


def cedar_each(rules: Rules) -> str:
    """Return a policy for each alternative of each operation."""
    return "\n".join(_policy(f"action == {uid('Action', name)}", needed) for name, needed in _pairs(rules))


def cedar_grouped(rules: Rules) -> str:
    """Return a policy for each distinct set of scopes, for the actions in its group."""
    return "\n".join(
        _policy(f"action in {uid('Action', _group(needed))}", needed) for needed in sorted({each for _, each in _pairs(rules)})
    )


def cedar_groups(rules: Rules) -> list[dict[str, Any]]:
    """Return the actions as entities, each in the groups of its alternatives."""
    groups = {_group(needed) for _, needed in _pairs(rules)}
    actions = [_entity("Action", name, {}, [_group(each) for each in needed]) for name, needed in rules.items()]
    return [*actions, *(_entity("Action", group, {}, []) for group in sorted(groups))]


def cedar_token(token: str, scopes: frozenset[str]) -> dict[str, Any]:
    """Return a token as an entity."""
    return _entity("Token", token, {"scopes": sorted(scopes)}, [])


def uid(kind: str, name: str) -> str:
    """Return how Cedar writes an entity's name."""
    return f"{kind}::{json.dumps(name)}"


def _entity(kind: str, name: str, attributes: Mapping[str, Any], parents: Sequence[str]) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": [{"type": kind, "id": parent} for parent in parents]}


def _policy(action: str, needed: Sequence[str]) -> str:
    return f"permit(principal, {action}, resource) when {{ principal.scopes.containsAll({json.dumps(list(needed))}) }};"


def _group(needed: Sequence[str]) -> str:
    return f"needs {' '.join(needed)}"


def _pairs(rules: Rules) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from ((name, each) for name, needed in rules.items() for each in needed)


# --- casbin, Rego ----------------------------------------------------------------------------------------


def casbin_lines(rules: Rules) -> list[list[str]]:
    """Return a policy line for each alternative of each operation."""
    return [[" ".join(needed), name] for name, needed in _pairs(rules)]


def holds(held: frozenset[str], needed: str) -> bool:
    """Say whether all scopes of a policy line are held."""
    return held.issuperset(needed.split())


def rego_data(rules: Rules) -> dict[str, Any]:
    """Return the data that the Rego module reads."""
    return {"operations": {name: [list(each) for each in needed] for name, needed in rules.items()}}
