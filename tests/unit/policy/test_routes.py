"""Patterns of routes: one segment, the rest of a path, and nothing in between."""

from __future__ import annotations

import pytest

from proxy.policy.routes import one_path, parse_pattern, template

USER, SKILLS, USERS = "/users/{id}", "/users/{id}/skills", "/users"


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("/users/*", {USER}),
        ("/users/{userId}", {USER}),
        ("/users/{}", {USER}),
        ("/users/**", {USER, SKILLS, USERS}),
        ("/users/*/**", {USER, SKILLS}),
        ("/users/me", set()),
        ("/*/*/skills", {SKILLS}),
        ("/**", {USER, SKILLS, USERS}),
        ("/Users", set()),
        ("/", set()),
    ],
)
def test_a_pattern_matches_templates(pattern: str, matched: set[str]) -> None:
    assert {route for route in (USER, SKILLS, USERS) if parse_pattern(pattern).covers(template(route))} == matched


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/", False),  # an empty segment is none
        ("/a/*", "/a", False),
        ("/a/**", "/a", True),
        ("/a/**", "/a/", True),
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/ab", False),
        ("/a%3Ab", "/a:b", True),
        ("/a:b", "/a%3Ab", True),
        ("/a", "/a/b", False),
        ("/a/", "/a/", True),
    ],
)
def test_a_pattern_matches_paths(pattern: str, path: str, matches: bool) -> None:
    assert parse_pattern(pattern).covers(one_path(path)) is matches


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("/a/**", "/a/*/b", True),
        ("/a/*", "/a/**", False),
        ("/**", "/a/**", True),
        ("/a/*/**", "/a/**", False),
        ("/a/*", "/a/b", True),
        ("/a/b", "/a/*", False),
        ("/a/*", "/a/", False),
    ],
)
def test_a_pattern_covers_another_one(wide: str, narrow: str, covers: bool) -> None:
    assert parse_pattern(wide).covers(parse_pattern(narrow)) is covers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users/x", "begins with '/'"),
        ("/a?b", "without query"),
        ("/a b", "without query"),
        ("/ä", "ASCII"),
        ("/a/**/b", "at its end"),
        ("/a*", "one whole segment"),
        ("/a/{b", "a whole segment"),
        ("/a{b}", "a whole segment"),
    ],
)
def test_what_is_no_pattern_is_refused_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        parse_pattern(text)
    assert text not in str(refused.value)
