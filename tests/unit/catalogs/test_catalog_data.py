"""The shipped catalogues say what the vendors' documentation says (`tests/tables`), and nothing that could deny wrongly."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proxy.catalogs.catalog import Catalog, compile_catalog, is_parameter
from proxy.model import AnyToken, Operation

ROOT: Final = Path(__file__).parents[3]
VENDORS: Final = ("ringcentral", "8x8", "newvoicemedia", "example-generic")
BODY_DECIDES: Final = {"createSubscription", "updateSubscription", "rcwN11sCreateSubscription", "rcwN11sUpdateSubscription"}
PRODUCTS: Final = {"analytics realtime-api", "storage", "QM - API", "vcc"}
"""Names that 8x8's OAuth guide lists both in a sample token response and in its table of products."""

TOP_KEYS: Final = {
    "vendor",
    "source",
    "scopes",
    "scope_defaults",
    "aliases",
    "operations",
    "token_endpoint",
    "token_in",
    "refusal",
    "recognise",
    "errors",
}
SCOPE_KEYS: Final = {"title", "implies", "remediation", "documentation", "changeable"}
OPERATION_KEYS: Final = {
    "id",
    "method",
    "path",
    "requires",
    "auth",
    "tags",
    "origin",
    "resource",
    "depends_on_body",
    "partial",
    "provenance",
}
RESOURCE_KEYS: Final = {"kind", "in", "name", "separator", "everything"}

Row = dict[str, str]
Data = dict[str, Any]


@cache
def text_of(vendor: str) -> str:
    return (ROOT / "config" / "catalogs" / f"{vendor}.yaml").read_text(encoding="utf-8")


@cache
def catalogue(vendor: str) -> Data:
    loaded: Data = yaml.load(text_of(vendor), Loader=yaml.CSafeLoader)
    return loaded


