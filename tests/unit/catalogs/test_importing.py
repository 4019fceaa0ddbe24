"""Scopes are read from descriptions as their specification says, and what cannot be read for certain is listed, never guessed at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogs.importing import MAX_OPERATIONS, Imported, ImportedRow, NotOpenApiError, import_openapi
from proxy.catalogs.openapi_requirements import Options
from proxy.catalogs.writing import write_catalog
from proxy.model import NotKnown, OneOf
from proxy.settings import Problems, builtin_config_directory, load_catalog, read_catalog

OAUTH = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example/token", "scopes": {"a": "Read  A", "b": ""}}}}
SCHEMES = {
    "oauth": OAUTH,
    "other": {"type": "openIdConnect", "openIdConnectUrl": "https://a.example"},
    "key": {"type": "apiKey", "in": "header", "name": "K"},
    "jwt": {"type": "http", "scheme": "Bearer"},
}


def described(operation: dict[str, Any] | None = None, path: str = "/x", **more: Any) -> dict[str, Any]:
    paths = {path: {"get": operation or {}}}
    return {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths, "components": {"securitySchemes": SCHEMES}, **more}


def read(document: object, **options: Any) -> Imported:
    return import_openapi(document, Options(**options))


def only_row(document: object, **options: Any) -> ImportedRow:
    (row,) = read(document, **options).rows
    return row


# --- security: AND within an object, OR between objects --------------------------------------------------


@pytest.mark.parametrize(
    ("security", "requires", "auth"),
    [
        ([{"oauth": ["a"]}], (("a",),), "bearer"),
        ([{"oauth": ["a", "b"]}], (("a", "b"),), "bearer"),
        ([{"oauth": ["a"]}, {"oauth": ["b"]}], (("a",), ("b",)), "bearer"),
        ([{"oauth": ["a"], "other": ["b"]}], (("a", "b"),), "bearer"),
        ([{"oauth": ["a"], "key": []}], (("a",),), "bearer"),
        ([{"oauth": ["a", "a"]}, {"oauth": ["a"]}], (("a",),), "bearer"),
        ([{"oauth": []}], (), "bearer"),
        ([{"jwt": []}], (), "bearer"),
        ([{"jwt": ["admin"]}], (("admin",),), "bearer"),
        ([{"oauth": ["a"]}, {"oauth": []}], (), "bearer"),
        ([], (), "none"),
        ([{}], (), "none"),
        ([{"oauth": ["a"]}, {}], (), "none"),
    ],
)
def test_security_is_read_as_the_specification_says(security: object, requires: object, auth: str) -> None:
    found = read(described({"security": security}))
    assert [(row.requires, row.auth) for row in found.rows] == [(requires, auth)]
    assert not found.unread


@pytest.mark.parametrize(
    ("security", "why"),
    [
        ([{"key": []}], "a credential without scopes"),
        ([{"oauth": ["a"]}, {"key": []}], "a credential without scopes"),
        ([{"nobody": ["a"]}], "there is no security scheme"),
        ([{"oauth": "a"}], "cannot be read"),
        ([{"oauth": [1]}], "cannot be read"),
        ([{"oauth": ["*"]}], "cannot be read"),
        ({"oauth": ["a"]}, "no list of objects"),
        ("oauth", "no list of objects"),
    ],
)
def test_what_security_leaves_open_is_unknown_and_listed(security: object, why: str) -> None:
    found = read(described({"security": security}))
    assert [row.requires for row in found.rows] == [None]
    assert why in found.unread[0].why
    assert found.unread[0].pointer == "#/paths/~1x/get/security"


def test_security_of_the_whole_description_counts_where_an_operation_has_none() -> None:
    row = only_row(described({}, security=[{"oauth": ["a"]}]))
    assert (row.requires, row.provenance) == ((("a",),), "#/security")
    assert only_row(described({"security": [{"oauth": ["b"]}]}, security=[{"oauth": ["a"]}])).requires == (("b",),)


def test_nothing_said_about_security_is_unknown() -> None:
    found = read(described({}))
    assert found.rows[0].requires is None
    assert "neither" in found.unread[0].why


def test_a_flat_list_can_mean_any_of_its_scopes() -> None:
    security = [{"oauth": ["a", "b"]}, {"oauth": ["c"]}]
    assert only_row(described({"security": security}), scopes_are="any").requires == (("a",), ("b",), ("c",))
    assert only_row(described({"security": security}), scopes_are="all").requires == (("a", "b"), ("c",))


# --- members of vendors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "requires"),
    [
        ("ReadCallLog", (("ReadCallLog",),)),
        (["a"], (("a",),)),
        ([], ()),
        ("", ()),
        ([["a", "b"], ["c"]], (("a", "b"), ("c",))),
        ({"type": "ANY", "permissions": ["a", "b"]}, (("a",), ("b",))),
        ({"type": "ALL", "permissions": ["a", "b"]}, (("a", "b"),)),
        ({"type": "ALL", "permissions": []}, ()),
    ],
)
def test_a_vendors_own_member_is_read(value: object, requires: object) -> None:
    found = read(described({"x-mine": value}), field="x-mine")
    assert [row.requires for row in found.rows] == [requires]
    assert found.rows[0].provenance == "#/paths/~1x/get/x-mine"
    assert not found.unread


@pytest.mark.parametrize("value", [["a", "b"], "a b", "a,b"])
def test_several_scopes_in_a_flat_list_must_be_told_apart(value: object) -> None:
    found = read(described({"x-mine": value}), field="x-mine")
    assert found.rows[0].requires is None
    assert "--scopes-are" in found.unread[0].why
    assert only_row(described({"x-mine": value}), field="x-mine", scopes_are="any").requires == (("a",), ("b",))
    assert only_row(described({"x-mine": value}), field="x-mine", scopes_are="all").requires == (("a", "b"),)


@pytest.mark.parametrize(
    "value",
    [7, None, [1], [["a"], []], [[]], [["a"], "b"], {"type": "SOME", "permissions": ["a"]}, {"permissions": ["a"]}, {"type": "ANY"}],
)
def test_a_form_that_is_not_known_is_unknown_and_listed(value: object) -> None:
    found = read(described({"x-mine": value}), field="x-mine")
    assert found.rows[0].requires is None
    assert found.unread


@pytest.mark.parametrize("name", ["x-app-permission", "x-inin-requires-permissions"])
def test_known_members_count_before_security(name: str) -> None:
    value: object = {"type": "ANY", "permissions": ["p"]} if "inin" in name else "p"
    document = described({name: value, "security": [{"oauth": ["a"]}]})
    assert only_row(document).requires == (("p",),)
    assert only_row(document, field="security").requires == (("a",),)


# --- operations -------------------------------------------------------------------------------------------


def test_paths_methods_ids_and_tags() -> None:
    operation = {"operationId": "readX", "tags": ["one", "one", "two"], "security": [{"oauth": ["a"]}]}
    document = described(
        operation, "/v1/x/{id}", servers=[{"url": "https://{region}.a.example/base/", "variables": {"region": {"default": "eu"}}}]
    )
    document["paths"]["/v1/x/{id}"]["delete"] = {"security": [{"oauth": ["a"]}]}
    document["paths"]["/v1/x/{id}"]["parameters"] = []
    rows = read(document).rows
    assert [(row.id, row.method, row.path, row.tags) for row in rows] == [
        ("readX", "GET", "/base/v1/x/{id}", ("one", "two")),
        ("delete-base-v1-x-id", "DELETE", "/base/v1/x/{id}", ()),
    ]


def test_variables_that_name_each_other_do_not_grow() -> None:
    variables = {f"v{number}": {"default": f"{{v{number + 1}}}" * 10} for number in range(20)}
    read_of = read(described({}, servers=[{"url": "https://a.example/{v0}", "variables": variables}]))
    assert not read_of.rows
    assert [unread.pointer for unread in read_of.unread] == ["#/paths/~1x/get"]


def test_swagger_two_is_read_too() -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "T", "version": "1"},
        "basePath": "/api",
        "securityDefinitions": {"oauth": {"type": "oauth2", "flow": "implicit", "scopes": {"a": "Read A"}}},
        "paths": {"/x": {"get": {"operationId": "x", "security": [{"oauth": ["a"]}]}}},
    }
    found = read(document)
    assert [(row.path, row.requires) for row in found.rows] == [("/api/x", (("a",),))]
    assert found.scopes == {"a": "Read A"}


def test_the_base_path_can_be_given() -> None:
    assert only_row(described({"security": []}, servers=[{"url": "/v2"}]), base_path="/mine/").path == "/mine/x"


@pytest.mark.parametrize("path", ["x", "/a b", "/a?b=c", "/a{b}", "/{a}.json", "/{a}/{a}", "/\u00e4", "/" + "a" * 2001])
def test_paths_that_no_catalogue_can_have_are_left_out_and_listed(path: str) -> None:
    found = read(described({"security": []}, path))
    assert not found.rows
    assert "left out" in found.unread[0].why


def test_two_paths_for_the_same_requests_are_one_row() -> None:
    document = described({"security": []}, "/x/{a}")
    document["paths"]["/x/{b}"] = {"get": {"security": []}}
    found = read(document)
    assert len(found.rows) == 1
    assert found.unread[0].pointer == "#/paths/~1x~1{b}/get"


def test_ids_are_used_once() -> None:
    document = described({"operationId": "same", "security": []})
    document["paths"]["/y"] = {"get": {"operationId": "same", "security": []}}
    document["paths"]["/z"] = {"get": {"operationId": "has blanks", "security": []}}
    found = read(document)
    assert [row.id for row in found.rows] == ["same", "same-2", "get-z"]
    assert len(found.unread) == 2


def test_references_are_followed_within_the_document() -> None:
    document = described({"security": []})
    document["paths"]["/y"] = {"$ref": "#/components/pathItems/y"}
    document["components"]["pathItems"] = {"y": {"get": {"security": [{"oauth": ["a"]}]}}}
    document["paths"]["/far"] = {"$ref": "other.yaml#/x"}
    document["paths"]["/round"] = {"$ref": "#/paths/~1round"}
    document["paths"]["/lost"] = {"$ref": "#/nowhere"}
    found = read(document)
    assert [(row.path, row.requires) for row in found.rows] == [("/x", ()), ("/y", (("a",),))]
    assert [item.pointer for item in found.unread] == ["#/paths/~1far", "#/paths/~1round", "#/paths/~1lost"]


def test_head_alone_is_listed() -> None:
    document = described({"security": []})
    document["paths"]["/y"] = {"head": {"security": []}}
    assert [item.pointer for item in read(document).unread] == ["#/paths/~1y/head"]


@pytest.mark.parametrize(
    "document", [None, [], {}, {"openapi": "4.0.0", "paths": {"/x": {}}}, {"openapi": "3.0.0"}, {"openapi": "3.0.0", "paths": {}}]
)
def test_what_is_no_description_is_told(document: object) -> None:
    with pytest.raises(NotOpenApiError):
        read(document)


def test_there_is_a_bound() -> None:
    paths: dict[str, Any] = {f"/{number}": {"get": {"security": []}} for number in range(MAX_OPERATIONS + 1)}
    with pytest.raises(NotOpenApiError, match="more than"):
        read({"openapi": "3.0.0", "info": {}, "paths": paths})


# --- the catalogue ----------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=' "\\{}?#/%'), min_size=1, max_size=8)
SCOPES = st.lists(st.text("abc:._-", min_size=1, max_size=6), max_size=3)
OPERATIONS = st.fixed_dictionaries(
    {"security": st.lists(st.dictionaries(st.sampled_from(["oauth", "other", "key", "jwt", "nobody"]), SCOPES, max_size=2), max_size=3)},
    optional={"operationId": st.text(max_size=12), "tags": st.lists(st.text(max_size=5), max_size=3), "x-app-permission": SCOPES},
)


@given(
    st.dictionaries(
        NAMES.map(lambda name: f"/{name}"),
        st.dictionaries(st.sampled_from(["get", "post"]), OPERATIONS, max_size=2),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_imported_can_be_loaded_and_says_the_same(paths: dict[str, Any]) -> None:
    found = read(
        {"openapi": "3.1.0", "info": {"title": "a: b\n#", "version": "\x7f"}, "paths": paths, "components": {"securitySchemes": SCHEMES}}
    )
    if not found.rows:
        return
    loaded = read_catalog(write_catalog("generic", "a file", found).encode(), "catalogue")
    assert not isinstance(loaded, Problems), str(loaded)
    for row, operation in zip(found.rows, loaded.catalog.operations, strict=True):
        assert (row.id, row.method, row.path, row.auth, row.tags, row.provenance) == (
            operation.id, operation.method, operation.route, operation.auth.value, operation.tags, operation.provenance,
        )  # fmt: skip
        assert isinstance(operation.requirement, NotKnown) == (row.requires is None)
        assert operation.alternatives() == (row.requires or ())


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["paths", "/x", "get", "security", "oauth", "openapi", "$ref", "servers", "url", "components", "securitySchemes"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_document_is_too_odd(value: object) -> None:
    for document in (value, {"openapi": "3.0.0", "paths": {"/x": value}}, {"swagger": "2.0", "paths": value, "security": value}):
        try:
            read(document)
        except NotOpenApiError:
            continue


def test_a_vendors_table_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """RingCentral's operations, described with its own extension, give the catalogue's requirements back."""
    shipped = load_catalog(builtin_config_directory() / "catalogs/ringcentral.yaml")
    assert not isinstance(shipped, Problems)
    rows = [row for row in shipped.catalog.operations if isinstance(row.requirement, OneOf) and len(row.alternatives()) == 1]
    assert len(rows) > 400
    paths: dict[str, Any] = {}
    for row in rows:
        paths.setdefault(row.route, {})[row.method.lower()] = {"operationId": row.id, "x-app-permission": list(row.alternatives()[0])}
    document = json.loads(json.dumps({"openapi": "3.0.3", "info": {}, "paths": paths}))
    imported = {(row.method, row.path): row for row in read(document, scopes_are="all").rows}
    assert all(imported[row.method, row.route].requires == row.alternatives() for row in rows)
