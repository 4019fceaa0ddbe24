from __future__ import annotations

import pytest

from proxy.protocol.targets import BadTarget, Target, parse_target, query_values

REFUSED = [
    # not a path
    (b"", "not_origin_form"),
    (b"*", "not_origin_form"),
    (b"users", "not_origin_form"),
    (b"?a=1", "not_origin_form"),
    (b"http://vendor.example/users", "not_origin_form"),
    (b"vendor.example:443", "not_origin_form"),
    # empty and dot segments
    (b"//", "empty_segment"),
    (b"//vendor.example/users", "empty_segment"),
    (b"/users//1", "empty_segment"),
    (b"/users//", "empty_segment"),
    (b"/.", "dot_segment"),
    (b"/..", "dot_segment"),
    (b"/users/./1", "dot_segment"),
    (b"/users/../admin", "dot_segment"),
    (b"/users/..", "dot_segment"),
    (b"/users/..?a=1", "dot_segment"),
    # percent-encoding
    (b"/%2e%2e/admin", "needless_encoding"),
    (b"/.%2E/admin", "needless_encoding"),
    (b"/%61dmin", "needless_encoding"),
    (b"/%5Fa", "needless_encoding"),
    (b"/%2D", "needless_encoding"),
    (b"/%30", "needless_encoding"),
    (b"/users%2F1", "encoded_slash"),
    (b"/users%2f1", "encoded_slash"),
    (b"/users%5C1", "encoded_backslash"),
    (b"/users%5c1", "encoded_backslash"),
    (b"/%252e", "double_encoding"),
    (b"/%25", "double_encoding"),
    (b"/users%00", "nul"),
    (b"/users%01", "control_character"),
    (b"/users%0d%0aX:1", "control_character"),
    (b"/users%09", "control_character"),
    (b"/users%1F", "control_character"),
    (b"/users%7F", "control_character"),
    (b"/users%3Fa", "encoded_delimiter"),
    (b"/users%23a", "encoded_delimiter"),
    (b"/users%3ba", "encoded_delimiter"),
    (b"/users%", "bad_percent_encoding"),
    (b"/users%2", "bad_percent_encoding"),
    (b"/users%zz", "bad_percent_encoding"),
    (b"/%u0061", "bad_percent_encoding"),
    (b"/users%?a=1", "bad_percent_encoding"),
    # raw characters
    (b"/users\\1", "backslash"),
    (b"/users#1", "fragment"),
    (b"/users;a=1", "path_parameters"),
    (b"/..;/admin", "path_parameters"),
    (b"/users 1", "path_characters"),
    (b"/users\t1", "path_characters"),
    (b"/users\x001", "path_characters"),
    (b"/users\r\n", "path_characters"),
    (b"/caf\xc3\xa9", "path_characters"),
    (b'/"users"', "path_characters"),
    (b"/{id}", "path_characters"),
    (b"/a|b", "path_characters"),
    # Unicode
    (b"/%C0%AF", "invalid_utf8"),
    (b"/%E0%80%AF", "invalid_utf8"),
    (b"/%ff", "invalid_utf8"),
    (b"/%ED%A0%80", "invalid_utf8"),
    (b"/%C3", "invalid_utf8"),
    (b"/%EF%BC%A1dmin", "confusable_character"),  # full-width A
    (b"/%EF%BC%8F", "confusable_character"),  # full-width solidus
    (b"/%EF%BC%85", "confusable_character"),  # full-width percent sign
    (b"/%E2%84%AA", "confusable_character"),  # Kelvin sign
    (b"/%C5%BF", "confusable_character"),  # long s
    (b"/%CD%BE", "confusable_character"),  # Greek question mark
    (b"/%C2%BD", "confusable_character"),  # one half
    (b"/%C2%A0", "confusable_character"),  # no-break space
    (b"/e%CC%81", "confusable_character"),  # e and a combining accent
    (b"/%EF%AC%81/fie%CC%81o%CC%81", "confusable_character"),  # a ligature hidden behind two accents
    (b"/admin%C2%AD", "invisible_character"),  # soft hyphen
    (b"/admin%E2%80%8B", "invisible_character"),  # zero-width space
    (b"/admin%EF%BB%BF", "invisible_character"),  # byte order mark
    (b"/admin%C2%85", "invisible_character"),  # next line
    (b"/admin%E2%80%A8", "invisible_character"),  # line separator
    (b"/admin%E2%80%A9", "invisible_character"),  # paragraph separator
    (b"/admin%EF%B8%8F", "invisible_character"),  # variation selector
    (b"/admin%F3%A0%84%80", "invisible_character"),  # variation selector supplement
    (b"/%CD%8Fadmin", "invisible_character"),  # combining grapheme joiner
    (b"/admin%E3%85%A4", "invisible_character"),  # Hangul filler
    (b"/admin%E1%85%9F", "invisible_character"),  # Hangul choseong filler
    (b"/admin%E1%A0%8B", "invisible_character"),  # Mongolian variation selector
    (b"/admin%E2%A0%80", "invisible_character"),  # empty Braille cell
    (b"/admin%EE%80%80", "invisible_character"),  # private use
    (b"/admin%E1%9A%80", "invisible_character"),  # Ogham space mark
    (b"/admin%EF%BF%BF", "invisible_character"),  # noncharacter
    # the query
    (b"/users?a=\x00", "query_characters"),
    (b"/users?a b", "query_characters"),
    (b"/users?a#b", "query_characters"),
    (b"/users?caf\xc3\xa9", "query_characters"),
]


