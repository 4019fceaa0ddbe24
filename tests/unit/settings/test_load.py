from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from proxy.credentials import Secret
from proxy.model import Mode, OnUnknown
from proxy.settings import Address, builtin_config_directory, with_overrides
from tests.unit.settings.samples import CATALOG, CLIENT, HASH, VENDOR, loaded


def test_a_small_configuration_gets_the_documented_defaults(tmp_path: Path) -> None:
    result = loaded(tmp_path, VENDOR)
    values = result.settings
    vendor = values.vendors["rc"]
    assert values.listen == Address("127.0.0.1", 8080)
    assert values.admin.listen == Address("127.0.0.1", 9090)
    assert (values.mode, values.clients, values.workers) == (Mode.ENFORCE, (), 1)
    assert str(values.public_origin) == "http://127.0.0.1:8080"
    assert (vendor.on_unknown_operation, vendor.on_unknown_token) == (OnUnknown.FORWARD, OnUnknown.FORWARD)
    assert (vendor.implied_scopes, vendor.rewrite_links, vendor.learned_ttl_s, vendor.recheck_s) == ("presume", True, 900, 60)
    assert (vendor.timeouts.connect_s, vendor.timeouts.response_head_s, vendor.timeouts.body_idle_s) == (5, 30, 60)
    limits = values.limits
    assert (limits.max_header_bytes, limits.max_headers, limits.max_url_bytes, limits.max_body_bytes) == (32768, 100, 16384, 0)
    assert (limits.max_connections, limits.max_in_flight, limits.max_queued, limits.queue_wait_s) == (4096, 512, 256, 2)
    assert (limits.max_known_tokens, limits.max_pipelined, limits.max_idle_upstream, limits.max_learning_bytes) == (100000, 32, 64, 262144)
    assert (limits.max_rewrite_bytes, limits.max_rewrite_total_bytes) == (4194304, 67108864)
    assert (limits.header_read_s, limits.body_idle_s, limits.keepalive_idle_s, limits.shutdown_grace_s) == (10, 60, 75, 30)
    assert (values.log.format, values.log.decisions) == ("auto", True)


@pytest.mark.parametrize(
    ("upstream", "more", "media"),
    [
        ("https://platform.ringcentral.com", "", "https://media.ringcentral.com"),
        ("https://platform.ringcentral.com", "    media_upstream: https://m.example.com\n", "https://m.example.com"),
        ("https://gateway.example.com", "", "None"),
    ],
)
def test_ringcentrals_own_media_host_need_not_be_named(tmp_path: Path, upstream: str, more: str, media: str) -> None:
    text = VENDOR.replace("https://api.example.com", upstream) + more
    assert str(loaded(tmp_path, text).settings.vendors["rc"].media_origin) == media


def test_the_catalogue_comes_along(tmp_path: Path) -> None:
    result = loaded(tmp_path, VENDOR)
    match = result.catalogs["rc"].find("GET", "/log/7")
    assert match is not None
    assert match.operation.id == "readLog"
    assert result.settings.vendors["rc"].catalog == tmp_path / "catalog.yaml"
    assert result.files == (tmp_path / "scopegate.yaml", tmp_path / "catalog.yaml")


def test_the_revision_follows_what_the_files_say(tmp_path: Path) -> None:
    first = loaded(tmp_path, VENDOR).revision
    assert len(first) == 12
    assert loaded(tmp_path, VENDOR).revision == first
    assert loaded(tmp_path, VENDOR + "mode: off\n").revision != first
    assert loaded(tmp_path, VENDOR, catalog=CATALOG.replace("/recording", "/recordings")).revision != first


def test_the_revision_does_not_follow_how_it_is_written(tmp_path: Path) -> None:
    first = loaded(tmp_path, VENDOR).revision
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert loaded(elsewhere, VENDOR).revision == first
    assert loaded(tmp_path, f"# a comment\nmode: enforce # the default\n{VENDOR}").revision == first
    assert loaded(tmp_path, VENDOR, catalog=CATALOG + "# more\n").revision == first


