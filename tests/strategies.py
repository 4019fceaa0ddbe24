"""Hypothesis strategies for the types of the pure core, over a small vocabulary so that collisions are common."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from proxy.catalogs.catalog import Catalog, compile_catalog, implied_by
from proxy.model import (
    NO_RESOURCES,
    AnyToken,
    Auth,
    Grants,
    Lack,
    Named,
    NotKnown,
    OneOf,
    Operation,
    Requirement,
    Resources,
    ScopeInfo,
    Unbounded,
)
from proxy.prediction import WHOLE_RESOURCE

SCOPES = ("A", "B", "C", "D")
PLACES = ("pbx:north", "pbx:south")
SEGMENTS = ("a", "b", "c", "a:b", "x.y")
PARAMETERS = ("{id}", "{name}", "{other}")
METHODS = ("GET", "POST", "DELETE")

scopes = st.sampled_from(SCOPES)
scope_sets = st.frozensets(scopes)
places = st.sampled_from(PLACES)
place_sets = st.frozensets(places)
pairs = st.tuples(scopes, places)
pair_sets = st.frozensets(pairs)

# --- requests --------------------------------------------------------------------------------------------


def one_of(max_alternatives: int = 3) -> st.SearchStrategy[OneOf]:
    """Requirements of alternatives of scopes."""
    alternative = st.lists(scopes, min_size=1, max_size=3, unique=True).map(tuple)
    return st.lists(alternative, min_size=1, max_size=max_alternatives).map(lambda rows: OneOf(tuple(rows)))


requirements: st.SearchStrategy[Requirement] = one_of() | st.just(AnyToken()) | st.builds(NotKnown, st.booleans())


def operations(requirement: st.SearchStrategy[Requirement] = requirements) -> st.SearchStrategy[Operation]:
    """Operations that need a token."""
    partial = st.one_of(st.just(frozenset[str]()), scope_sets)
    return st.builds(
        lambda needs, halves: Operation("vendor", "operation", "GET", "/route", needs, partial=halves),
        requirement,
        partial,
    )


named: st.SearchStrategy[Resources] = place_sets.map(Named)
resources: st.SearchStrategy[Resources] = st.one_of(st.just(NO_RESOURCES), named, st.just(Unbounded()))

# --- knowledge -------------------------------------------------------------------------------------------

lacks = st.builds(Lack, st.sampled_from((*SCOPES, WHOLE_RESOURCE)), place_sets)
grants = st.builds(
    Grants,
    scopes=scope_sets,
    bound=pair_sets,
    complete=st.booleans(),
    complete_for=place_sets,
    lacking=st.frozensets(lacks, max_size=2),
)
denying_grants = st.builds(
    Grants,
    scopes=st.frozensets(scopes, max_size=1),
    bound=st.frozensets(pairs, max_size=2),
    complete=st.just(True),
    complete_for=st.just(frozenset(PLACES)),
    lacking=st.frozensets(lacks, max_size=2),
)
"""Knowledge that mostly denies."""
partial_grants = st.builds(Grants, scopes=scope_sets, bound=pair_sets)

scope_infos: st.SearchStrategy[Mapping[str, ScopeInfo]] = st.dictionaries(scopes, scope_sets).map(
    lambda implies: {name: ScopeInfo(name, implies=implied) for name, implied in implies.items()}
)
implications = scope_infos.map(implied_by)
no_or_some_implications = st.just(dict[str, frozenset[str]]()) | implications

# --- catalogues ------------------------------------------------------------------------------------------

routes = st.lists(st.sampled_from((*SEGMENTS, *PARAMETERS)), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
paths = st.lists(st.sampled_from((*SEGMENTS, "z", "a%3Ab", "")), min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
methods = st.sampled_from(METHODS)


def shape(key: tuple[str, str]) -> tuple[str, ...]:
    """What two operations that match the same requests have in common."""
    method, route = key
    return (method, *("{}" if part.startswith("{") else part for part in route.split("/")))


@st.composite
def operation_rows(draw: st.DrawFn) -> tuple[Operation, ...]:
    """Operations no two of which match the same requests."""
    keys = draw(st.lists(st.tuples(methods, routes), max_size=12, unique_by=shape))
    return tuple(Operation("vendor", f"o{number}", method, route, AnyToken()) for number, (method, route) in enumerate(keys))


catalogs: st.SearchStrategy[Catalog] = operation_rows().map(lambda rows: compile_catalog("vendor", rows))

auths_without_a_token = st.sampled_from((Auth.CLIENT, Auth.NONE))

# --- targets ---------------------------------------------------------------------------------------------

_TEMPTING = (
    "admin", "users", "%61dmin", "%41", "..", ".", "%2e%2e", "%2E", "%252e", "%2f", "%5c", "\\", "//", ";a=1", "%3b", "%00", "~", "%7E",
    "%7e", "%20", "+", "%2B", ":", "%3A", "@", "caf%C3%A9", "%EF%BC%A1", "%EF%BC%8F", "%C2%AD", "%E2%80%8B", "%EF%B8%8F", "%CD%8F",
    "e%CC%81", "%EF%AC%81", "%C0%AF", "%ff", "%", "%zz", "%25", "#", "?", "*", "'", "(", "!", "$", "&", "=", ",", "-", "_", " ", "\t", "fi",
)  # fmt: skip
tempting_paths = st.lists(st.sampled_from((*_TEMPTING, "/", "/", "/")) | st.characters(codec="ascii"), max_size=12).map(
    lambda parts: b"/" + "".join(parts).encode()
)
foreign_paths = st.text(st.characters(min_codepoint=0x80, exclude_categories=["Cs"]), min_size=1, max_size=3).map(
    lambda text: b"/" + "".join(f"%{octet:02X}" for octet in text.encode()).encode()
)
raw_targets = st.binary(max_size=40) | tempting_paths | foreign_paths