@cache
def table(name: str) -> tuple[Row, ...]:
    with (ROOT / "tests" / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


def operations(vendor: str) -> list[Data]:
    rows: list[Data] = catalogue(vendor)["operations"]
    return rows


def by_id(vendor: str) -> dict[str, Data]:
    return {row["id"]: row for row in operations(vendor)}


def by_route(vendor: str) -> dict[tuple[str, str], Data]:
    return {(row["method"], row["path"]): row for row in operations(vendor)}


@cache
def compiled(vendor: str) -> Catalog:
    """The catalogue's routes alone, compiled: raises where two operations match the same requests."""
    return compile_catalog(vendor, [Operation(vendor, row["id"], row["method"], row["path"], AnyToken()) for row in operations(vendor)])


def all_of(cell: str) -> list[list[str]]:
    return [cell.split(" + ")] if cell else []


def scopes_in(row: Data) -> set[str]:
    requires = row["requires"]
    return set() if requires == "unknown" else {scope for alternative in requires for scope in alternative}


def sent(template: str) -> str:
    """A path that a client could send for a template."""
    return "/".join(f"value{position}" if is_parameter(segment) else segment for position, segment in enumerate(template.split("/")))


def texts(vendor: str) -> Iterator[str]:
    for scope in catalogue(vendor)["scopes"].values():
        yield from scope.get("remediation", ())


# --- every catalogue ------------------------------------------------------------------------------------


def repeated_keys(node: yaml.Node) -> list[str]:
    if isinstance(node, yaml.SequenceNode):
        return [name for child in node.value for name in repeated_keys(child)]
    if not isinstance(node, yaml.MappingNode):
        return []
    names = Counter(key.value for key, _ in node.value)
    return [name for name, times in names.items() if times > 1] + [name for _, child in node.value for name in repeated_keys(child)]


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_key_is_written_twice(vendor: str) -> None:
    node = yaml.compose(text_of(vendor), Loader=yaml.CSafeLoader)
    assert node is not None
    assert repeated_keys(node) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_only_keys_of_the_format_are_used(vendor: str) -> None:
    data = catalogue(vendor)
    assert set(data) <= TOP_KEYS
    assert set(data["scope_defaults"]) <= {"remediation", "documentation", "changeable"}
    assert {key for scope in data["scopes"].values() for key in scope} <= SCOPE_KEYS
    assert {key for row in data["operations"] for key in row} <= OPERATION_KEYS
    assert {key for row in data["operations"] for key in row.get("resource", {})} <= RESOURCE_KEYS


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_catalogue_names_its_kind_and_source(vendor: str) -> None:
    data = catalogue(vendor)
    assert data["vendor"] == ("generic" if vendor == "example-generic" else vendor)
    assert data["source"].strip()


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_operation_finds_itself(vendor: str) -> None:
    for row in operations(vendor):
        match = compiled(vendor).find(row["method"], sent(row["path"]))
        assert match is not None
        assert match.operation.id == row["id"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_paths_can_be_sent_and_matched(vendor: str) -> None:
    for row in operations(vendor):
        segments = row["path"].split("/")[1:]
        names = [segment for segment in segments if is_parameter(segment)]
        assert row["path"].startswith("/")
        assert "" not in segments[:-1], row["path"]
        assert all(is_parameter(segment) or not set(segment) & set("{} ?#") for segment in segments), row["path"]
        assert len(set(names)) == len(names), row["path"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_requirements_are_alternatives_of_scopes_that_are_described(vendor: str) -> None:
    data = catalogue(vendor)
    for row in operations(vendor):
        assert row["requires"] == "unknown" or all(isinstance(alternative, list) and alternative for alternative in row["requires"]), row[
            "id"
        ]
        assert scopes_in(row) <= set(data["scopes"]), row["id"]
        assert not scopes_in(row) & set(data.get("aliases", ())), row["id"]
        assert set(row.get("partial", ())) <= scopes_in(row), row["id"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_rows_say_how_sure_and_how_authenticated_they_are(vendor: str) -> None:
    for row in operations(vendor):
        assert row["origin"] in {"documented", "inferred", "imported", "proposed"}
        assert row.get("auth", "bearer") in {"bearer", "client", "none"}
        assert row.get("auth", "bearer") == "bearer" or row["requires"] == [], row["id"]
        assert not row.get("depends_on_body") or row["requires"] == "unknown", row["id"]
        assert row["tags"], row["id"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_resource_rules_name_a_parameter_that_exists(vendor: str) -> None:
    for row in operations(vendor):
        rule = row.get("resource")
        if rule is not None:
            assert rule["in"] in {"query", "path"}
            assert rule["in"] == "query" or f"{{{rule['name']}}}" in row["path"].split("/"), row["id"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_scope_has_a_title_and_a_way_out(vendor: str) -> None:
    data = catalogue(vendor)
    assert len(data["scope_defaults"]["remediation"]) > 1
    assert all(scope["title"] for scope in data["scopes"].values())
    assert all(implied in data["scopes"] for scope in data["scopes"].values() for implied in scope.get("implies", ()))
    assert set(data.get("aliases", {}).values()) <= set(data["scopes"])


@pytest.mark.parametrize("vendor", VENDORS)
def test_only_shared_texts_have_placeholders(vendor: str) -> None:
    shared = " ".join(catalogue(vendor)["scope_defaults"]["remediation"])
    assert set(re.findall(r"\{(\w*)\}", shared)) <= {"scope", "title"}
    assert "{scope}" in shared
    assert not [text for text in texts(vendor) if "{" in text or "}" in text]


@pytest.mark.parametrize("vendor", VENDORS)
def test_documentation_is_linked_over_https(vendor: str) -> None:
    data = catalogue(vendor)
    links = [link for scope in [data["scope_defaults"], *data["scopes"].values()] for link in scope.get("documentation", ())]
    assert links
    assert all(link.startswith("https://") for link in links)


# --- RingCentral ----------------------------------------------------------------------------------------


def test_ringcentral_has_the_reference_in_its_order() -> None:
    documented = [(row["method"], row["path"], row["operation_id"], row["auth"]) for row in table("ringcentral-operations")]
    assert [(row["method"], row["path"], row["id"], row.get("auth", "bearer")) for row in operations("ringcentral")] == documented
    assert len(documented) == 520


def test_ringcentral_requires_what_the_reference_names() -> None:
    known = by_id("ringcentral")
    differing = {
        row["operation_id"] for row in table("ringcentral-operations") if known[row["operation_id"]]["requires"] != all_of(row["requires"])
    }
    assert differing == {"readCallRecording", *BODY_DECIDES}


@pytest.mark.parametrize("row", table("ringcentral-call-log"), ids=lambda row: row["category"])
def test_ringcentral_call_log_routes_follow_the_access_guide(row: Row) -> None:
    operation = by_route("ringcentral")[row["method"], row["path"]]
    assert operation["requires"] == all_of(row["requires"])
    assert operation["origin"] == "documented"


def test_ringcentral_operations_without_permission_never_deny() -> None:
    free = [by_id("ringcentral")[row["operation_id"]] for row in table("ringcentral-operations") if not row["requires"]]
    assert len(free) == 45
    assert all(row["requires"] == ("unknown" if row["id"] in BODY_DECIDES else []) for row in free)
    assert Counter(row.get("auth", "bearer") for row in free) == {"bearer": 37, "none": 6, "client": 2}


def test_ringcentral_subscriptions_depend_on_their_body() -> None:
    assert {row["id"] for row in operations("ringcentral") if row.get("depends_on_body")} == BODY_DECIDES


def test_ringcentral_permissions_include_what_the_guide_says() -> None:
    scopes = catalogue("ringcentral")["scopes"]
    documented = {row["permission"]: set(row["includes"].split(" + ")) - {""} for row in table("ringcentral-permissions")}
    assert {name: set(scope.get("implies", ())) for name, scope in scopes.items()} == documented
    assert len(documented) == 41


def test_ringcentral_renamed_permissions_have_one_meaning() -> None:
    aliases = catalogue("ringcentral")["aliases"]
    assert {"Glip": "TeamMessaging", "Meetings": "Video", "TelephonySessions": "CallControl"}.items() <= aliases.items()


def test_ringcentral_tokens_are_learned_from_the_token_response() -> None:
    data = catalogue("ringcentral")
    assert data["token_endpoint"] == {"path": "/restapi/oauth/token", "scope_from": "response"}
    assert data["token_in"]["query_parameter"] == "access_token"


# --- 8x8 ------------------------------------------------------------------------------------------------


def eight_requirement(row: Row) -> object:
    if row["path"].endswith("/token") or row["operation_id"] == "getjwkpublickey":
        return []
    if row["category"]:
        return [["CDR"]]
    return [[row["product"]]] if row["auth"] == "bearer" else "unknown"


def eight_auth(row: Row) -> str:
    if row["path"].endswith("/token"):
        return "client"
    return "none" if row["operation_id"] == "getjwkpublickey" else "bearer"


@pytest.mark.parametrize("row", table("8x8-operations"), ids=lambda row: row["operation_id"])
def test_8x8_has_every_documented_operation(row: Row) -> None:
    match = compiled("8x8").find(row["method"], sent(row["path"]))
    assert match is not None
    operation = by_id("8x8")[match.operation.id]
    assert operation["id"] == row["operation_id"].replace(" ", "-")
    assert operation["requires"] == eight_requirement(row)
    assert operation.get("auth", "bearer") == eight_auth(row)
    assert (operation["origin"] == "inferred") == (
        row["category"] == "CDR (inferred)" or (not row["auth"] and operation["requires"] == "unknown")
    )


@pytest.mark.parametrize("row", table("8x8-operations"), ids=lambda row: row["operation_id"])
def test_8x8_tells_pbx_names_from_pbx_ids(row: Row) -> None:
    rules = {
        "": None,
        "query pbxId": {"kind": "pbx", "in": "query", "name": "pbxId", "separator": ",", "everything": "allpbxes"},
        "path": {"kind": "pbx-id", "in": "path", "name": "pbxId"},
    }
    assert by_id("8x8")[row["operation_id"].replace(" ", "-")].get("resource") == rules[row["pbx"]]


@pytest.mark.parametrize("region", ["/eu", "/au", "/ca", ""])
@pytest.mark.parametrize("route", ["/analytics/cc/v5/realtime-metrics/queues", "/analytics/cc/v8/historical-metrics/report-types"])
def test_8x8_contact_center_analytics_are_known_in_every_region(region: str, route: str) -> None:
    match = compiled("8x8").find("GET", region + route)
    assert match is not None
    assert by_id("8x8")[match.operation.id]["requires"] == [["analytics realtime-api"]]


@pytest.mark.parametrize(
    "route", ["/analytics/cc/v8/historical-metrics", "/analytics/cc/v8/historical-metrics/", "/eu/analytics/cc/v8/historical-metrics"]
)
def test_8x8_reports_are_created_with_and_without_a_last_slash(route: str) -> None:
    match = compiled("8x8").find("POST", route)
    assert match is not None
    assert match.operation.id.startswith("cc-historical-report-create")


def test_8x8_denies_only_for_what_is_documented() -> None:
    data = catalogue("8x8")
    assert set(data["scopes"]) == PRODUCTS | {"CDR"}
    assert {name for name, scope in data["scopes"].items() if scope["changeable"]} == {"CDR"}


def test_8x8_remediation_names_licence_access_level_and_check() -> None:
    steps = " ".join(catalogue("8x8")["scopes"]["CDR"]["remediation"])
    for word in ("licence", "Admin Console", "Users", "Analytics for 8x8 Work", "Allowed access level", "Supervisor"):
        assert word in steps


def test_8x8_refusal_has_the_documented_words() -> None:
    refusal = catalogue("8x8")["refusal"]
    assert refusal == {
        "status": 400,
        "body": {
            "status": 400,
            "code": "105-400-038",
            "message": "user({user}) does not have access to api category({scope}) for pbxId([{resource}]).",
        },
    }


def test_8x8_has_two_logins() -> None:
    endpoints = {endpoint["path"]: endpoint["scope_from"] for endpoint in catalogue("8x8")["token_endpoint"]}
    assert endpoints == {"/analytics/work/v1/oauth/token": "none", "/oauth/v2/token": "response"}


# --- NewVoiceMedia --------------------------------------------------------------------------------------


def any_of(cell: str) -> object:
    if cell == "?":
        return "unknown"
    return [[scope] for scope in cell.split(" | ")] if cell else []


def test_newvoicemedia_requires_any_of_the_documented_scopes() -> None:
    rows = table("newvoicemedia-operations")
    expected = [(row["method"], row["path"], any_of(row["requires"])) for row in rows]
    assert [(row["method"], row["path"], row["requires"]) for row in newvoicemedia_table_rows()] == expected
    assert len(rows) == 60


def newvoicemedia_table_rows() -> list[dict[str, Any]]:
    """The rows that the table has: not those that only leave out the slash at the end."""
    return [row for row in operations("newvoicemedia") if not row["id"].endswith("-bare")]


@pytest.mark.parametrize("vendor", ["8x8", "newvoicemedia"])
def test_what_ends_with_a_slash_is_catalogued_without_it_too(vendor: str) -> None:
    """Else a request that leaves it out would be refused as ambiguous."""
    known = {(row["method"], row["path"]): row["requires"] for row in operations(vendor)}
    slashed = {key: requires for key, requires in known.items() if key[1].endswith("/")}
    assert slashed
    assert {known.get((method, path.rstrip("/"))) == requires for (method, path), requires in slashed.items()} == {True}


def test_newvoicemedia_calls_documented_only_what_a_page_names() -> None:
    expected = ["documented" if row["confidence"] == "documented" else "inferred" for row in table("newvoicemedia-operations")]
    assert [row["origin"] for row in newvoicemedia_table_rows()] == expected


def test_newvoicemedia_own_scopes_are_partial_but_for_access_permissions() -> None:
    for row in operations("newvoicemedia"):
        own = {scope for scope in scopes_in(row) if scope.startswith("self:")}
        assert set(row.get("partial", ())) == (set() if row["id"] == "getUserAccessPermissions" else own), row["id"]


def test_newvoicemedia_access_permissions_are_catalogued_to_the_letter() -> None:
    row = by_route("newvoicemedia")["GET", "/useradmin/users/{userId}/permissions/accessPermissions"]
    assert row["id"] == "getUserAccessPermissions"
    assert row["requires"] == [["users:read"], ["users:write"], ["self:read"]]


def test_newvoicemedia_tokens_have_the_scopes_that_were_asked_for() -> None:
    assert catalogue("newvoicemedia")["token_endpoint"] == {"path": "/Auth/connect/token", "scope_from": "request", "separator": " "}
    token = by_route("newvoicemedia")["POST", "/Auth/connect/token"]
    assert (token["auth"], token["requires"]) == ("client", [])


def test_newvoicemedia_refusal_names_the_missing_scopes() -> None:
    refusal = catalogue("newvoicemedia")["refusal"]
    assert refusal["status"] == 403
    assert "{alternatives}" in refusal["body"]["message"]


# --- the example ----------------------------------------------------------------------------------------


def test_the_example_shows_every_key_of_the_format() -> None:
    data = catalogue("example-generic")
    assert set(data) == TOP_KEYS
    assert {key for scope in data["scopes"].values() for key in scope} == SCOPE_KEYS
    assert {key for row in data["operations"] for key in row} == OPERATION_KEYS
    assert {key for row in data["operations"] for key in row.get("resource", {})} == RESOURCE_KEYS
    assert {row.get("auth", "bearer") for row in data["operations"]} == {"bearer", "client", "none"}
    assert {row["origin"] for row in data["operations"]} == {"documented", "inferred", "imported", "proposed"}
    assert set(data["token_in"]) == {"header", "scheme", "query_parameter"}
    assert set(data["refusal"]) == {"status", "body", "headers"}
    assert {key for pattern in data["recognise"] for key in pattern} == {"status", "json", "scope_from"}
