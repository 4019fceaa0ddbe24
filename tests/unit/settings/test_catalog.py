from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogs.catalog import Catalog
from proxy.model import AnyToken, Auth, NotKnown, OneOf, Origin, RefusalPattern, RefusalTemplate, ResourceRule, TokenEndpoint, TokenPlace
from proxy.settings import CatalogSource, Problems, read_catalog
from tests.unit.settings.samples import CATALOG, catalog, catalog_problems

HEAD = "vendor: v\noperations:\n"


def one(row: str, more: str = "") -> Catalog:
    """Compile a catalogue with one operation, written as the inside of a flow mapping."""
    return catalog(f"{HEAD}  - {{id: a, method: GET, path: /a/{{x}}/b, {row}}}\n{more}".replace("/a/{x}/b", '"/a/{x}/b"')).catalog


def refused(row: str, more: str = "") -> list[str]:
    return catalog_problems(f'{HEAD}  - {{id: a, method: GET, path: "/a/{{x}}/b", {row}}}\n{more}')


def test_a_catalogue_is_compiled() -> None:
    compiled = catalog(CATALOG).catalog
    assert (compiled.vendor, compiled.source) == ("ringcentral", "made up")
    match = compiled.find("GET", "/log/7")
    assert match is not None
    assert match.parameter("id") == "7"
    assert match.operation.requirement == OneOf((("ReadCallLog",),))
    assert compiled.implied_by == {"ReadCallLog": frozenset({"ReadCallRecording"})}


@pytest.mark.parametrize(
    ("requires", "requirement"),
    [
        ("[]", AnyToken()),
        ("unknown", NotKnown()),
        ("unknown, depends_on_body: true", NotKnown(learnable=False)),
        ("[[A, B], [C]]", OneOf((("A", "B"), ("C",)))),
        ("[[Old]]", OneOf((("New",),))),
    ],
)
def test_every_kind_of_requirement(requires: str, requirement: object) -> None:
    compiled = one(f"requires: {requires}", "aliases: {Old: Middle, Middle: New}\n")
    assert compiled.operations[0].requirement == requirement
    assert compiled.canonical(["Old"]) == {"New"}


def test_every_member_of_an_operation() -> None:
    row = (
        "requires: [[A], [B]], auth: client, tags: [t], origin: inferred, partial: [Old], "
        "resource: {kind: pbx, in: path, name: x, separator: ',', everything: all}"
    )
    (operation,) = one(row, "aliases: {Old: B}\n").operations
    assert (operation.auth, operation.tags, operation.origin, operation.partial) == (Auth.CLIENT, ("t",), Origin.INFERRED, frozenset({"B"}))
    assert operation.resource == ResourceRule("pbx", "path", "x", ",", "all")


def test_the_parts_that_serve_the_generic_kind() -> None:
    compiled = one(
        "requires: []",
        "token_endpoint: {path: /t, scope_from: request, separator: ','}\n"
        "token_in: {header: X-Key, scheme: Token, query_parameter: key}\n"
        "refusal: {status: 403, body: {e: ['{scope}', 1]}, headers: {X-A: b c}}\n"
        "recognise: [{status: 403, json: {e: {f: 1}}, scope_from: s}]\n",
    )
    assert compiled.token_endpoints == (TokenEndpoint("/t", "request", ","),)
    assert compiled.token_in == TokenPlace("X-Key", "Token", "key")
    assert compiled.refusal == RefusalTemplate(403, {"e": ["{scope}", 1]}, {"X-A": "b c"})
    assert compiled.recognise == (RefusalPattern(403, {"e": {"f": 1}}, "s"),)


def test_token_endpoints_may_be_several() -> None:
    compiled = one("requires: []", "token_endpoint: [{path: /t}, {path: /u, scope_from: none}]\n")
    assert compiled.token_endpoints == (TokenEndpoint("/t"), TokenEndpoint("/u", "none"))


