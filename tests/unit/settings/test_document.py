from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.document import MAX_DEPTH, Document, read_document
from proxy.settings.problems import Position, Problems


def read(text: str | bytes, max_bytes: int = 100_000) -> Document | Problems:
    return read_document(text.encode() if isinstance(text, str) else text, "f", max_bytes)


def data(text: str) -> object:
    document = read(text)
    assert isinstance(document, Document), str(document)
    return document.data


def test_every_key_and_item_has_its_position() -> None:
    document = read("a:\n  b: [1,\n      {c: 2}]\n")
    assert isinstance(document, Document)
    assert document.data == {"a": {"b": [1, {"c": 2}]}}
    assert document.positions[("a", "b")] == Position(2, 3)
    assert document.positions[("a", "b", 0)] == Position(2, 7)
    assert document.positions[("a", "b", 1, "c")] == Position(3, 8)


def test_a_path_that_is_not_there_stands_where_its_parent_stands() -> None:
    document = read("a:\n  b: 1\n")
    assert isinstance(document, Document)
    assert document.position(("a", "missing", "deeper")) == Position(1, 1)
    assert document.position(("nothing",)) == Position(1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("-7", -7),
        ("010", 10),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("1234567890123456789012", "1234567890123456789012"),
        ("8x8", "8x8"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read_value = data(f"a: {text}")
    assert read_value == {"a": value}
    assert type(read_value["a"]) is type(value)


def test_keys_are_always_text() -> None:
    assert data("8: x\ntrue: y\n") == {"8": "x", "true": "y"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a: duplicate key (first on line 1)"),
        ("v: {a: {k: 1, k: 2}}", "f:1:15: v.a.k: duplicate key (first on line 1)"),
        ("a: &x 1\n", "f:1:4: anchors and aliases (&, *) are not allowed: write the value out"),
        ("a: *x\n", "f:1:4: anchors and aliases (&, *) are not allowed: write the value out"),
        ("a: !!python/object:os.system x\n", "f:1:4: tags (!) are not allowed: put text in quotes instead"),
        ("a: !mine [1]\n", "f:1:4: tags (!) are not allowed: put text in quotes instead"),
        ("a: [1\nb: 2\n", "f:2:2: not valid YAML: did not find expected ',' or ']'"),
        ("a: \x01\n", "f:1:4: not valid YAML: a character that YAML does not allow"),
        (b"a: 1\nb: \xff\n", "f:2:4: the file is not UTF-8 text"),
        ("a: 1\n---\nb: 2\n", "f:2:1: the file holds more than one YAML document"),
        ("? [a]\n: 1\n", "f:1:3: a key must be plain text"),
        ("x" * 200_000, "f:1:1: the file is larger than 100000 bytes"),
    ],
)
def test_what_is_refused_is_named_with_its_position(text: str | bytes, problem: str) -> None:
    assert str(read(text)) == problem


def test_every_duplicate_key_is_reported() -> None:
    refused = read("a: 1\na: 2\nb: 1\nb: 2\n")
    assert [problem.position.line for problem in refused if isinstance(refused, Problems)] == [2, 4]  # type: ignore[union-attr]


def test_deep_nesting_is_refused_without_recursion() -> None:
    assert str(read("[" * 90_000)) == f"f:1:{MAX_DEPTH + 1}: values are nested deeper than {MAX_DEPTH} levels"
    assert isinstance(read("[" * MAX_DEPTH + "]" * MAX_DEPTH), Document)


def test_a_byte_order_mark_is_no_content() -> None:
    document = read(b"\xef\xbb\xbfa: 1\n")
    assert isinstance(document, Document)
    assert document.data == {"a": 1}


@given(st.one_of(st.binary(max_size=300), st.text(alphabet="ab:-[]{}&*!?|>'\"#\n ,%@`~", max_size=100).map(str.encode)))
def test_any_bytes_give_a_document_or_problems(raw: bytes) -> None:
    result = read(raw)
    assert isinstance(result, Document) or all(problem.message for problem in result)
