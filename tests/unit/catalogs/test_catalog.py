from __future__ import annotations

import pytest

from proxy.catalogs.catalog import Catalog, CatalogError, compile_catalog, implied_by, is_parameter
from proxy.model import AnyToken, Operation, RefusalPattern, RefusalTemplate, ScopeInfo, TokenEndpoint, TokenPlace


def row(identifier: str, method: str, route: str) -> Operation:
    return Operation("vendor", identifier, method, route, AnyToken())


CATALOG = compile_catalog(
    "vendor",
    [
        row("root", "GET", "/"),
        row("list", "GET", "/users"),
        row("create", "POST", "/users"),
        row("read", "GET", "/users/{userId}"),
        row("delete", "DELETE", "/users/{userId}"),
        row("me", "GET", "/users/me"),
        row("logs", "GET", "/{kind}/me/{logId}"),
        row("calls", "GET", "/users/{userId}/calls"),
        row("search", "GET", "/users/.search:all"),
    ],
)


def found(method: str, path: str) -> str | None:
    match = CATALOG.find(method, path)
    return match.operation.id if match is not None else None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", "root"),
        ("GET", "/users", "list"),
        ("HEAD", "/users", "list"),
        ("POST", "/users", "create"),
        ("get", "/users", None),
        ("PUT", "/users", None),
        ("GET", "/users/17", "read"),
        ("GET", "/users/%7E", "read"),
        ("GET", "/users/me", "me"),
        ("DELETE", "/users/me", "delete"),
        ("HEAD", "/users/me", "me"),
        ("GET", "/users/me/7", "logs"),
        ("GET", "/users/me/calls", "calls"),
        ("GET", "/users/.search:all", "search"),
        ("GET", "/users/.search%3Aall", "search"),
        ("GET", "/users/.search%3aall", "search"),
        ("GET", "/users/", None),
        ("GET", "/users/17/", None),
        ("GET", "/Users", None),
        ("GET", "/nothing", None),
        ("GET", "", None),
        ("GET", "users", None),
        ("GET", "x/users", None),
        ("GET", "*", None),
    ],
)
def test_a_request_means_the_operation_whose_literals_match_first(method: str, path: str, expected: str | None) -> None:
    assert found(method, path) == expected


def test_a_branch_that_leads_nowhere_leaves_no_parameter_behind() -> None:
    catalog = compile_catalog("vendor", [row("deep", "GET", "/a/{one}/x/y"), row("open", "GET", "/{first}/{second}/x/z")])
    match = catalog.find("GET", "/a/b/x/z")
    assert match is not None
    assert (match.operation.id, match.parameters) == ("open", ("a", "b"))


def test_a_match_tells_its_parameters_raw_and_by_name() -> None:
    catalog = compile_catalog("vendor", [row("one", "GET", "/a/{accountId}/b/{extensionId}")])
    match = catalog.find("GET", "/a/%7E/b/caf%C3%A9")
    assert match is not None
    assert match.parameter("accountId") == "%7E"
    assert match.parameter("extensionId") == "caf%C3%A9"
    assert match.parameter("a") is None
    assert match.parameter("{accountId}") is None


@pytest.mark.parametrize(("segment", "expected"), [("{a}", True), ("{}", False), ("{a", False), ("a}", False), ("", False), ("a", False)])
def test_only_a_whole_segment_in_braces_is_a_parameter(segment: str, expected: bool) -> None:
    assert is_parameter(segment) is expected


def test_two_operations_that_match_the_same_requests_are_refused() -> None:
    message = r"^operations 'one' and 'two' match the same requests: GET /a/\{y\}$"
    with pytest.raises(CatalogError, match=message):
        compile_catalog("vendor", [row("one", "GET", "/a/{x}"), row("two", "GET", "/a/{y}")])


def test_an_operation_id_is_used_once() -> None:
    with pytest.raises(CatalogError, match=r"^operation id 'one' is used twice$"):
        compile_catalog("vendor", [row("one", "GET", "/a"), row("one", "GET", "/b")])


def test_a_route_begins_with_a_slash() -> None:
    with pytest.raises(CatalogError, match=r"^the path of operation 'one' does not begin with '/': a/b$"):
        compile_catalog("vendor", [row("one", "GET", "a/b")])


def test_operations_are_found_by_id() -> None:
    assert CATALOG.by_id("me") is CATALOG.operations[5]
    assert CATALOG.by_id("nobody") is None


