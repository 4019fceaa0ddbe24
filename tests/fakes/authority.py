"""A certificate authority for tests: it issues certificates, lays them out as Kubernetes does, and swaps them."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TLS = "tls: {cert_file: secret/tls.crt, key_file: secret/tls.key}"
REQUIRED = "tls: {cert_file: secret/tls.crt, key_file: secret/tls.key, client_ca_file: clients.pem}"
OPTIONAL = "tls: {cert_file: secret/tls.crt, key_file: secret/tls.key, client_ca_file: clients.pem, client_auth: optional}"


@dataclass(frozen=True)
class Leaf:
    """An issued certificate and its key, PEM."""

    cert: bytes
    key: bytes

    def show(self, context: ssl.SSLContext) -> None:
        """Make connections with `context` show this certificate."""
        with NamedTemporaryFile(suffix=".pem") as file:
            file.write(self.key + self.cert)
            file.flush()
            context.load_cert_chain(file.name)


def _name(text: str) -> x509.GeneralName:
    """Return a subject alternative name: a URI, an e-mail address, an IP address or a DNS name."""
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    if "@" in text:
        return x509.RFC822Name(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """One certificate authority. Files go to `directory`; `secret/` is a link that is swapped as a whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = trustme.CA()
        self._versions = 0

    def trust(self, name: str = "clients.pem") -> Path:
        """Write the certificate of this authority, replacing the file at once."""
        return self._replace(name, self.ca.cert_pem.bytes())

    def secret(self, *names: str, valid_s: float = 86_400, password: bytes = b"") -> Leaf:
        """Issue a certificate and make `secret/` hold it and its key: a new directory, then the link is swapped."""
        leaf = self.issue(*names or ("localhost",), valid_s=valid_s)
        self._versions += 1
        version = self.directory / f"version-{self._versions}"
        version.mkdir()
        (version / "tls.crt").write_bytes(leaf.cert)
        (version / "tls.key").write_bytes(_sealed(leaf.key, password))
        link = self.directory / "new-link"
        link.symlink_to(version.name)
        link.rename(self.directory / "secret")
        return leaf

    def issue(self, *names: str, valid_s: float = 86_400) -> Leaf:
        """Issue a certificate for names, addresses or URIs that ends in `valid_s` seconds (negative: it has ended)."""
        issuer = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        sign = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        assert isinstance(sign, ec.EllipticCurvePrivateKey)
        key, end = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) + timedelta(seconds=valid_s)
        certificate = (
            x509.CertificateBuilder(issuer.subject, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "common name")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=30))
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
            .sign(sign, hashes.SHA256())
        )
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Leaf(certificate.public_bytes(serialization.Encoding.PEM), secret)

    def write_client(self, leaf: Leaf) -> None:
        """Write what the proxy shows a vendor."""
        self._replace("client.key", leaf.key)
        self._replace("client.crt", leaf.cert)

    def client(self, leaf: Leaf | None = None) -> ssl.SSLContext:
        """Return how an app connects that trusts this authority and perhaps shows a certificate."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if leaf is not None:
            leaf.show(context)
        return context

    def server(self, *, clients: trustme.CA | None = None) -> ssl.SSLContext:
        """Return how a vendor serves TLS as `localhost`, perhaps only to clients of an authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issue("localhost").show(context)
        if clients is not None:
            clients.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _replace(self, name: str, content: bytes) -> Path:
        path, fresh = self.directory / name, self.directory / f"{name}.new"
        fresh.write_bytes(content)
        return fresh.rename(path)


def _sealed(key: bytes, password: bytes) -> bytes:
    if not password:
        return key
    loaded = serialization.load_pem_private_key(key, None)
    encryption = serialization.BestAvailableEncryption(password)
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
