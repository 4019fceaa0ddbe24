from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings import load_settings
from tests.unit.settings.samples import CATALOG, CLIENT, HASH, VENDOR, loaded, problems

NO_KEY = "each key must be 32 bytes, written as 64 hexadecimal digits or in base64"
NO_KEY_TEXT = "must be text: a key of 32 bytes as 64 hexadecimal digits or in base64, or several, the oldest first"


def vendor(line: str) -> str:
    """Add a line to the one vendor: it is line 7 of the file."""
    return VENDOR + f"    {line}\n"


KEY = "ab" * 32
NO_COMMON_KEY = "needs a key that all replicas have: set shared_state.key or state.key (openssl rand -base64 32 makes one)"
NO_STORE = "must be an address such as redis://valkey.internal:6379/0, rediss://… for TLS, or unix:///run/valkey.sock"
NO_DATABASE = "must have the number of a database as its path, or none: redis://host/1"
NO_QUERY = "must have no query and no fragment; the database is the path (redis://host/1)"
NO_SOCKET = "must name the whole path of the socket: unix:///run/valkey.sock"
AT = 87


def shared(url: str, more: str = "timeout_s: 1") -> str:
    return VENDOR + f"shared_state: {{key: {KEY}, url: '{url}', {more}}}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (VENDOR + "lisen: 127.0.0.1:1\n", "7:1: lisen: unknown key; did you mean 'listen'?"),
        (VENDOR + "log: {zzz: 1}\n", "7:7: log.zzz: unknown key; known here: format, decisions"),
        (vendor("upstreem: x"), "7:5: vendors.rc.upstreem: unknown key; did you mean 'upstream'?"),
        ("mode: off\n", "1:1: vendors: is required"),
        ("vendors: {}\n", "1:1: vendors: must have 1 or more entries"),
        ("vendors:\n", "1:1: vendors: must be a mapping of keys to values"),
        ("", "1:1: must be a mapping of keys to values"),
        ("- a\n", "1:1: must be a mapping of keys to values"),
        (VENDOR + "mode: on\n", "7:1: mode: must be one of 'enforce', 'shadow' or 'off'"),
        (VENDOR + "listen: 8080\n", "7:1: listen: must be host:port, for example 127.0.0.1:8080 or [::1]:8080"),
        (VENDOR + "listen: h:70000\n", "7:1: listen: must be host:port, for example 127.0.0.1:8080 or [::1]:8080"),
        (
            VENDOR + "admin: {listen: 127.0.0.1:1}\nlisten: 127.0.0.1:1\n",
            "7:9: admin.listen: must differ from the traffic listener's address",
        ),
        (VENDOR + "limits: {max_headers: many}\n", "7:10: limits.max_headers: must be a whole number"),
        (VENDOR + "limits: {max_headers: true}\n", "7:10: limits.max_headers: must be a number"),
        (VENDOR + "limits: {max_headers: 1}\n", "7:10: limits.max_headers: must be at least 10"),
        (VENDOR + "limits: {body_idle_s: 0}\n", "7:10: limits.body_idle_s: must be greater than 0"),
        (VENDOR + "limits: {body_idle_s: nan}\n", "7:10: limits.body_idle_s: must be a finite number"),
        (VENDOR + "limits: [1]\n", "7:1: limits: must be a mapping of keys to values"),
        (VENDOR + "log: {decisions: perhaps}\n", "7:7: log.decisions: must be true or false"),
        (VENDOR + "clients: {}\n", "7:1: clients: must be a list"),
        (
            VENDOR + CLIENT.replace("app", "anonymous"),
            "8:5: clients[0].name: must have 1 to 64 of a-z, 0-9 and '-', and not be 'anonymous'",
        ),
        (
            VENDOR + CLIENT.replace(HASH, "12"),
            "9:20: clients[0].authenticate.api_key_sha256: must be the SHA-256 of the key, as 64 hexadecimal digits",
        ),
        (VENDOR + "clients: [{name: app}]\n", "7:11: clients[0].authenticate: is required"),
        (VENDOR.replace("  rc:", "  RC:"), "2:3: vendors.RC: a vendor's name has 1 to 64 of a-z, 0-9 and '-', and does not begin with '-'"),
        (
            VENDOR.replace("kind: ringcentral", "kind: ringo"),
            "3:5: vendors.rc.kind: must be one of 'ringcentral', '8x8', 'newvoicemedia' or 'generic'",
        ),
        (VENDOR.replace("{path: /rc}", "{}"), "4:5: vendors.rc.mount: needs a path, a host or both"),
        (
            VENDOR.replace("/rc}", "/rc, host: RC.example.com}"),
            "4:24: vendors.rc.mount.host: must be a host name in lower case, without scheme and port",
        ),
        (
            VENDOR.replace("/rc}", "/rc, host: 'h:80'}"),
            "4:24: vendors.rc.mount.host: must be a host name in lower case, without scheme and port",
        ),
        (vendor("token_upstream: https://x"), "7:5: vendors.rc.token_upstream: is for vendors of kind newvoicemedia only"),
        (vendor("grants: []"), "7:5: vendors.rc.grants: is for vendors of kind 8x8 only"),
        (
            VENDOR.replace("kind: ringcentral", "kind: generic") + "    media_upstream: https://x\n",
            "7:5: vendors.rc.media_upstream: is for vendors of kind ringcentral only",
        ),
        (VENDOR.replace("kind: ringcentral", "kind: 8x8"), "6:5: vendors.rc.catalog: the catalogue is not about vendor 8x8"),
        (VENDOR.replace("catalog.yaml", "none.yaml"), "6:5: vendors.rc.catalog: the file cannot be read: No such file or directory"),
        (VENDOR.replace("catalog.yaml", "."), "6:5: vendors.rc.catalog: the file cannot be read: Is a directory"),
        (VENDOR.replace("catalog.yaml", '"a\\0b"'), "6:5: vendors.rc.catalog: must be the path of a file"),
        (vendor("ca_file: none.pem"), "7:5: vendors.rc.ca_file: the file cannot be read: No such file or directory"),
        (vendor("ca_file: catalog.yaml"), "7:5: vendors.rc.ca_file: the file holds no usable PEM certificates"),
        (vendor("learned_ttl_s: 0"), "7:5: vendors.rc.learned_ttl_s: must be at least 1"),
        (VENDOR + "mode: ${NONE}\n", "7:1: mode: the environment variable NONE is not set"),
        (VENDOR + "state: {}\n", "7:1: state.path: is required"),
        (VENDOR + "state: {path: x, max_bytes: 5}\n", "7:18: state.max_bytes: must be at least 1048576"),
        (VENDOR + "state: {path: x, key: abc}\n", f"7:18: state.key: {NO_KEY}"),
        (VENDOR + "state: {path: x, key: 5}\n", f"7:18: state.key: {NO_KEY_TEXT}"),
        (VENDOR + f"shared_state: {{key: {KEY}}}\n", "7:1: shared_state.url: is required"),
        (VENDOR + "shared_state: {url: 'redis://h'}\n", f"7:1: shared_state: {NO_COMMON_KEY}"),
        (VENDOR + "shared_state: {url: 'redis://h'}\nstate: {path: x}\n", f"7:1: shared_state: {NO_COMMON_KEY}"),
        (shared("redis://secret@"), f"7:{AT}: shared_state.url: {NO_STORE}"),
        (shared("http://secret"), f"7:{AT}: shared_state.url: {NO_STORE}"),
        (shared("redis://secret:0"), f"7:{AT}: shared_state.url: {NO_STORE}"),
        (shared("redis://secret:99999"), f"7:{AT}: shared_state.url: {NO_STORE}"),
        (shared("redis://se cret"), f"7:{AT}: shared_state.url: {NO_STORE}"),
        (shared("redis://h/secret"), f"7:{AT}: shared_state.url: {NO_DATABASE}"),
        (shared("redis://h?ssl=no"), f"7:{AT}: shared_state.url: {NO_QUERY}"),
        (shared("unix://secret"), f"7:{AT}: shared_state.url: {NO_SOCKET}"),
        (shared("redis://h", "timeout_s: 0"), "7:105: shared_state.timeout_s: must be greater than 0"),
        (VENDOR + "workers: 65\n", "7:1: workers: must be at most 64"),
        (VENDOR + "workers: 0\n", "7:1: workers: must be at least 1"),
        (vendor("rewrite_links: maybe"), "7:5: vendors.rc.rewrite_links: must be true or false"),
        (
            VENDOR.replace("/rc}", "/rc/scopegate-media}"),
            "4:13: vendors.rc.mount.path: must not contain /scopegate-media: a vendor's media host is mounted there",
        ),
        (VENDOR + "limits: {max_rewrite_bytes: 0}\n", "7:10: limits.max_rewrite_bytes: must be at least 4096"),
    ],
)
def test_a_mistake_is_named_with_its_position_and_key(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_ca_file_is_for_encrypted_connections_and_must_be_one(tmp_path: Path) -> None:
    assert problems(tmp_path, shared("redis://h", "ca_file: catalog.yaml")) == [
        "7:105: shared_state.ca_file: is for rediss:// only",
        "7:105: shared_state.ca_file: the file holds no usable PEM certificates",
    ]


@pytest.mark.parametrize("proofs", ["{}", f"{{mtls_san: 'DNS:a', api_key_sha256: {HASH}}}"])
def test_a_client_needs_exactly_one_proof(tmp_path: Path, proofs: str) -> None:
    found = problems(tmp_path, VENDOR + f"clients: [{{name: app, authenticate: {proofs}}}]\n")
    assert "7:23: clients[0].authenticate: needs exactly one of api_key_sha256, mtls_san, jwt" in found


def test_a_name_in_a_certificate_that_nobody_asks_for_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, VENDOR + "clients: [{name: app, authenticate: {mtls_san: 'spiffe://a/b'}}]\n") == [
        "7:38: clients[0].authenticate.mtls_san: needs tls.client_ca_file: without it no client certificate is asked for"
    ]