def test_routes_are_told_once_each_in_catalogue_order() -> None:
    assert list(CATALOG.routes())[:4] == ["/", "/users", "/users/{userId}", "/users/me"]
    assert len(list(CATALOG.routes())) == 7


def test_aliases_become_the_names_that_requirements_use() -> None:
    catalog = compile_catalog("vendor", [], aliases={"Glip": "TeamMessaging"})
    assert catalog.canonical(["Glip", "TeamMessaging", "ReadCallLog"]) == {"TeamMessaging", "ReadCallLog"}


def test_a_scope_that_is_not_described_has_its_name_for_a_title() -> None:
    described = ScopeInfo("A", title="The A")
    catalog = compile_catalog("vendor", [], scopes={"A": described})
    assert catalog.scope("A") is described
    assert catalog.scope("B") == ScopeInfo("B", title="B")


def test_implications_are_closed_and_turned_round() -> None:
    infos = {
        "Accounts": ScopeInfo("Accounts", implies=frozenset({"EditAccounts"})),
        "EditAccounts": ScopeInfo("EditAccounts", implies=frozenset({"ReadAccounts", "Accounts"})),
    }
    assert implied_by(infos) == {
        "Accounts": {"EditAccounts"},
        "EditAccounts": {"Accounts"},
        "ReadAccounts": {"Accounts", "EditAccounts"},
    }


def test_a_catalogue_carries_all_that_its_file_says() -> None:
    scopes, aliases = {"A": ScopeInfo("A", implies=frozenset({"B"}))}, {"Old": "A"}
    endpoints, place = (TokenEndpoint("/token"),), TokenPlace(query_parameter="access_token")
    refusal, patterns = RefusalTemplate(403, {"error": "x"}), (RefusalPattern(403, {"error": "x"}),)
    catalog = compile_catalog(
        "vendor",
        [row("one", "GET", "/a")],
        source="the documentation",
        scopes=scopes,
        aliases=aliases,
        token_endpoints=endpoints,
        token_in=place,
        refusal=refusal,
        recognise=patterns,
    )
    expected = Catalog(
        "vendor", "the documentation", scopes, aliases, catalog.operations, {"B": frozenset({"A"})}, endpoints, place, refusal, patterns
    )
    assert catalog == expected
    assert compile_catalog("vendor", []) == Catalog("vendor", "", {}, {}, (), {})
    assert "_root" not in repr(catalog)


# --- what a server that ignores letter case or a slash at the end would read

SPELLED = compile_catalog(
    "vendor",
    [
        row("root", "GET", "/"),
        row("list", "GET", "/Users"),
        row("read", "GET", "/Users/{userId}"),
        row("search", "GET", "/Users/.search"),
        row("logs", "GET", "/{kind}/me/{logId}"),
        row("calls", "GET", "/Users/me/calls"),
        row("tree", "GET", "/tree/"),
        row("both", "GET", "/both"),
        row("both, slash", "GET", "/both/"),
        row("make", "POST", "/make/"),
    ],
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/users", "list"),
        ("HEAD", "/USERS/", "list"),
        ("GET", "/Users/", "list"),
        ("GET", "/users/17", "read"),
        ("GET", "/Users/17/", "read"),
        ("GET", "/Users/%2E17/", "read"),
        ("GET", "/tree", "tree"),
        ("GET", "/Tree/", "tree"),
        ("GET", "/BOTH/", "both"),
        ("POST", "/make", "make"),
        ("GET", "/make", None),
        ("POST", "/Users/", None),
        ("GET", "/nothing/", None),
        ("GET", "/Users/17/more", None),
        ("GET", "/tree//", None),
        # matched, but by a parameter that another spelling makes a literal
        ("GET", "/Users/.SEARCH", "search"),
        ("GET", "/Users/me/Calls", "calls"),
        ("GET", "/users/me/calls", "calls"),
        # matched, and nothing else meant
        ("GET", "/", None),
        ("GET", "/Users", None),
        ("GET", "/Users/17", None),
        ("GET", "/Users/Users", None),
        ("GET", "/Users/.search", None),
        ("GET", "/both", None),
        ("GET", "/both/", None),
        ("GET", "/tree/", None),
        ("GET", "/Both/me/tree", None),
    ],
)
def test_what_another_spelling_would_mean(method: str, path: str, expected: str | None) -> None:
    near = SPELLED.near(method, path, SPELLED.find(method, path))
    assert (near.id if near is not None else None) == expected