def test_the_revision_tells_nothing_of_secrets(tmp_path: Path) -> None:
    text = VENDOR.replace("https://api.example.com", "${UPSTREAM}") + CLIENT
    first = loaded(tmp_path, text, {"UPSTREAM": "https://one.example.com"})
    other = loaded(tmp_path, text.replace(HASH, "cd" * 32), {"UPSTREAM": "https://other.example.com"})
    assert first.revision == other.revision
    assert first.entries.hidden != other.entries.hidden
    for each in ("one.example.com", HASH):
        assert each not in str(first.entries) + str(dict(first.entries.told))


def test_a_vendor_without_catalogue_uses_the_shipped_one(tmp_path: Path) -> None:
    result = loaded(tmp_path, VENDOR.replace("    catalog: catalog.yaml\n", ""))
    assert result.catalogs["rc"].vendor == "ringcentral"
    assert result.settings.vendors["rc"].catalog == builtin_config_directory() / "catalogs" / "ringcentral.yaml"


def test_modes_are_overridden_from_the_outside_in(tmp_path: Path) -> None:
    text = VENDOR + "    mode: shadow\n  other: {kind: ringcentral, mount: {path: /o}, upstream: 'http://h', catalog: catalog.yaml}\n"
    values = loaded(tmp_path, text + "mode: off\n" + CLIENT + "    mode: enforce\n").settings
    assert values.mode_for("other") is Mode.OFF
    assert values.mode_for("rc") is Mode.SHADOW
    assert values.mode_for("rc", "app") is Mode.ENFORCE
    assert values.mode_for("rc", "stranger") is Mode.SHADOW


def test_a_client_key_is_kept_as_secret_bytes(tmp_path: Path) -> None:
    (client,) = loaded(tmp_path, VENDOR + CLIENT).settings.clients
    assert client.authenticate.api_key_sha256 == Secret(bytes.fromhex(HASH))


def test_grants_are_read_as_vendors_take_them(tmp_path: Path) -> None:
    text = VENDOR.replace("kind: ringcentral", "kind: 8x8") + "    grants: [{user: u, pbx: [p], categories: [CDR]}]\n"
    values = loaded(tmp_path, text, catalog=CATALOG.replace("vendor: ringcentral", "vendor: 8x8")).settings
    assert values.vendors["rc"].grants_as_mappings() == ({"user": "u", "pbx": ("p",), "categories": ("CDR",)},)


def test_a_private_ca_counts_from_the_directory_of_the_file(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    result = loaded(tmp_path, VENDOR + "    ca_file: ca.pem\n")
    assert result.settings.vendors["rc"].ca_file == tmp_path / "ca.pem"
    assert tmp_path / "ca.pem" in result.files


def test_numbers_and_switches_may_come_from_the_environment(tmp_path: Path) -> None:
    text = VENDOR + "limits: {max_headers: '${N}', body_idle_s: '${S}'}\nlog: {decisions: '${B}'}\nlisten: '${L:-127.0.0.1:0}'\n"
    values = loaded(tmp_path, text, {"N": "50", "S": "1.5", "B": "false"}).settings
    assert (values.limits.max_headers, values.limits.body_idle_s, values.log.decisions) == (50, 1.5, False)
    assert values.listen == Address("127.0.0.1", 0)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    values = loaded(tmp_path, VENDOR).settings
    with pytest.raises(ValueError, match="frozen"):
        values.workers = 2
    with pytest.raises(TypeError):
        values.vendors["other"] = values.vendors["rc"]  # type: ignore[index]


def test_the_command_line_overrides_the_listeners(tmp_path: Path) -> None:
    values = with_overrides(loaded(tmp_path, VENDOR).settings, listen=Address("::1", 1), admin=Address("h", 2))
    assert (str(values.listen), str(values.admin.listen)) == ("[::1]:1", "h:2")
    assert with_overrides(values) == values
