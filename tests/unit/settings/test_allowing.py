"""Rules of clients that do not do what they say are errors, each where it stands and all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings import allowances
from tests.unit.settings.samples import CLIENT, VENDOR, loaded, problems

CATALOG = """\
vendor: ringcentral
scopes:
  ReadCallLog: {title: Read Call Log}
  ReadCallRecording: {implies: [ReadCallLog]}
aliases: {OldCallLog: ReadCallLog}
operations:
  - {id: readLog, method: GET, path: "/log/{id}", requires: [[ReadCallLog]], tags: [log]}
  - {id: readLogs, method: GET, path: /log, requires: [[ReadCallLog]], tags: [log]}
  - {id: deleteLog, method: DELETE, path: "/log/{id}", requires: [[EditCallLog]], tags: [log]}
  - {id: readRecording, method: GET, path: /recording, requires: [[ReadCallLog, ReadCallRecording], [EditCallLog]]}
  - {id: mystery, method: POST, path: /mystery, requires: unknown}
  - {id: getToken, method: POST, path: /token, auth: client, requires: []}
"""
START = VENDOR + CLIENT + "    allow:\n"


def found(tmp_path: Path, *rules: str, vendor: str = "") -> list[str]:
    """Return the problems of a client with these rules, without `clients[0].`; the first rule is on line 11 (12 with `vendor`)."""
    text = VENDOR + vendor + CLIENT + "    allow:\n" + "".join(f"    - {{vendor: rc{rule}}}\n" for rule in rules)
    return [problem.replace("clients[0].", "") for problem in problems(tmp_path, text, catalog=CATALOG)]


def accepted(tmp_path: Path, *rules: str, vendor: str = "") -> set[str]:
    """Return the ids of what a client with these rules may use."""
    text = VENDOR + vendor + CLIENT + "    allow:\n" + "".join(f"    - {{vendor: rc{rule}}}\n" for rule in rules)
    read = loaded(tmp_path, text, catalog=CATALOG)
    return {row.id for row in allowances(read.settings, "rc", read.catalogs["rc"])["app"].allowed} - {"getToken"}


EVERYTHING = {"readLog", "readLogs", "deleteLog", "readRecording", "mystery"}
NO_ROUTE = "matches no route of the catalogue; a parameter is written * or {}, and ** stands for the rest of a path"
CEILING = "every operation that it is about needs more than its ceiling (scopes)"


def excluded(names: str) -> str:
    return f"its {names} exclude every operation that its other conditions let through"


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (", operations: [readLg]", "11:33: allow[0].operations[0]: unknown operation; did you mean 'readLog'?"),
        (
            ", operations: [zzz]",
            "11:33: allow[0].operations[0]: unknown operation: 'scopegate catalog list' has the ids of the vendor's operations",
        ),
        (", tags: [logs]", "11:27: allow[0].tags[0]: unknown tag; did you mean 'log'?"),
        (", scopes: [ReadCalLog]", "11:29: allow[0].scopes[0]: unknown scope; did you mean 'ReadCallLog'?"),
        (", methods: [GETS]", "11:30: allow[0].methods[0]: unknown method; did you mean 'GET'?"),
        (
            ", methods: [HEAD]",
            "11:30: allow[0].methods[0]: must be a method in capital letters, such as GET (which stands for HEAD too); not HEAD",
        ),
        (
            ', routes: ["/log/~"]',
            f"11:29: allow[0].routes[0]: {NO_ROUTE}",
        ),
        (', routes: ["log"]', "11:29: allow[0].routes[0]: must be a path that begins with '/': ASCII, without query"),
        (", operations: []", "11:20: allow[0].operations: must have 1 or more entries"),
        (", methods: [GET, GET]", "11:35: allow[0].methods[1]: is in this list twice"),
        (", scopes: [ReadCallLog, ReadCallLog]", "11:42: allow[0].scopes[1]: is in this list twice"),
        (", operation: [readLog]", "11:20: allow[0].operation: unknown key; did you mean 'operations'?"),
        (", operations: [readLog], methods: [POST]", f"11:7: allow[0]: can never match: {excluded('methods')}"),
        (', operations: [readLog], routes: ["/recording"]', f"11:7: allow[0]: can never match: {excluded('routes')}"),
        (", operations: [mystery], tags: [log]", f"11:7: allow[0]: can never match: {excluded('tags')}"),
        (
            ", operations: [mystery], tags: [log], methods: [GET]",
            "11:7: allow[0]: can never match: its conditions exclude each other",
        ),
        (", operations: [deleteLog], scopes: [ReadCallLog]", f"11:7: allow[0]: can never match: {CEILING}"),
        (", operations: [mystery], scopes: [ReadCallLog]", f"11:7: allow[0]: can never match: {CEILING}"),
        (
            ", operations: [readLog, deleteLog], methods: [GET]",
            "11:42: allow[0].operations[1]: can never match: the other conditions of the rule exclude this operation",
        ),
        (
            ", operations: [readLog, deleteLog], scopes: [ReadCallLog]",
            "11:42: allow[0].operations[1]: can never match: this operation needs more than its ceiling (scopes)",
        ),
    ],
)
def test_a_rule_that_does_not_do_what_it_says_is_named(tmp_path: Path, rule: str, problem: str) -> None:
    assert found(tmp_path, rule) == [problem]


def test_a_vendor_that_is_not_configured_is_named_even_without_its_catalogue(tmp_path: Path) -> None:
    text = START.replace("catalog.yaml", "none.yaml") + "    - {vendor: rcc}\n    - {vendor: rc, tags: [no]}\n"
    assert problems(tmp_path, text) == [
        "6:5: vendors.rc.catalog: the file cannot be read: No such file or directory",
        "11:8: clients[0].allow[0].vendor: unknown vendor; did you mean 'rc'?",
    ]


def test_all_mistakes_of_all_rules_are_reported_together_with_all_others(tmp_path: Path) -> None:
    text = "mode: on\n" + START + "    - {vendor: rc, tags: [no], operations: [no, readLog]}\n    - {vendor: rc, scopes: 5}\n"
    assert [problem.split(": ")[1] for problem in problems(tmp_path, text, catalog=CATALOG)] == [
        "mode",
        "clients[0].allow[0].tags[0]",
        "clients[0].allow[0].operations[0]",
        "clients[0].allow[1].scopes",
    ]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("", ", operations: [readLog]"),
        ("", ', methods: [GET], routes: ["/log/**"]'),
        (", methods: [GET, POST]", ", methods: [GET]"),
        (', routes: ["/log/**"]', ', routes: ["/log", "/log/{id}"]'),
        (", scopes: [ReadCallLog]", ", operations: [readLog]"),
        (", tags: [log]", ", operations: [deleteLog, readLog]"),
        (", scopes: [ReadCallRecording]", ", scopes: [OldCallLog]"),
        (", operations: [readRecording]", ", operations: [readRecording], scopes: [EditCallLog]"),
        (", tags: [log]", ", operations: [getToken]"),
    ],
)
def test_a_rule_that_another_one_includes_adds_nothing(tmp_path: Path, wide: str, narrow: str) -> None:
    assert found(tmp_path, wide, narrow) == [
        "12:7: allow[1]: adds nothing: allow[0] allows all of it already; remove this rule or narrow the other one"
    ]
    assert found(tmp_path, narrow, wide) == [
        "11:7: allow[0]: adds nothing: allow[1] allows all of it already; remove this rule or narrow the other one"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        (", scopes: [ReadCallLog]", ", scopes: [OldCallLog]"),
        (", operations: [readLog, readLogs, deleteLog]", ", tags: [log]"),
        (', routes: ["/log/*"]', ', routes: ["/log/{id}"]'),
    ],
)
def test_of_two_rules_that_allow_the_same_the_later_adds_nothing(tmp_path: Path, one: str, other: str) -> None:
    assert found(tmp_path, one, other, ", operations: [mystery], methods: [POST]")[0] == (
        "12:7: allow[1]: adds nothing: it allows the same as allow[0]; remove one of them"
    )


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([""], EVERYTHING),
        ([", operations: [readLog]", ", operations: [readLogs]"], {"readLog", "readLogs"}),
        ([", operations: [readLog, readLogs]", ", operations: [readLogs, deleteLog]"], {"readLog", "readLogs", "deleteLog"}),
        ([", methods: [GET]", ", tags: [log]"], EVERYTHING - {"mystery"}),
        ([", scopes: [ReadCallLog]", ", operations: [readRecording]"], {"readLog", "readLogs", "readRecording"}),
        ([", scopes: [ReadCallRecording]"], {"readLog", "readLogs", "readRecording"}),
        ([", scopes: []"], set()),
        (
            [", operations: [readRecording], scopes: [EditCallLog]", ", scopes: [ReadCallRecording]"],
            {"readLog", "readLogs", "readRecording"},
        ),
        ([", methods: [TRACE]"], set()),
        ([', routes: ["/log/*"]', ', routes: ["/log/**"], methods: [GET]'], {"readLog", "readLogs", "deleteLog"}),
    ],
)
def test_rules_that_each_add_something_are_accepted(tmp_path: Path, rules: list[str], expected: set[str]) -> None:
    assert accepted(tmp_path, *rules) == expected


def test_a_ceiling_is_read_to_the_letter_where_implied_scopes_are_ignored(tmp_path: Path) -> None:
    ignore = "    implied_scopes: ignore\n"
    rule = ", scopes: [ReadCallRecording], operations: [readLog]"
    assert accepted(tmp_path, rule) == {"readLog"}
    assert found(tmp_path, rule, vendor=ignore) == [f"12:7: allow[0]: can never match: {CEILING}"]


def test_what_is_not_in_the_catalogue_does_not_count_where_it_is_denied_anyway(tmp_path: Path) -> None:
    deny = "    on_unknown_operation: deny\n"
    assert accepted(tmp_path, ", methods: [DELETE]", ", operations: [deleteLog, readLog]") == {"readLog", "deleteLog"}
    assert found(tmp_path, ", methods: [DELETE]", ", operations: [deleteLog, readLog]", vendor=deny) == [
        "12:7: allow[0]: adds nothing: allow[1] allows all of it already; remove this rule or narrow the other one"
    ]
    assert found(tmp_path, ", methods: [TRACE]", vendor=deny) == [f"12:7: allow[0]: can never match: {excluded('methods')}"]


def test_rules_of_other_clients_and_vendors_do_not_count(tmp_path: Path) -> None:
    second = VENDOR.replace("vendors:\n", "").replace("  rc:", "  two:").replace("/rc", "/two")
    other = f"  - {{name: other, authenticate: {{api_key_sha256: {'cd' * 32}}}, allow: [{{vendor: rc}}]}}\n"
    text = VENDOR + second + CLIENT + "    allow: [{vendor: rc}, {vendor: two}]\n" + other
    read = loaded(tmp_path, text, catalog=CATALOG)
    assert [len(rules) for name in ("rc", "two") for rules in [allowances(read.settings, name, read.catalogs[name])]] == [2, 2]


def test_no_list_and_an_empty_one_differ(tmp_path: Path) -> None:
    for line, expected in (("", {}), ("    allow: []\n", {"app": 0})):
        read = loaded(tmp_path, VENDOR + CLIENT + line, catalog=CATALOG)
        found = allowances(read.settings, "rc", read.catalogs["rc"])
        assert {name: len(allowance.allowed) for name, allowance in found.items()} == expected


def test_no_message_repeats_a_value(tmp_path: Path) -> None:
    rule = ", operations: ['${SECRET}'], tags: ['${SECRET}'], scopes: ['${SECRET}']"
    text = START + f"    - {{vendor: rc{rule}}}\n    - {{vendor: '${{SECRET}}'}}\n"
    texts = problems(tmp_path, text, {"SECRET": "hush"}, catalog=CATALOG)
    assert len(texts) == 4
    assert not any("hush" in problem for problem in texts)
