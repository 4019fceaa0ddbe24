from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import Loaded, builtin_config_directory, json_schema, largest_series_count, load_settings
from proxy.settings.checks import NOT_SERVED
from proxy.settings.series import HISTOGRAM_BUCKETS, MOST_FAULTS
from tests.unit.settings.samples import CLIENT, VENDOR, loaded


def objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "Settings", schema
    yield from ((name, item) for name, item in schema["$defs"].items() if item.get("type") == "object")


def test_every_setting_is_described_and_nothing_else_is_allowed() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, item in objects(schema):
        assert item["additionalProperties"] is False, name
        assert item["description"], name
        assert all(property_schema["description"] for property_schema in item["properties"].values()), name


def test_references_of_the_schema_lead_somewhere() -> None:
    schema = json_schema()
    used = set(re.findall(r"#/\$defs/(\w+)", str(schema)))
    assert used == schema["$defs"].keys()


def test_a_vendor_has_a_name_of_the_documented_form() -> None:
    vendors = json_schema()["properties"]["vendors"]
    (pattern,) = vendors["patternProperties"]
    assert re.search(pattern, "8x8")
    assert not re.search(pattern, "Ring Central")
    assert vendors["additionalProperties"] is False


@pytest.mark.parametrize(("section", "key"), [("LimitSettings", "max_headers"), ("LogSettings", "decisions"), ("VendorSettings", "kind")])
def test_a_reference_is_fine_wherever_a_single_value_is_expected(section: str, key: str) -> None:
    allowed = json_schema()["$defs"][section]["properties"][key]["anyOf"]
    pattern = next(item["pattern"] for item in allowed if item.get("type") == "string" and "pattern" in item)
    assert re.search(pattern, "${PORT}")
    assert not re.search(pattern, "5")


def test_defaults_are_written_as_in_the_file() -> None:
    assert json_schema()["properties"]["listen"]["default"] == "127.0.0.1:8080"


def test_what_is_not_served_is_not_offered() -> None:
    properties = json_schema()["properties"]
    assert not properties.keys() & {pattern[0] for pattern in NOT_SERVED if len(pattern) == 1}


# --- the shipped configuration ------------------------------------------------------------------------------


def test_the_shipped_configuration_is_valid_without_any_environment() -> None:
    result = load_settings(builtin_config_directory() / "scopegate.yaml", {})
    assert isinstance(result, Loaded), str(result)
    assert result.catalogs.keys() == {"ringcentral", "8x8", "newvoicemedia"}


def test_the_shipped_configuration_shows_every_setting() -> None:
    text = (builtin_config_directory() / "scopegate.yaml").read_text(encoding="utf-8")
    for name, item in objects(json_schema()):
        for key in item["properties"]:
            assert re.search(rf"\b{key}:", text), f"{name}.{key} is not shown"


# --- the number of series -----------------------------------------------------------------------------------


def test_the_number_of_series_is_counted_by_the_table_of_metrics(tmp_path: Path) -> None:
    result = loaded(tmp_path, VENDOR)
    histogram = HISTOGRAM_BUCKETS + 3

    def vendor(operations: int, scopes: int, modes: int, clients: int = 2) -> int:
        return (
            clients * 6  # requests: outcomes
            + operations * 6 * modes * 9  # decisions: decisions, evidence
            + clients * scopes * modes  # missing scopes
            + clients * 7 * 2  # policy denials: why, modes but off
            + 4 * 5  # predictions: predicted, actual
            + operations * 6 * 7  # vendor responses: code classes, kinds
            + 5  # calls avoided: reasons
            + (6 + 1) * histogram  # request duration by outcome, vendor duration
            + 4  # grant cache: hit, miss, entries, evictions
            + 6
            + 6  # link rewrites and discoveries: results
            + 2 * clients * scopes  # last used, granted
            + MOST_FAULTS
            + clients * 6  # scores
            + 2 * operations  # false denials, operations demoted
            + 1  # denials that were sent through
            + 2 * clients  # end and lifetime of the newest token
            + 2 * 5  # rate limits: remaining, limit by group
        )

    known, none = vendor(operations=3, scopes=3, modes=1), vendor(operations=1, scopes=1, modes=3)
    assert (
        largest_series_count(result.settings, result.catalogs) == known + none + histogram + 21 + 6 + 3 * 3
    )  # the process, its garbage collection


def test_clients_and_their_modes_add_series(tmp_path: Path) -> None:
    alone = loaded(tmp_path, VENDOR)
    same_mode = loaded(tmp_path, VENDOR + CLIENT)
    other_mode = loaded(tmp_path, VENDOR + CLIENT + "    mode: shadow\n")
    counts = [largest_series_count(result.settings, result.catalogs) for result in (alone, same_mode, other_mode)]
    assert counts[0] < counts[1] < counts[2]