def test_scope_defaults_fill_what_a_scope_does_not_say() -> None:
    compiled = one(
        "requires: [[Used]]",
        "scope_defaults: {remediation: ['grant {scope}, called {title}'], documentation: ['https://d/{scope}'], changeable: true}\n"
        "scopes:\n  Bare:\n  Titled: {title: T}\n  Own: {remediation: ['own {scope}'], documentation: [], changeable: false}\n",
    )
    assert compiled.scope("Bare").remediation == ("grant Bare, called Bare",)
    assert compiled.scope("Titled").remediation == ("grant Titled, called T",)
    assert compiled.scope("Titled").documentation == ("https://d/Titled",)
    assert compiled.scope("Titled").changeable
    own = compiled.scope("Own")
    assert (own.remediation, own.documentation, own.changeable) == (("own {scope}",), (), False)
    assert compiled.scope("Used").remediation == ("grant Used, called Used",)


def test_implications_are_read_through_aliases() -> None:
    compiled = one("requires: [[A]]", "aliases: {Old: New}\nscopes: {A: {implies: [Old]}}\n")
    assert compiled.implied_by == {"New": frozenset({"A"})}


SCOPE_RULE = "a scope's name has 1 to 128 printable ASCII characters, no quotes or backslashes, and no space at its ends"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("origin: documented", "c:3:5: operations[0].requires: is required"),
        (
            "requires: [[]]",
            "c:3:44: operations[0].requires: an empty alternative would let everybody pass; write [] for 'any valid token' or remove it",
        ),
        (
            "requires: [A]",
            "c:3:44: operations[0].requires: must be 'unknown', [] (any valid token) or a list of alternatives, "
            "each a list of scopes: [[A, B], [C]]",
        ),
        ("requires: [[7]]", f"c:3:44: operations[0].requires: {SCOPE_RULE}"),
        ("requires: [[' a']]", f"c:3:44: operations[0].requires: {SCOPE_RULE}"),
        ("requires: [['*']]", f"c:3:44: operations[0].requires: {SCOPE_RULE}"),
        ("requires: [['operation:x']]", f"c:3:44: operations[0].requires: {SCOPE_RULE}"),
        ("requires: [], depends_on_body: true", "c:3:58: operations[0].depends_on_body: is allowed with 'requires: unknown' only"),
        ("requires: [], origin: guess", "c:3:58: operations[0].origin: must be one of 'documented', 'inferred', 'imported' or 'proposed'"),
        ("requires: [], requirement: x", "c:3:58: operations[0].requirement: unknown key; did you mean 'requires'?"),
        ("requires: [], resource: {kind: k, in: path, name: y}", "c:3:88: operations[0].resource.name: names no parameter of the path"),
        ("requires: [], resource: {kind: k, in: body, name: y}", "c:3:78: operations[0].resource.in: must be one of 'query' or 'path'"),
        ("requires: [], auth: basic", "c:3:58: operations[0].auth: must be one of 'bearer', 'client' or 'none'"),
    ],
)
def test_a_mistake_in_an_operation_is_named(row: str, problem: str) -> None:
    assert refused(row) == [problem]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a", "must be a path that begins with '/'"),
        ("/a{x}", "a parameter must be a whole segment, such as /{accountId}/"),
        ("/{}", "a parameter must be a whole segment, such as /{accountId}/"),
        ("/{a}{b}", "a parameter must be a whole segment, such as /{accountId}/"),
        ("/{x}/{x}", "names a parameter twice"),
        ("/a?b", "must be a path as it is sent: ASCII, percent-encoded, without query"),
        ("/ä", "must be a path as it is sent: ASCII, percent-encoded, without query"),
    ],
)
def test_a_path_template_has_whole_segments(path: str, message: str) -> None:
    assert catalog_problems(f'{HEAD}  - {{id: a, method: GET, path: "{path}", requires: []}}\n') == [
        f"c:3:26: operations[0].path: {message}"
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "aliases: {A: B, B: A}\n",
            ["c:4:11: aliases.A: the alias leads back to itself", "c:4:17: aliases.B: the alias leads back to itself"],
        ),
        ("aliases: {A: A}\n", ["c:4:11: aliases.A: the alias leads back to itself"]),
        ("refusal: {status: 200, body: {}}\n", ["c:4:11: refusal.status: must be at least 400"]),
        (
            'refusal: {status: 403, body: {}, headers: {X-A: "a\\r\\nb"}}\n',
            ["c:4:44: refusal.headers.X-A: must be printable ASCII on one line"],
        ),
        ("token_in: {header: 'a b'}\n", ["c:4:12: token_in.header: must be a header name"]),
        ("token_endpoint: {path: /t, separator: ''}\n", ["c:4:1: token_endpoint[0].separator: must have 1 or more characters"]),
        (
            "scopes: {A: {documentation: ['ftp://x']}}\n",
            ["c:4:30: scopes.A.documentation[0]: must be an address that begins with https:// or http://"],
        ),
        ("scopes: {'a\"b': {}}\n", [f'c:4:10: scopes.a"b: {SCOPE_RULE}']),
        ("scope: {}\n", ["c:4:1: scope: unknown key; did you mean 'scopes'?"]),
    ],
)
def test_a_mistake_elsewhere_is_named(more: str, problem: list[str]) -> None:
    assert refused("requires: []", more) == problem


