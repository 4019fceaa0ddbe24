from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.settings.document import Document, read_document
from proxy.settings.expand import MAX_EXPANDED_CHARACTERS, Expanded, expand, masked


def expanded(text: str, environ: Mapping[str, str] | None = None) -> Expanded:
    document = read_document(text.encode(), "f", 100_000)
    assert isinstance(document, Document)
    return expand(document, environ or {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${A:-default}", "one"),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-default}", "default"),
        ("${NONE:-}", ""),
        ("${EMPTY}", ""),
        ("$${A}", "${A}"),
        ("$$$$", "$$"),
        ("costs $5", "costs $5"),
        ("${C}", "${A}"),
    ],
)
def test_references_are_replaced_once(text: str, value: str) -> None:
    environ = {"A": "one", "B": "two", "EMPTY": "", "C": "${A}"}
    result = expanded(f'k: ["{text}"]', environ)
    assert result.data == {"k": [value]}
    assert not result.problems


def test_only_paths_with_references_are_secret() -> None:
    result = expanded('a: "${A}"\nb: "$$x"\nc: {d: ["${N:-x}", plain]}\n', {"A": "1"})
    assert result.secret == {("a",), ("c", "d", 0)}
    assert masked(result.data, result.secret) == {"a": "***", "b": "$x", "c": {"d": ["***", "plain"]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "the environment variable NONE is not set"),
        ("${", "'${' must be followed by NAME}, NAME:-default} or file:/path}; write '$$' for a dollar sign"),
        ("${A-b}", "'${' must be followed by NAME}, NAME:-default} or file:/path}; write '$$' for a dollar sign"),
        ("${}", "'${' must be followed by NAME}, NAME:-default} or file:/path}; write '$$' for a dollar sign"),
        ("${file:relative}", "the path after 'file:' must be absolute"),
        ("${file:/does/not/exist}", "the file named after 'file:' does not exist or is not a regular file"),
        ("${file:/}", "the file named after 'file:' does not exist or is not a regular file"),
        ("${LONG}", f"the expanded value is longer than {MAX_EXPANDED_CHARACTERS} characters"),
    ],
)
def test_a_reference_without_value_is_a_problem_with_its_position(text: str, message: str) -> None:
    result = expanded(f'a: 1\nb:\n  c: "{text}"\n', {"LONG": "x" * (MAX_EXPANDED_CHARACTERS + 1)})
    assert [str(problem) for problem in result.problems] == [f"f:3:3: b.c: {message}"]
    assert result.failed == {("b", "c")}


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"top\nsecret\r\n")
    result = expanded(f"a: ${{file:{tmp_path}/secret}}")
    assert result.data == {"a": "top\nsecret"}
    assert result.secret == {("a",)}


def test_a_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    result = expanded(f"a: ${{file:{tmp_path}/secret}}")
    assert [problem.message for problem in result.problems] == ["the file named after 'file:' is not UTF-8 text"]


def test_keys_and_numbers_are_left_alone() -> None:
    assert expanded('"${A}": 5\n', {"A": "x"}).data == {"${A}": 5}