@pytest.mark.parametrize("name", ["app", "DNS:", "DNS:*.example.com", "dns:app", "CN:app", "spiffe://", "DNS:a b", "DNS:ä", "3"])
def test_what_is_no_whole_name_in_a_certificate_is_refused(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, VENDOR + f"clients: [{{name: app, authenticate: {{mtls_san: '{name}'}}}}]\n")
    assert any("mtls_san: must be one whole name in a certificate" in problem for problem in found)


@pytest.mark.parametrize("path", ["rc", "/", "/rc/", "/a//b", "/a/../b", "/a/.", "/a b", "/ä", "/a%2Fb", "/{x}"])
def test_a_mount_path_is_plain(tmp_path: Path, path: str) -> None:
    (problem,) = problems(tmp_path, VENDOR.replace("path: /rc", f'path: "{path}"'))
    assert problem.startswith("4:13: vendors.rc.mount.path: must begin with '/'")


@pytest.mark.parametrize("path", ["/rc", "/a/b.c", "/..a", "/v1.0/x_y~z-"])
def test_ordinary_mount_paths_are_accepted(tmp_path: Path, path: str) -> None:
    assert loaded(tmp_path, VENDOR.replace("path: /rc", f'path: "{path}"')).settings.vendors["rc"].mount.path == path


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("{path: /a}", "{path: /a}", True),
        ("{host: h}", "{host: h}", True),
        ("{path: /a, host: h}", "{path: /a, host: h}", True),
        ("{path: /a}", "{path: /a/b}", False),
        ("{path: /a}", "{path: /ab}", False),
        ("{path: /a, host: h}", "{path: /a, host: i}", False),
        ("{path: /a}", "{host: h}", False),
        ("{host: h}", "{path: /a, host: h}", False),
    ],
)
def test_two_vendors_have_different_mounts(tmp_path: Path, first: str, second: str, refused: bool) -> None:
    text = (
        VENDOR.replace("{path: /rc}", first)
        + f"  two:\n    mount: {second}\n    kind: ringcentral\n    upstream: http://h\n    catalog: catalog.yaml\n"
    )
    if refused:
        assert problems(tmp_path, text) == ["8:5: vendors.two.mount: is the same as the mount of vendor 'rc'"]
    else:
        assert loaded(tmp_path, text).settings.vendors.keys() == {"rc", "two"}


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ("ftp://h", "must begin with https:// or http://"),
        ("h", "must begin with https:// or http://"),
        ("https://", "must begin with https:// or http:// and a host name"),
        ("https://u:p@h", "must not contain a user name or password"),
        ("https://h/", "no path (not even '/')"),
        ("https://h/base", "no path"),
        ("https://h?q", "no path"),
        ("https://h#f", "no path"),
        ("https://h?", "no path"),
        ("https://h:0", "must name a valid host"),
        ("https://h:", "must name a valid host"),
        ("https://h:99999", "with a port from 1 to 65535"),
        ("https://h:x", "with a port from 1 to 65535"),
        ("https://-h-", "must name a valid host"),
        ("https://a_b", "must name a valid host"),
        ("https://[::1", "must be an address such as"),
        ("https://ä.example", "must be an address such as"),
        ("https://h h", "must be an address such as"),
    ],
)
def test_an_upstream_is_an_origin(tmp_path: Path, upstream: str, words: str) -> None:
    (problem,) = problems(tmp_path, VENDOR.replace("https://api.example.com", f'"{upstream}"'))
    assert problem.startswith("5:5: vendors.rc.upstream: ")
    assert words in problem


