"""TLS contexts that follow their files: whoever opens a connection takes the context of the moment; open connections keep theirs.

A new context is made for every change, so a certificate authority that is taken away is really gone, and so are the sessions that
were begun under it. Files that cannot be used leave the last good context in place.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from proxy.credentials import Secret
from proxy.telemetry.labels import Reading, Values

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

POLL_S: Final = 1.0
"""Seconds between two looks at the files. Looking works on every file system, and for links that are swapped (Kubernetes secrets)."""
MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_NO_CERTIFICATES: Final = "the file holds no usable PEM certificates"
CIPHERS_TLS12: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2 only with forward secrecy and authenticated encryption (RFC 9325 section 4.2); TLS 1.3 has nothing else."""

log = logging.getLogger("scopegate")


class CertificateError(Exception):
    """Certificate files cannot be used; the text says why, without path and contents."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, the leaf first, and its private key, both PEM. `password` opens an encrypted key."""

    cert_file: Path
    key_file: Path
    password: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Built:
    """A context, and when its certificates end, in seconds since the epoch, by what is added to the name."""

    context: ssl.SSLContext
    begins: float = 0.0
    ends: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a listener speaks TLS. With `client_ca_file`, clients may (or must) show a certificate of one of its authorities."""

    name: str
    pair: Pair
    client_ca_file: Path | None = None
    client_required: bool = True

    def files(self) -> tuple[Path, ...]:
        """Return the files it is made of."""
        return tuple(file for file in (self.pair.cert_file, self.pair.key_file, self.client_ca_file) if file is not None)

    def build(self) -> Built:
        """Return a new context. Raise `CertificateError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(CIPHERS_TLS12)
        context.options |= ssl.OP_NO_RENEGOTIATION
        begins, end = _settle(context, self.pair)
        ends = {"": end}
        if self.client_ca_file is not None:
            ends["_client_ca"] = load_authorities(context, self.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED if self.client_required else ssl.CERT_OPTIONAL
            context.options |= ssl.OP_NO_TICKET  # every connection proves its certificate anew
            context.num_tickets = 0
        return Built(context, begins, ends)


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """How a vendor is spoken to: verified against the system's authorities, or those in `ca_file` alone; perhaps with a certificate."""

    name: str
    ca_file: Path | None = None
    pair: Pair | None = None

    def files(self) -> tuple[Path, ...]:
        """Return the files it is made of."""
        pair = (self.pair.cert_file, self.pair.key_file) if self.pair is not None else ()
        return (*pair, *((self.ca_file,) if self.ca_file is not None else ()))

    def build(self) -> Built:
        """Return a new context. Raise `CertificateError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
        begins, end = _settle(context, self.pair)
        if self.ca_file is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            trust(context, self.ca_file)
        return Built(context, begins, {"": end} if self.pair is not None else {})


Spec = ServerTls | UpstreamTls


