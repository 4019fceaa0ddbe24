"""Whatever is pasted is taken apart without being evaluated, and within bounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.analysis.pasting import MAX_OBJECTS, MAX_TEXT, read_pasted

SAMPLES = Path(__file__).parents[2] / "samples"
BODIES = sorted(path for path in SAMPLES.glob("*/*.json"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=8), JSON, min_size=1, max_size=5)
NO_BRACES = st.text(st.characters(exclude_characters="{}\\\"'"), max_size=30)


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.name)
def test_a_body_is_found_however_it_was_logged(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    plain = json.dumps(body)
    for text in (
        plain,
        json.dumps(body, indent=4),
        f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n{plain}",
        f"2026-11-21 20:00:00 ERROR call failed body={plain} retry=no",
        f"Error: {json.dumps(plain)}",
        json.dumps({"level": "error", "response": plain}),
        json.dumps({"level": "error", "message": f"vendor said {json.dumps(plain)}"}),
        f"ApiException({body!r})",
        f"ApiException({plain.encode()!r})",
    ):
        assert body in read_pasted(text).objects, text


@given(OBJECTS, NO_BRACES, NO_BRACES)
def test_an_object_is_found_in_any_text_without_braces(value: dict[str, object], before: str, after: str) -> None:
    assert value in read_pasted(f"{before} {json.dumps(value)} {after}").objects


@given(st.text(max_size=300) | st.text("{}[]\"'\\:,ab1 \n", max_size=300))
@example("{[]}")
def test_no_text_is_too_odd(text: str) -> None:
    pasted = read_pasted(text)
    assert pasted.text.startswith(text)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("HTTP/1.1 403 Forbidden", 403),
        ("HTTP/2 401", 401),
        ("status=429 body={}", 429),
        ('{"statusCode": 400, "error": "x"}', 400),
        ("{'status_code': 403}", 403),
        ('{"status": 400, "code": "105-400-038"}', 400),
        ("403 Client Error: Forbidden for url", 403),
        ("the vendor answered 403", None),
        ('{"status": "approved", "code": 7}', None),
        ("", None),
    ],
)
def test_the_status_is_read_where_it_is_told(text: str, status: int | None) -> None:
    assert read_pasted(text).status == status


@pytest.mark.parametrize("text", ["{" * 5000, '{"a":' * 5000, "{'a':" * 5000, "[" * 100_000 + "{", json.dumps([{}] * 5000), "{}" * 5000])
def test_odd_texts_cost_a_bounded_effort(text: str) -> None:
    assert len(read_pasted(text).objects) <= MAX_OBJECTS


def test_what_is_beyond_the_bound_is_not_looked_at() -> None:
    assert not read_pasted(" " * MAX_TEXT + '{"a": 1}').objects


def test_nothing_is_evaluated() -> None:
    assert not read_pasted("{'a': __import__('os').getcwd()}").objects
