"""Revisions, differences, and what a reload may change: laws and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from proxy.settings import AT_START, LIVE, Copies, KeyPath, Loaded, Settings, difference, dotted, needs_restart, parse_settings
from proxy.settings.difference import MAX_LINES
from tests.unit.settings.samples import CATALOG, CLIENT, HASH, VENDOR, loaded

CANARY = "0ecf" * 16
TOP = {"mode": st.sampled_from(["enforce", "shadow", "off"]), "public_url": st.sampled_from(["https://a.example", "https://b.example"])}
LIMITS = {"max_headers": st.integers(10, 1000), "header_read_s": st.integers(1, 60)}
VENDOR_KEYS = {"mode": TOP["mode"], "rewrite_links": st.booleans(), "learned_ttl_s": st.integers(1, 900)}
KEYS = ("1" * 63, "2" * 63)
CLIENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(KEYS))


def client(name: str, key: str) -> dict[str, Any]:
    """Return a client; no two have the same key."""
    return {"name": name, "authenticate": {"api_key_sha256": name + key}}


@st.composite
def texts(draw: st.DrawFn) -> dict[str, Any]:
    vendor = {"kind": "ringcentral", "upstream": "https://api.example.com", "catalog": "catalog.yaml"}
    names = draw(st.lists(st.sampled_from(["rc", "two", "three"]), min_size=1, unique=True))
    more = {name: draw(st.fixed_dictionaries({}, optional=VENDOR_KEYS)) for name in names}
    vendors = {name: vendor | {"mount": {"path": f"/{name}"}} | more[name] for name in names}
    rest: dict[str, Any] = draw(
        st.fixed_dictionaries({"limits": st.fixed_dictionaries({}, optional=LIMITS), "clients": CLIENTS}, optional=TOP)
    )
    return {"vendors": vendors, **rest, "clients": [client(*each) for each in rest["clients"].items()]}


def read(text: Mapping[str, Any], directory: str = "/etc/one") -> Loaded:
    disk = Copies({Path(directory, "catalog.yaml"): CATALOG.encode()})
    result = parse_settings(yaml.safe_dump(text, sort_keys=False).encode(), {}, file=Path(directory, "scopegate.yaml"), disk=disk)
    assert isinstance(result, Loaded), str(result)
    return result


@settings(max_examples=25, deadline=None)
@given(texts())
def test_the_same_text_anywhere_is_the_same_revision_without_a_difference(text: dict[str, Any]) -> None:
    one, other = read(text), read(dict(reversed(text.items())), "/srv/two")
    assert one.revision == other.revision
    assert difference(one, other) == ()


@settings(max_examples=25, deadline=None)
@given(texts(), texts())
def test_revisions_differ_exactly_where_something_that_can_be_shown_does(first: dict[str, Any], second: dict[str, Any]) -> None:
    old, new = read(first), read(second)
    told = difference(old, new)
    shown = [line for line in told if "not shown" not in line]
    assert bool(shown) == (old.revision != new.revision)
    assert bool(told) == (old.entries != new.entries)
    assert len(difference(new, old)) == len(told)
    assert not any(key in line for line in told for key in KEYS)


# --- differences ----------------------------------------------------------------------------------------


def lines(tmp_path: Path, old: str, new: str, catalog: str = CATALOG) -> list[str]:
    before = loaded(tmp_path, old)
    return list(difference(before, loaded(tmp_path, new, catalog=catalog)))


def test_values_are_told_old_and_new(tmp_path: Path) -> None:
    new = VENDOR + "limits: {max_headers: 50}\npublic_url: https://proxy.example.com\n"
    assert lines(tmp_path, VENDOR, new) == ['public_url: not set → "https://proxy.example.com"', "limits.max_headers: 100 → 50"]


def test_secrets_are_said_to_differ_and_not_shown(tmp_path: Path) -> None:
    new = CLIENT.replace(HASH, CANARY)
    assert lines(tmp_path, VENDOR + CLIENT, VENDOR + new) == [
        "clients.app.authenticate.api_key_sha256: changed (not shown, it may be secret)"
    ]


def test_what_comes_from_the_environment_is_not_shown(tmp_path: Path) -> None:
    text = VENDOR.replace("https://api.example.com", "${UPSTREAM}")
    one, other = (loaded(tmp_path, text, {"UPSTREAM": f"https://{name}.example.com"}) for name in ("one", "other"))
    assert difference(one, other) == ("vendors.rc.upstream: changed (not shown, it may be secret)",)


def test_clients_and_vendors_come_and_go_as_a_whole(tmp_path: Path) -> None:
    other = VENDOR.replace("  rc:", "  two:").replace("/rc", "/two")
    assert lines(tmp_path, VENDOR + CLIENT, other) == ["clients.app: removed", "vendors.rc: removed", "vendors.two: added"]


def test_a_section_that_comes_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    assert lines(tmp_path, VENDOR, VENDOR + "audit: {path: a.jsonl, max_queued: 200}\n")[0] == 'audit.path: not set → "a.jsonl"'


def test_operations_are_told_by_what_they_need(tmp_path: Path) -> None:
    new = CATALOG.replace("requires: [[ReadCallLog, ReadCallRecording]]", "requires: [[ReadCallLog]]").replace("readLog, ", "readLogs, ")
    new = new.replace("/log/{id}", "/logs/{id}").replace("implies: [ReadCallLog], ", "")
    assert lines(tmp_path, VENDOR, VENDOR, catalog=new) == [
        "catalogue of rc: readLog (GET /log/{id}): removed",
        "catalogue of rc: readRecording (GET /recording): looser, ReadCallLog and ReadCallRecording → ReadCallLog",
        "catalogue of rc: readLogs (GET /logs/{id}): added",
        "catalogue of rc: scope ReadCallRecording implies no longer ReadCallLog",
    ]


def test_a_text_in_a_catalogue_that_changes_is_told_as_such(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, VENDOR, VENDOR, catalog=CATALOG.replace("Read Call Log", "Read The Call Log"))
    assert line == "catalogue of rc: texts, names or rules other than requirements changed"


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    rows = "".join(f"  - {{id: o{row}, method: GET, path: /o{row}, requires: [], origin: documented}}\n" for row in range(300))
    told = lines(tmp_path, VENDOR, VENDOR, catalog=CATALOG + rows)
    assert (len(told), told[-1]) == (MAX_LINES, "and 101 more changes")


# --- what needs a restart -------------------------------------------------------------------------------


def keys(model: type[BaseModel], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield every key of a section; those of lists and maps of sections are not told apart from theirs."""
    for name, info in model.model_fields.items():
        sections = [
            kind for kind in (info.annotation, *get_args(info.annotation)) if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if sections:
            yield from keys(sections[0], (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("key", tuple(keys(Settings)), ids=dotted)
def test_every_setting_is_in_exactly_one_list(key: KeyPath) -> None:
    found = [above for above in (*LIVE, *AT_START) if key[: len(above)] == above]
    assert len(found) == 1, found


def test_the_lists_name_settings_that_exist() -> None:
    there = {key[:end] for key in keys(Settings) for end in range(1, len(key) + 1)}
    assert set(LIVE) | set(AT_START) <= there


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ("mode: off\nlimits: {max_headers: 50}\n", []),
        ("listen: 127.0.0.1:1\n", ["listen"]),
        ('admin: {listen: "127.0.0.1:1"}\n', ["admin.listen"]),
        ("state: {path: other.db}\n", ["state"]),
        ("audit: {path: a.jsonl}\nworkers: 2\nlog: {format: text}\n", ["audit", "log", "workers"]),
    ],
)
def test_what_cannot_change_while_the_proxy_runs(tmp_path: Path, more: str, needed: list[str]) -> None:
    assert [dotted(path) for path in needs_restart(loaded(tmp_path, VENDOR).settings, loaded(tmp_path, VENDOR + more).settings)] == needed


def test_retention_changes_while_the_proxy_runs_and_the_path_does_not(tmp_path: Path) -> None:
    old = loaded(tmp_path, VENDOR + "state: {path: a.db}\n").settings
    assert needs_restart(old, loaded(tmp_path, VENDOR + "state: {path: a.db, usage_retention_days: 3}\n").settings) == []
    assert needs_restart(old, loaded(tmp_path, VENDOR + "state: {path: b.db}\n").settings) == [("state", "path")]
    assert needs_restart(old, loaded(tmp_path, VENDOR).settings) == [("state",)]