def _settle(context: ssl.SSLContext, pair: Pair | None) -> tuple[float, float]:
    """Set what is the same on both sides; return when the certificate begins and ends."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # An end without a goodbye is no end: whoever is on the way could cut an answer short unseen (RFC 8446 section 6.1).
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return (0.0, 0.0) if pair is None else load_pair(context, pair)


# --- reading files


def load_pair(context: ssl.SSLContext, pair: Pair) -> tuple[float, float]:
    """Load a certificate and its key; return when the certificate begins and ends. Raise `CertificateError`."""
    leaf = _certificates(pair.cert_file)[0]
    read_bounded(pair.key_file)
    password = pair.password.reveal() if pair.password is not None else b""
    try:
        context.load_cert_chain(pair.cert_file, pair.key_file, lambda: password)  # without a function OpenSSL asks at the terminal
    except (OSError, ValueError) as error:
        raise CertificateError(_why_not_a_pair(error, encrypted=_is_encrypted(pair.key_file))) from None
    return leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()


def _why_not_a_pair(error: Exception, *, encrypted: bool) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return "the certificate and the key do not belong together"
    if encrypted:
        return "the key is encrypted, and its password is missing or wrong"
    return "the key file holds no usable private key in PEM, or the certificate is too weak"


def _is_encrypted(file: Path) -> bool:
    return b"ENCRYPTED" in read_bounded(file)


def trust(context: ssl.SSLContext, file: Path) -> None:
    """Trust the certificate authorities in a PEM file. Raise `CertificateError`."""
    text = read_bounded(file).decode("ascii", "ignore")  # comments, which bundles have in many languages, are none of OpenSSL's
    try:
        context.load_verify_locations(cadata=text)
    except (OSError, ValueError):
        raise CertificateError(_NO_CERTIFICATES) from None


def load_authorities(context: ssl.SSLContext, file: Path) -> float:
    """Trust the certificate authorities in a PEM file; return when the first one ends. Raise `CertificateError`."""
    certificates = _certificates(file)
    trust(context, file)
    return min(certificate.not_valid_after_utc.timestamp() for certificate in certificates)


def _certificates(file: Path) -> list[Certificate]:
    from cryptography import x509  # noqa: PLC0415 - nine megabytes, for whoever names certificates

    raw = read_bounded(file)
    try:
        return x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise CertificateError(_NO_CERTIFICATES) from None


def read_bounded(file: Path) -> bytes:
    """Return the contents of a regular file. Raise `CertificateError`."""
    try:
        if not file.is_file():
            raise CertificateError("a file does not exist or is not a regular file")
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"a file cannot be read: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise CertificateError(f"a file is larger than {MAX_FILE_BYTES} bytes")
    return raw


_Signature = tuple[tuple[int, ...] | None, ...]


def _signature(files: Iterable[Path]) -> _Signature:
    """Return what changes when a file is written or replaced, also behind links."""
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


# --- following files


class LiveContext:
    """The context in force for one purpose. Making one reads its files, and raises `CertificateError` where they cannot be used."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._in_use = _signature(spec.files())
        self._failing: _Signature | None = None
        self._built = spec.build()
        self.trouble = ""
        self.loaded = self.failed = 0

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a connection that is opened now."""
        return self._built.context

    @property
    def ends(self) -> Mapping[str, float]:
        """When the certificates in force end, in seconds since the epoch."""
        return {self.spec.name + suffix: end for suffix, end in self._built.ends.items()}

    def look(self, now: float) -> None:
        """Take over files that have changed, if they can be used; `now` in seconds since the epoch. Blocks: it reads files."""
        found = _signature(self.spec.files())
        if found == self._in_use:
            self.trouble, self._failing = "", None
            return
        try:
            built = self.spec.build()
            _check_time(built, now)
        except CertificateError as error:
            self._fails(found, str(error))
            return
        self._built, self._in_use = built, found
        self.trouble, self._failing = "", None
        self.loaded += 1
        log.info("certificates of %s: new ones are in use", self.spec.name)

    def _fails(self, found: _Signature, why: str) -> None:
        """Tell of files that stay unusable: a pair that is being replaced is half new for a moment."""
        if found == self._failing and self.trouble != why:
            self.trouble = why
            self.failed += 1
            log.error("certificates of %s: the new ones cannot be used, the last good ones stay in use: %s", self.spec.name, why)
        self._failing = found


def _check_time(built: Built, now: float) -> None:
    """Refuse a new certificate that nobody would accept now."""
    end = built.ends.get("")
    if end is not None and end <= now:
        raise CertificateError("the certificate has expired")
    if built.begins > now:
        raise CertificateError("the certificate is not valid yet")


class Certificates:
    """All contexts of the house. `wall` tells seconds since the epoch. Whoever holds a `LiveContext` keeps it followed."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._live: WeakValueDictionary[Spec, LiveContext] = WeakValueDictionary()

    def follow(self, spec: Spec) -> LiveContext:
        """Return the context for `spec`, the same one as long as anybody holds it. Raise `CertificateError`."""
        live = self._live.get(spec)
        if live is None:
            live = self._live[spec] = LiveContext(spec)
        return live

    def _followed(self) -> Iterator[LiveContext]:
        present = [ref() for ref in self._live.valuerefs()]  # taken at once: another thread may follow more meanwhile
        yield from sorted((live for live in present if live is not None and live.spec.files()), key=lambda live: live.spec.name)

    def look(self) -> None:
        """Look at all files once. Blocks."""
        for live in self._followed():
            live.look(self._wall())

    async def watch(self) -> None:
        """Look at all files again and again, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            if any(self._followed()):
                await asyncio.to_thread(self.look)

    def readings(self) -> tuple[Reading, ...]:
        """Return what is told about certificates."""
        ends = "When a certificate in use ends (for authorities: the first of them), in seconds since the epoch."
        usable = "1 while the files on disk are in use, 0 while they cannot be used and the last good ones are."
        return (
            Reading("scopegate_tls_certificate_expiry_timestamp_seconds", ends, self._ends, ("which",)),
            Reading("scopegate_tls_files_usable", usable, self._usable, ("which",)),
            Reading("scopegate_tls_reloads_total", "Changes of certificate files.", self._reloads, ("which", "result"), counter=True),
        )

    def _ends(self) -> Values:
        return {(name,): end for live in self._followed() for name, end in live.ends.items()}

    def _usable(self) -> Values:
        return {(live.spec.name,): float(not live.trouble) for live in self._followed()}

    def _reloads(self) -> Values:
        counts: dict[tuple[str, ...], float] = {}
        for live in self._followed():
            counts[live.spec.name, "loaded"], counts[live.spec.name, "failed"] = live.loaded, live.failed
        return counts
