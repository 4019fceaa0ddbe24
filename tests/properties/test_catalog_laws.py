"""Laws of the catalogue: what a request means does not depend on how the routes are compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogs.catalog import Catalog, CatalogError, Match, compile_catalog, fold, implied_by, is_parameter
from proxy.model import Operation, ScopeInfo
from tests import strategies as some


def brute_force(catalog: Catalog, method: str, path: str) -> Operation | None:
    """Of all operations that match, take the one with a literal where the others first differ from it."""
    asked = path.split("/")[1:]
    rows = []
    for operation in catalog.operations:
        parts = operation.route.split("/")[1:]
        if operation.method != method or len(parts) != len(asked):
            continue
        if all(bool(value) if is_parameter(part) else part == unquote(value) for part, value in zip(parts, asked, strict=True)):
            rows.append(([is_parameter(part) for part in parts], operation))
    return min(rows, key=lambda row: row[0])[1] if rows else None


@given(some.catalogs, some.methods, some.paths)
def test_find_agrees_with_a_brute_force_matcher(catalog: Catalog, method: str, path: str) -> None:
    found = catalog.find(method, path)
    assert (found.operation if found is not None else None) is brute_force(catalog, method, path)


@given(some.catalogs, st.data())
def test_every_operation_is_found_by_a_request_made_from_its_template(catalog: Catalog, data: st.DataObject) -> None:
    for operation in catalog.operations:
        parts = operation.route.split("/")
        values = tuple(data.draw(st.sampled_from(("1", "%2B49", "~"))) for part in parts if is_parameter(part))
        filling = iter(values)
        path = "/".join(next(filling) if is_parameter(part) else part for part in parts)
        assert catalog.find(operation.method, path) == Match(operation, values)


@given(some.catalogs, some.paths)
def test_head_means_what_get_means(catalog: Catalog, path: str) -> None:
    assert catalog.find("HEAD", path) == catalog.find("GET", path)


@given(some.operation_rows().filter(bool), st.data())
def test_two_operations_of_the_same_shape_are_refused(rows: tuple[Operation, ...], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(rows))
    route = "/".join("{another}" if is_parameter(part) else part for part in row.route.split("/"))
    with pytest.raises(CatalogError, match="match the same requests"):
        compile_catalog("vendor", (*rows, replace(row, id="twin", route=route)))


@given(some.catalogs, some.paths, some.methods)
def test_the_parameters_of_a_match_stand_in_the_path_as_they_came(catalog: Catalog, path: str, method: str) -> None:
    found = catalog.find(method, path)
    if found is None:
        return
    pairs = list(zip(found.operation.route.split("/"), path.split("/"), strict=True))
    assert found.parameters == tuple(value for part, value in pairs if is_parameter(part))
    for part, _ in pairs:
        if is_parameter(part):
            assert found.parameter(part[1:-1]) == next(value for other, value in pairs if other == part)
    assert found.parameter("no such parameter") is None


@given(some.scope_infos)
def test_implied_by_is_the_transitive_closure_and_cycles_are_harmless(infos: Mapping[str, ScopeInfo]) -> None:
    reaches = {(name, implied) for name, info in infos.items() for implied in info.implies}
    for middle in some.SCOPES:
        reaches |= {(start, end) for start, here in reaches if here == middle for there, end in reaches if there == middle}
    expected = {end: frozenset(start for start, reached in reaches if reached == end and start != end) for _, end in reaches}
    assert implied_by(infos) == {scope: holders for scope, holders in expected.items() if holders}


def folded(catalog: Catalog) -> Catalog:
    """Return the catalogue as a server reads it that ignores letter case and a slash at the end."""
    rows = {(row.method, fold(row.route)): replace(row, route=fold(row.route) or "/") for row in reversed(catalog.operations)}
    return compile_catalog("vendor", rows.values())


@given(some.catalogs, st.data())
def test_no_other_spelling_of_an_operation_passes_unnoticed(catalog: Catalog, data: st.DataObject) -> None:
    """Whatever a server that ignores letter case or a slash at the end reads as an operation is found, or is near one."""
    for operation in catalog.operations:
        parts = [data.draw(st.sampled_from(("1", "a", "%7E"))) if is_parameter(part) else part for part in operation.route.split("/")]
        spelled = "".join(data.draw(st.sampled_from((letter, letter.upper()))) for letter in "/".join(parts))
        path = spelled.removesuffix("/") + data.draw(st.sampled_from(("", "/"))) or "/"
        match = catalog.find(operation.method, path)
        if catalog.near(operation.method, path, match) is None:
            other = brute_force(folded(catalog), operation.method, fold(path))
            assert match is not None
            assert other is not None
            assert other.route == fold(match.operation.route)


@given(some.catalogs, some.methods, some.paths)
def test_nothing_is_near_what_no_spelling_would_mean(catalog: Catalog, method: str, path: str) -> None:
    match = catalog.find(method, path)
    near = catalog.near(method, path, match)
    if near is not None:
        asked, route = fold(path).split("/"), fold(near.route).split("/")
        assert len(asked) == len(route)
        assert all(is_parameter(part) or part == unquote(value) for value, part in zip(asked, route, strict=True))
        assert match is None or near is not match.operation
