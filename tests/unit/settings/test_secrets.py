from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.settings import Loaded, Problems, Settings, load_settings
from tests.unit.settings.samples import CATALOG, CLIENT, HASH, VENDOR, loaded, problems, write

CANARY = "cAnArY-7f3a"

FULL: dict[str, object] = {
    "listen": "127.0.0.1:1",
    "admin": {"listen": "127.0.0.1:2"},
    "mode": "shadow",
    "public_url": "http://h",
    "vendors": {
        "rc": {
            "kind": "ringcentral",
            "mount": {"path": "/rc", "host": "rc.example.com"},
            "upstream": "https://api.example.com",
            "catalog": "catalog.yaml",
            "mode": "enforce",
            "on_unknown_operation": "deny",
            "on_unknown_token": "deny",
            "implied_scopes": "ignore",
            "rewrite_links": False,
            "timeouts": {"connect_s": 1, "response_head_s": 2, "body_idle_s": 3},
            "learned_ttl_s": 5,
            "recheck_s": 5,
        },
        "pbx": {
            "kind": "8x8",
            "mount": {"path": "/8x8"},
            "upstream": "https://api.8x8.example.com",
            "grants": [{"user": "u", "pbx": ["p"], "categories": ["CDR"]}],
        },
        "nvm": {
            "kind": "newvoicemedia",
            "mount": {"path": "/nvm"},
            "upstream": "https://api.nvm.example.com",
            "token_upstream": "https://nvm.example.com",
        },
    },
    "clients": [{"name": "app", "authenticate": {"api_key_sha256": HASH}, "mode": "off"}],
    "limits": {"max_headers": 100, "body_idle_s": 1},
    "state": {"path": "state.db", "key": "ab" * 32, "max_bytes": 1048576},
    "log": {"format": "json", "decisions": True},
    "workers": 1,
    "tls": {"cert_file": "x"},
    "unknown": "x",
}

Leaf = tuple[str | int, ...]


def leaves(value: object, path: Leaf = ()) -> list[Leaf]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def replaced(value: object, path: Leaf, new: object) -> object:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(item, path[1:], new) if key == path[0] else item for key, item in value.items()}
    assert isinstance(value, list)
    return [replaced(item, path[1:], new) if index == path[0] else item for index, item in enumerate(value)]


@pytest.mark.parametrize("leaf", leaves(FULL), ids=str)
@pytest.mark.parametrize("value", [CANARY, f"https://{CANARY}@h/", f"/{CANARY}", f"127.0.0.1:{CANARY}"])
def test_no_value_from_the_environment_is_ever_repeated(tmp_path: Path, leaf: Leaf, value: str) -> None:
    path = write(tmp_path, yaml.safe_dump(replaced(FULL, leaf, "${SECRET}")))
    result = load_settings(path, {"SECRET": value})
    assert isinstance(result, Problems)  # FULL has unknown and unavailable keys
    assert CANARY not in str(result) + repr(result)


@pytest.mark.parametrize("leaf", [("vendors", "rc", "upstream"), ("vendors", "rc", "catalog"), ("vendors", "rc", "mount", "path")], ids=str)
def test_accepted_secrets_are_masked_in_everything_that_shows_settings(tmp_path: Path, leaf: Leaf) -> None:
    values = {"upstream": f"https://{CANARY}.example.com", "catalog": f"../{tmp_path.name}/{CANARY}.yaml", "path": f"/{CANARY}"}
    (tmp_path / f"{CANARY}.yaml").write_text(CATALOG)
    text = yaml.safe_dump(replaced({"vendors": yaml.safe_load(VENDOR)["vendors"]}, leaf, "${SECRET}"))
    result = loaded(tmp_path, text, {"SECRET": values[str(leaf[-1])]})
    printed = repr(result) + repr(result.settings) + str(result.settings) + repr(result.settings.vendors["rc"]) + repr(result.shown)
    printed += repr(result.settings.vendors["rc"].upstream)
    assert CANARY.lower() not in printed.lower()
    assert "***" in repr(result.shown)


def test_a_catalogue_with_mistakes_whose_path_is_secret_is_called_by_its_vendor(tmp_path: Path) -> None:
    (tmp_path / f"{CANARY}.yaml").write_text("vendor: ringcentral\n")
    found = problems(tmp_path, VENDOR.replace("catalog.yaml", "${SECRET}"), {"SECRET": f"{CANARY}.yaml"})
    assert found == ["(catalogue of rc):1:1: operations: is required"]


def test_the_shown_configuration_hides_key_hashes(tmp_path: Path) -> None:
    shown = loaded(tmp_path, VENDOR + CLIENT).shown
    assert HASH not in json.dumps(shown)
    assert '"name": "app"' in json.dumps(shown)


# --- whatever is thrown at it ---------------------------------------------------------------------------

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["${A}", "${", "/a", "generic", "catalog.yaml"]),
)
JUNK = st.recursive(
    ATOMS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)), max_leaves=8
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.sampled_from([*leaves(FULL), ("vendors",), ("vendors", "rc"), ("clients", 0), ("limits",)]), JUNK), max_size=3
    )
)
def test_any_mapping_is_loaded_or_refused(tmp_path: Path, changes: list[tuple[Leaf, object]]) -> None:
    data: object = FULL
    for leaf, junk in changes:
        try:
            data = replaced(data, leaf, junk)
        except AssertionError:
            continue
    assert isinstance(load_settings(write(tmp_path, json.dumps(data)), {"A": "x"}), Problems)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(st.sampled_from([*Settings.model_fields, "tls", "x"]), JUNK))
def test_any_top_level_is_loaded_or_refused(tmp_path: Path, data: dict[str, object]) -> None:
    assert isinstance(load_settings(write(tmp_path, json.dumps(data)), {"A": "x"}), Loaded | Problems)
