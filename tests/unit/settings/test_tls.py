"""The settings of TLS: what is refused, what is hidden, what follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.authority import TLS, Authority
from tests.unit.settings.samples import VENDOR, loaded, problems

FILES = "cert_file: secret/tls.crt, key_file: secret/tls.key"
CLIENT = "    client_cert_file: client.crt\n    client_key_file: client.key\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    authority.secret()
    authority.trust()
    return authority


def test_apps_reach_a_proxy_with_tls_by_https(tmp_path: Path, authority: Authority) -> None:
    assert str(loaded(tmp_path, VENDOR).settings.public_origin) == "http://127.0.0.1:8080"
    assert str(loaded(tmp_path, VENDOR + TLS).settings.public_origin) == "https://127.0.0.1:8080"


@pytest.mark.parametrize("where", ["tls: {%s}", "admin: {tls: {%s}}"])
def test_files_that_cannot_be_used_are_problems(tmp_path: Path, authority: Authority, where: str) -> None:
    def said(more: str = "") -> str:
        (only,) = problems(tmp_path, VENDOR + where % (FILES + more))
        return only.partition(".cert_file: ")[2]

    assert said(", client_ca_file: catalog.yaml") == "the file holds no usable PEM certificates"
    assert said(", client_ca_file: nowhere.pem") == "a file does not exist or is not a regular file"
    key = tmp_path / "secret/tls.key"
    key.write_bytes(authority.issue("localhost").key)
    assert said() == "the certificate and the key do not belong together"
    key.write_bytes(b"")
    assert said() == "the key file holds no usable private key in PEM, or the certificate is too weak"
    authority.secret(password=b"open sesame")
    assert said() == said(", key_password: wrong") == "the key is encrypted, and its password is missing or wrong"
    loaded(tmp_path, VENDOR + where % (FILES + ", key_password: open sesame"))


def test_passwords_are_never_shown(tmp_path: Path, authority: Authority) -> None:
    authority.secret(password=b"open sesame")
    (tmp_path / "client.crt").write_bytes((tmp_path / "secret/tls.crt").read_bytes())
    (tmp_path / "client.key").write_bytes((tmp_path / "secret/tls.key").read_bytes())
    text = f"tls: {{{FILES}, key_password: open sesame}}\nadmin: {{tls: {{{FILES}, key_password: open sesame}}}}\n"
    result = loaded(tmp_path, VENDOR + CLIENT + "    client_key_password: open sesame\n" + text)
    assert "sesame" not in json.dumps(result.shown) + repr(result.settings) + str(result.settings.tls)
    assert result.settings.tls is not None
    assert result.settings.tls.key_password is not None
    assert result.settings.tls.key_password.reveal() == b"open sesame"


def test_what_could_never_take_effect_is_refused(tmp_path: Path, authority: Authority) -> None:
    authority.write_client(authority.issue("app"))
    assert problems(tmp_path, VENDOR + f"tls: {{{FILES}, client_auth: optional}}")[0].endswith(
        "tls.client_auth: needs client_ca_file: without it no client certificate is asked for"
    )
    assert problems(tmp_path, VENDOR + "    client_cert_file: client.crt\n")[0].endswith("client_cert_file needs client_key_file beside it")
    plain = VENDOR.replace("https://", "http://")
    assert problems(tmp_path, plain + CLIENT)[0].endswith("is for a vendor with an https:// upstream only")
    assert loaded(tmp_path, VENDOR + CLIENT).settings.vendors["rc"].client_cert_file == tmp_path / "client.crt"


def test_a_broken_client_certificate_is_a_problem(tmp_path: Path, authority: Authority) -> None:
    authority.write_client(authority.issue("app"))
    (tmp_path / "client.key").write_bytes(authority.issue("other").key)
    assert problems(tmp_path, VENDOR + CLIENT) == ["7:5: vendors.rc.client_cert_file: the certificate and the key do not belong together"]