def test_a_catalogue_without_operations_is_refused() -> None:
    assert catalog_problems("vendor: v\noperations: []\n") == ["c:2:1: operations: must have 1 or more entries"]
    assert catalog_problems("vendor: v\n") == ["c:1:1: operations: is required"]


TWINS = HEAD + '  - {id: a, method: GET, path: "/x/{one}", requires: []}\n  - {id: b, method: GET, path: "/x/{two}", requires: []}\n'


def test_two_operations_that_match_the_same_requests_are_an_error_at_the_second() -> None:
    assert catalog_problems(TWINS) == ["c:4:5: operations[1]: matches the same requests as operation 'a': GET /x/{two}"]


@pytest.mark.parametrize(("old", "new"), [("id: b, method: GET", "id: b, method: PUT"), ("/x/{two}", "/x/two")])
def test_another_method_or_a_literal_makes_them_different(old: str, new: str) -> None:
    assert len(catalog(TWINS.replace(old, new)).catalog.operations) == 2


def test_an_operation_id_is_used_once() -> None:
    text = HEAD + "  - {id: a, method: GET, path: /x, requires: []}\n  - {id: a, method: GET, path: /y, requires: []}\n"
    assert catalog_problems(text) == ["c:4:6: operations[1].id: another operation has this id"]


def test_mistakes_of_all_rows_are_reported_at_once() -> None:
    text = HEAD + "  - {id: a, method: get, path: /x, requires: []}\n  - {id: a, method: GET, path: y, requires: []}\n  - 5\n"
    assert [problem.split(" ")[0] for problem in catalog_problems(text)] == ["c:3:13:", "c:4:6:", "c:4:26:", "c:5:5:"]


KEYS = st.sampled_from(
    ["vendor", "source", "scopes", "aliases", "operations", "token_endpoint", "refusal", "recognise", "scope_defaults", "token_in"]
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(0, 600), st.text(alphabet="aB/{}*: ", max_size=5), st.sampled_from(["GET", "unknown", "/a"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "method", "path", "requires", "A", "resource", "in", "name", "json", "body"]), inner, max_size=4
        ),
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(data=st.dictionaries(KEYS, VALUES))
def test_any_mapping_is_a_catalogue_or_problems(data: dict[str, object]) -> None:
    assert isinstance(read_catalog(json.dumps(data).encode(), "c"), CatalogSource | Problems)
