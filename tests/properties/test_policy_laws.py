"""Laws of policy: more rules never forbid, less ceiling never allows, and knowledge of a token never opens what the rules close."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.identity.clients import Client
from proxy.model import NO_RESOURCES, Deny, Grants, OnUnknown, Operation
from proxy.policy.allowance import Allowance, AllowRule
from proxy.policy.routes import RoutePattern, one_path, parse_pattern, template
from proxy.policy.rules import ALLOWED, Allowed, NotAllowed, Rules, Verdict, Within, allows, settle
from proxy.prediction import predict
from tests.strategies import (
    METHODS,
    SCOPES,
    SEGMENTS,
    denying_grants,
    grants,
    methods,
    no_or_some_implications,
    operation_rows,
    paths,
    requirements,
    scope_sets,
)

TAGS = ("t", "u")
tag_sets = st.frozensets(st.sampled_from(TAGS))
patterns = st.tuples(st.lists(st.sampled_from((*SEGMENTS, "*", "{x}")), max_size=4), st.booleans()).map(
    lambda parts: parse_pattern("/" + "/".join([*parts[0], *(["**"] if parts[1] else [])]))
)
rules = st.builds(
    AllowRule,
    operations=st.none() | st.frozensets(st.sampled_from([f"o{number}" for number in range(6)])),
    tags=st.none() | tag_sets,
    routes=st.none() | st.lists(patterns, max_size=2).map(tuple),
    methods=st.none() | st.frozensets(st.sampled_from(METHODS)),
    scopes=st.none() | scope_sets,
)
rule_lists = st.lists(rules, max_size=3)
APP = Client("app")


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    def filled(row: Operation) -> Operation:
        return replace(row, requirement=draw(requirements), tags=tuple(draw(tag_sets)))

    return compile_catalog("vendor", map(filled, draw(operation_rows())))


implied = no_or_some_implications


def verdict(allowance: Allowance, row: Operation | None, held: Grants, method: str = "GET", path: str = "/") -> Verdict:
    """Return policy's last word, as the judge gets it."""
    found = allows(Rules(allowances={"app": allowance}), APP, row, token_known=True, method=method, path=path)
    if not isinstance(found, Within) or row is None:
        return found
    return settle(found, predict(row, held, NO_RESOURCES, allowance.implied_by), held, NO_RESOURCES, allowance.implied_by)


@given(catalogs(), rule_lists, rules, implied, grants | denying_grants, methods, paths)
def test_one_more_rule_never_forbids(
    catalog: Catalog, some: list[AllowRule], one: AllowRule, by: dict[str, frozenset[str]], held: Grants, method: str, path: str
) -> None:
    fewer, more = (Allowance("app", "vendor", chosen, catalog, by) for chosen in (some, [*some, one]))
    for row in (*catalog.operations, None):
        if verdict(fewer, row, held, method, path) is ALLOWED:
            assert verdict(more, row, held, method, path) is ALLOWED


@given(catalogs(), rules, scope_sets, st.sampled_from(SCOPES), implied, grants | denying_grants)
def test_one_scope_less_in_a_ceiling_never_allows_more(
    catalog: Catalog, rule: AllowRule, ceiling: frozenset[str], scope: str, by: dict[str, frozenset[str]], held: Grants
) -> None:
    high, low = (
        Allowance("app", "vendor", [AllowRule(rule.operations, rule.tags, rule.routes, rule.methods, scopes)], catalog, by)
        for scopes in (ceiling, ceiling - {scope})
    )
    for row in catalog.operations:
        if isinstance(verdict(low, row, held), Allowed):
            assert isinstance(verdict(high, row, held), Allowed)


@given(catalogs(), rule_lists, implied, grants, denying_grants)
def test_knowledge_of_a_token_never_opens_what_the_rules_close(
    catalog: Catalog, some: list[AllowRule], by: dict[str, frozenset[str]], one: Grants, other: Grants
) -> None:
    allowance = Allowance("app", "vendor", some, catalog, by)
    for row in catalog.operations:
        static = allows(Rules(allowances={"app": allowance}), APP, row, token_known=True)
        if not isinstance(static, Within):
            assert verdict(allowance, row, one) == verdict(allowance, row, other) == static


@given(catalogs(), rule_lists, implied, grants | denying_grants)
def test_a_token_is_refused_exactly_where_it_passes_only_beyond_the_ceiling(
    catalog: Catalog, some: list[AllowRule], by: dict[str, frozenset[str]], held: Grants
) -> None:
    allowance = Allowance("app", "vendor", some, catalog, by)
    for row, part in allowance.allowed.items():
        refused = isinstance(verdict(allowance, row, held), NotAllowed)
        within = predict(part, held, NO_RESOURCES, by)
        assert refused == (isinstance(within, Deny) and not isinstance(predict(row, held, NO_RESOURCES, by), Deny))


@given(catalogs(), rule_lists)
def test_what_is_allowed_of_an_operation_is_a_part_of_it(catalog: Catalog, some: list[AllowRule]) -> None:
    for row, part in Allowance("app", "vendor", some, catalog, {}).allowed.items():
        assert (part.id, part.auth, part.resource, part.partial) == (row.id, row.auth, row.resource, row.partial)
        assert set(part.alternatives()) <= set(row.alternatives())
        assert bool(part.alternatives()) == bool(row.alternatives())


@given(patterns, patterns, paths)
def test_what_a_covered_pattern_matches_is_matched_by_the_covering_one(wide: RoutePattern, narrow: RoutePattern, path: str) -> None:
    if wide.covers(narrow) and narrow.covers(one_path(path)):
        assert wide.covers(one_path(path))


@given(patterns, catalogs(), paths, methods)
def test_a_pattern_for_a_template_matches_every_path_of_it(pattern: RoutePattern, catalog: Catalog, path: str, method: str) -> None:
    match = catalog.find(method, path)
    if match is not None and pattern.covers(template(match.operation.route)):
        assert pattern.covers(one_path(path))


@given(catalogs(), rule_lists, methods, paths, st.sampled_from(OnUnknown))
def test_what_is_not_in_the_catalogue_is_allowed_only_by_rules_that_need_none(
    catalog: Catalog, some: list[AllowRule], method: str, path: str, unknown: OnUnknown
) -> None:
    strict = Rules(on_unknown_operation=unknown, allowances={"app": Allowance("app", "vendor", some, catalog, {})})
    if allows(strict, APP, None, token_known=True, method=method, path=path) is ALLOWED:
        assert unknown is OnUnknown.FORWARD
        assert any(rule.reaches_unknown for rule in some)
