from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model import RefusalTemplate
from proxy.vendors.moments import moment, moment_placeholder
from proxy.vendors.placeholders import denial_values, escape, fill, fill_refusal
from tests.unit.vendors.support import denial
from tests.unit.vendors.test_eightbyeight import VENDOR

VALUES = {"user": "{scope}", "scope": "CDR", "count": 3}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{user} {scope}", "{scope} CDR"),
        ("{count}", 3),
        ("n={count}", "n=3"),
        ("{{scope}}", "{scope}"),
        ("{other} {} { }", "{other} {} { }"),
        ("{other}", "{other}"),
        ("{{", "{"),
        ({"{scope}": ["{scope}", ("{scope}",), None, True]}, {"{scope}": ["CDR", ["CDR"], None, True]}),
    ],
)
def test_placeholders_are_filled_in_one_pass(template: object, filled: object) -> None:
    assert fill(template, VALUES.get) == filled


@given(st.text())
def test_what_was_escaped_comes_back_as_it_was(text: str) -> None:
    assert fill(escape(text), VALUES.get) == text


def test_a_value_cannot_end_a_header_line() -> None:
    evil = denial(VENDOR, "GET", "/analytics/work/v2/call-records?pbxId=a%0d%0aX-Evil:%20%C3%A9", (("CDR",),))
    refusal = fill_refusal(RefusalTemplate(400, {"m": "{method} {message}"}, {"X-Resource": "{resource}"}), evil)
    assert refusal.headers == {"X-Resource": "a??X-Evil: ?"}
    assert refusal.body == {"m": "GET "}


def test_without_a_missing_scope_or_operation_the_values_are_empty() -> None:
    values = denial_values(denial(VENDOR, "GET", "/nowhere", ()))
    assert [values(name) for name in ("scope", "scopes", "alternatives", "operation", "resource")] == [""] * 5
    assert values("user") == "unknown"
    assert values("nothing") is None


AT = 1_795_291_200.123


@pytest.mark.parametrize(
    ("sample", "written"),
    [
        ("2020-01-02T03:04:05Z", "2026-11-21T20:00:00Z"),
        ("2020-01-02T03:04:05", "2026-11-21T20:00:00"),
        ("2020-01-02 03:04:05.678901", "2026-11-21 20:00:00.123000"),
        ("2020-01-02T03:04:05.678+0100", "2026-11-21T20:00:00.123+0000"),
        ("2020-01-02T03:04:05.678-05:00", "2026-11-21T20:00:00.123+00:00"),
        (1_600_000_000_000, 1_795_291_200_123),
        (1_600_000_000, 1_795_291_200),
    ],
)
def test_a_time_is_written_in_the_samples_style(sample: object, written: object) -> None:
    placeholder = moment_placeholder(sample)
    assert placeholder is not None
    assert fill(placeholder, lambda name: moment(name, AT)) == written


@pytest.mark.parametrize("sample", ["yesterday", "2020-01-02", 7, 1.5, None, True, "2020-01-02T03:04:05.6Z"])
def test_another_style_has_no_placeholder(sample: object) -> None:
    assert moment_placeholder(sample) is None


def test_a_name_that_is_no_times_is_unknown() -> None:
    assert moment("timestamp", AT) == "2026-11-21T20:00:00Z"
    assert moment("timestamp_x9z", AT) is None
