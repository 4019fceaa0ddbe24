"""Files of certificate authorities: what is trusted, and what is refused in words."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from proxy.tls.certificates import CertificateError, UpstreamTls, load_authorities

ARMOUR = b"-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


def trusted(file: Path) -> int:
    return len(UpstreamTls("vendor", file).build().context.get_ca_certs())


@pytest.fixture
def authority() -> bytes:
    return trustme.CA().cert_pem.bytes()


def test_each_authority_of_a_file_is_trusted_and_no_other(tmp_path: Path, authority: bytes) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority + trustme.CA().cert_pem.bytes())
    assert trusted(file) == 2


@pytest.mark.parametrize("comment", ["NetLock Arany (Class Gold) Főtanúsítvány", "Größe \udcff"])
def test_comments_may_be_in_any_language(tmp_path: Path, authority: bytes, comment: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(comment.encode("utf-8", "surrogateescape") + b"\n" + authority)
    assert trusted(file) == 1
    assert load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), file) > 0


@pytest.mark.parametrize("content", [b"", b"no certificate", ARMOUR, b"\xff\x00"])
def test_whatever_holds_no_certificate_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content)
    with pytest.raises(CertificateError, match=r"^the file holds no usable PEM certificates$"):
        UpstreamTls("vendor", file).build()


def test_a_broken_certificate_after_a_good_one_is_refused(tmp_path: Path, authority: bytes) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority + ARMOUR)
    with pytest.raises(CertificateError):
        UpstreamTls("vendor", file).build()