@pytest.mark.parametrize(
    ("upstream", "origin", "host"),
    [
        ("https://API.example.com", "https://api.example.com", "api.example.com"),
        ("https://h:443", "https://h", "h"),
        ("http://h:443", "http://h:443", "h:443"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_an_origin_knows_its_host_header(tmp_path: Path, upstream: str, origin: str, host: str) -> None:
    read = loaded(tmp_path, VENDOR.replace("https://api.example.com", f'"{upstream}"')).settings.vendors["rc"].upstream
    assert (str(read), read.host_and_port) == (origin, host)


def test_a_generic_vendor_needs_a_catalogue(tmp_path: Path) -> None:
    text = VENDOR.replace("kind: ringcentral", "kind: generic")
    assert loaded(tmp_path, text).catalogs["rc"].vendor == "ringcentral"
    assert problems(tmp_path, text.replace("    catalog: catalog.yaml\n", "")) == [
        "2:3: vendors.rc: a vendor of kind generic needs a catalog"
    ]


def test_names_and_keys_of_clients_are_unique(tmp_path: Path) -> None:
    twice = CLIENT + f"  - name: app\n    authenticate: {{api_key_sha256: {HASH.upper()}}}\n"
    assert problems(tmp_path, VENDOR + twice) == [
        "10:5: clients[1].name: another client has this name",
        "11:20: clients[1].authenticate.api_key_sha256: another client has this key",
    ]


def test_all_problems_are_reported_at_once_and_in_order(tmp_path: Path) -> None:
    text = "mode: ${NONE}\nlisten: x\ntls: 3\nunknown_thing: 1\n" + VENDOR.replace("{path: /rc}", "{}").replace("https:", "ftp:")
    found = problems(tmp_path, text, catalog=CATALOG.replace("readRecording", "readLog"))
    assert [problem.partition(": ")[0].rpartition("/")[2] for problem in found] == [
        "catalog.yaml:8:6",
        "1:1",
        "2:1",
        "3:1",
        "4:1",
        "8:5",
        "9:5",
    ]


def test_problems_of_a_catalogue_name_its_file(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, VENDOR, catalog=CATALOG.replace("method: GET, path: /recording", "method: GTE ET, path: /recording"))
    assert problem == f"{tmp_path}/catalog.yaml:8:25: operations[1].method: must be a method in capital letters, such as GET"


@pytest.mark.parametrize(
    ("name", "message"), [("none.yaml", "cannot be read: No such file or directory"), (".", "cannot be read: Is a directory")]
)
def test_an_unreadable_configuration_is_one_problem(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / name
    assert str(load_settings(path, {})) == f"{path}:1:1: {message}"


def test_a_name_that_no_file_can_have_is_one_problem() -> None:
    assert "cannot be read" in str(load_settings(Path("a\0b"), {}))