@pytest.mark.parametrize(("raw", "reason"), REFUSED)
def test_a_target_with_two_readings_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    bad = parse_target(raw)
    assert isinstance(bad, BadTarget)
    assert bad.reason == reason


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"*", "the request target must be a path that begins with '/'"),
        (b"//", "the path has an empty segment ('//'), which servers read differently"),
        (b"/.", "the path has a '.' or '..' segment, which servers read differently"),
        (b"/?\x00", "the query has characters that must be percent-encoded"),
        (b"/%", "the path has a '%' that is not followed by two hexadecimal digits"),
        (b"/\\", "the path has a backslash, which some servers read as '/'"),
        (b"/#", "the request target has a fragment ('#')"),
        (b"/;", "the path has ';', which some servers cut off before routing"),
        (b"/ ", "the path has characters that RFC 3986 does not allow there"),
        (b"/%2F", "the path has a percent-encoded character that servers decode at different times"),
        (b"/%01", "the path has a percent-encoded control character"),
        (b"/%3B", "the path has a percent-encoded '?', '#' or ';'"),
        (b"/%61", "the path has a percent-encoded letter, digit, '-', '.' or '_': send it as it is"),
        (b"/%FF", "the percent-encoded path is not valid UTF-8"),
        (b"/%EF%BC%A1", "the path has a character that some servers fold into an ASCII one"),
        (b"/%C2%AD", "the path has an invisible or unassigned character"),
    ],
)
def test_a_refusal_says_in_a_sentence_what_is_wrong(raw: bytes, detail: str) -> None:
    bad = parse_target(raw)
    assert isinstance(bad, BadTarget)
    assert bad.detail == detail


ACCEPTED = [
    (b"/", "/", None),
    (b"/?", "/", ""),
    (b"/users?a=1?b", "/users", "a=1?b"),
    (b"/restapi/v1.0/account/~/extension/~", "/restapi/v1.0/account/~/extension/~", None),
    (b"/account/%7E", "/account/%7E", None),
    (b"/account/%7e", "/account/%7e", None),
    (b"/users/", "/users/", None),
    (b"/.search/...", "/.search/...", None),
    (b"/%2B16505550100", "/%2B16505550100", None),
    (b"/+1@x:y,z(a)!$&'*=", "/+1@x:y,z(a)!$&'*=", None),
    (b"/a%20b", "/a%20b", None),
    (b"/caf%C3%A9/%E6%97%A5%E6%9C%AC", "/caf%C3%A9/%E6%97%A5%E6%9C%AC", None),
    (b"/caf%C3%A9/%5B%22%3C", "/caf%C3%A9/%5B%22%3C", None),
    (b"/%D7%A9%D6%B0", "/%D7%A9%D6%B0", None),
    (b'/a?x[]={"y":1|2}&z=<>^`\\;%zz//..', "/a", 'x[]={"y":1|2}&z=<>^`\\;%zz//..'),
]


@pytest.mark.parametrize(("raw", "path", "query"), ACCEPTED)
def test_a_target_with_one_reading_is_sent_as_it_came(raw: bytes, path: str, query: str | None) -> None:
    target = parse_target(raw)
    assert target == Target(path, query)
    assert isinstance(target, Target)
    assert target.raw().encode() == raw


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, ()),
        ("", ()),
        ("a=1", ()),
        ("x_access_token=1", ()),
        ("access_token=1&a=2&access_token=3", ("1", "3")),
        ("access%5Ftoken=1", ("1",)),
        ("%61ccess_token=a%20b+c", ("a b c",)),
        ("access_token", ("",)),
        ("access_token=", ("",)),
        ("access_token=a=b", ("a=b",)),
        ("Access_Token=1", ()),
        ("a=1;access_token=2", ()),
        ("&&access_token=1&&", ("1",)),
        ("a=access_token", ()),
    ],
)
def test_parameters_are_found_under_every_spelling_of_their_name(query: str | None, expected: tuple[str, ...]) -> None:
    assert query_values(query, "access_token") == expected
    assert Target("/", query).parameters("access_token") == expected


def test_a_plus_in_a_name_is_a_space() -> None:
    assert query_values("start+time=1", "start time") == ("1",)
