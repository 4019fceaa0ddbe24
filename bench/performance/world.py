"""Starts origins and proxies on loopback, ready to be measured, and ends them."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import http.client
import json
import os
import pwd
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import DEVNULL
from typing import Final
from urllib.parse import urlsplit

import trustme

from bench.performance.peers import CONFIGS, DECIDER, DIRECT, KEY, PEERS, ROOT, WITH, WITHOUT, Peer
from bench.performance.processes import LOAD_CORE, PEER_CORE, cpu_ns, memory, running, tree

PATIENCE_S: Final = 30.0
MIB: Final = 1024 * 1024
BODY_BYTES: Final = 50 * MIB
_ANSWER: Final = json.dumps({"records": "x" * 1000})
_LOGIN: Final = "/restapi/oauth/token"


class NotMeasurableError(Exception):
    """Something that is needed to measure is missing or does not start."""


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that answers: where, and which processes do its work."""

    peer: Peer
    base: str
    secure: str
    pid: int
    ready_s: float = 0.0
    ready_cpu_s: float = 0.0
    decider: int = 0

    def pids(self) -> list[int]:
        """Return every process that works for this peer, the one that decides for it included."""
        return [*tree(self.pid), *(tree(self.decider) if self.decider else ())] if self.pid else []

    def cpu_ns(self) -> int:
        """Return nanoseconds of CPU that all of them have used."""
        return cpu_ns(self.pids())

    def memory(self) -> tuple[int, int]:
        """Return bytes resident, and proportionally."""
        return memory(self.pids())


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the vendor answers, without and with TLS."""

    port: int
    secure: int


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


def ask(url: str, token: str = WITH, headers: tuple[str, ...] = (), method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return status and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    sent = {"Authorization": f"Bearer {token}", "Connection": "close", "Accept": "application/json"} | dict(
        header.split(": ", 1) for header in headers
    )
    try:
        connection.request(method, f"{parts.path}{'?' if parts.query else ''}{parts.query}", body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def filled(text: str, words: Mapping[str, str]) -> str:
    """Put words where `@name@` stands, and again into what they brought."""

    def word(found: re.Match[str]) -> str:
        return filled(words[found[1]], words)

    return re.sub(r"@([a-z_0-9]+)@", word, text)


class World:
    """All that runs during a measurement. Everything is started inside a context, and ended when it is left."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._count = 0
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self.ca, self.certificate, self.key = (directory / name for name in ("ca.pem", "certificate.pem", "key.pem"))
        authority.cert_pem.write_to_path(str(self.ca))
        certificate.private_key_pem.write_to_path(str(self.key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(self.certificate), append=True)
        self.upload = directory / "upload"

    def _place(self, name: str) -> Path:
        self._count += 1
        place = self.directory / f"{self._count}-{name}"
        place.mkdir()
        return place

    @contextlib.contextmanager
    def origin(self, cores: str = LOAD_CORE, workers: int = 1) -> Iterator[Origin]:
        """Run the vendor: nginx, with the helper behind it."""
        place = self._place("origin")
        listen, secure, helper = free_ports(3)
        if not self.upload.exists():
            self.upload.write_bytes(b"s" * BODY_BYTES)
        (place / "recording").hardlink_to(self.upload)
        words = {"directory": place, "workers": workers, "certificate": self.certificate, "key": self.key, "helper": helper}
        words |= {"listen": listen, "secure": secure, "answer": _ANSWER, "user": _user()}
        config = place / "origin.conf"
        config.write_text(filled((CONFIGS / "origin.conf").read_text(), {name: str(value) for name, value in words.items()}))
        helping = [sys.executable, "-m", "bench.performance.helper_origin", str(helper)]
        nginx = ["nginx", "-c", str(config), "-p", str(place), "-e", str(place / "error.log")]
        with running(cores, helping, place, DEVNULL, {"PYTHONPATH": str(ROOT)}), running(cores, nginx, place, DEVNULL):
            _until(lambda: _answers(f"http://127.0.0.1:{listen}/fax"), "the origin", place)
            yield Origin(listen, secure)

    @contextlib.contextmanager
    def start(self, peer: Peer, origin: Origin, cores: str = PEER_CORE) -> Iterator[Running]:
        """Run a peer before the origin, and what it asks beside it; it is ready, and knows the tokens, when this is entered."""
        with contextlib.ExitStack() as stack:
            adapters = free_ports(1)[0]
            decider = stack.enter_context(self._one(DECIDER, origin, cores, adapters)).pid if peer.asks else 0
            yield replace(stack.enter_context(self._one(peer, origin, cores, adapters)), decider=decider)

    @contextlib.contextmanager
    def _one(self, peer: Peer, origin: Origin, cores: str, adapters: int) -> Iterator[Running]:
        place = self._place(peer.key)
        words = self._words(peer, origin, place, adapters)
        if peer.config:
            (place / f"peer-{peer.config}").write_text(filled(_template(peer), words))
        command = [filled(part, words) for part in peer.command]
        with (place / "output").open("ab") as output:
            began = time.monotonic()
            with running(cores, command, place, output, peer.environment) as process:
                _until(lambda: _answers(filled(peer.ready, words)), peer.title, place, process.poll)
                ready_s = time.monotonic() - began
                it = Running(
                    peer, filled(peer.base, words), filled(peer.secure, words), process.pid, ready_s, cpu_ns(tree(process.pid)) / 1e9
                )
                _prepare(it)
                yield it

    def _words(self, peer: Peer, origin: Origin, place: Path, adapters: int) -> dict[str, str]:
        listen, secure, admin = free_ports(3)
        ports = {"listen": listen, "secure": secure, "admin": admin, "adapters": adapters}
        ports |= {"origin": origin.port, "secure_origin": origin.secure}
        places = {"directory": place, "file": place / f"peer-{peer.config}", "ca": self.ca}
        words = {name: str(value) for name, value in (ports | places).items()}
        return words | dict(peer.words) | {"key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}

    @contextlib.contextmanager
    def all(self, peers: list[Peer], origin: Origin, failed: Callable[[Peer, str], None]) -> Iterator[dict[str, Running]]:
        """Run these peers side by side, and the origin itself as if it were one; tell of those that do not start."""
        with contextlib.ExitStack() as stack:
            found = {DIRECT.key: Running(DIRECT, f"http://127.0.0.1:{origin.port}", "", 0)}
            for peer in peers:
                try:
                    found[peer.key] = stack.enter_context(self.start(peer, origin))
                except NotMeasurableError as problem:
                    failed(peer, str(problem))
            yield found


def _user() -> str:
    """Return our user and group, as nginx wants them."""
    us = pwd.getpwuid(os.getuid())
    return f"{us.pw_name} {grp.getgrgid(us.pw_gid).gr_name}"


def _template(peer: Peer) -> str:
    return (CONFIGS / peer.config).read_text(encoding="utf-8")


def _prepare(it: Running) -> None:
    """Let a Scopegate see the logins of both tokens, on both ways to the vendor."""
    if not it.peer.build:
        return
    if it.peer.build != str(ROOT) and "__mypyc." not in Path(f"/proc/{it.pid}/maps").read_text():
        raise NotMeasurableError("the compiled build is missing: make compiled")
    for base in (it.base, it.secure):
        for secret, token in (("cmVhZGVyOng=", WITH), ("b3RoZXI6eA==", WITHOUT)):
            headers = (f"Authorization: Basic {secret}", "Content-Type: application/x-www-form-urlencoded", *it.peer.headers)
            status, body = ask(base + _LOGIN, "", headers, "POST", b"grant_type=password&username=u&password=p")
            if status != 200 or json.loads(body)["access_token"] != token:
                raise NotMeasurableError(f"{it.peer.title}: a login got {status} {body[:300]!r}")


def _answers(url: str) -> bool:
    try:
        return ask(url)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _until(true: Callable[[], bool], name: str, place: Path, ended: Callable[[], int | None] = lambda: None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if ended() is not None or time.monotonic() > deadline:
            said = "\n".join((place / file).read_text(errors="replace")[-1500:] for file in ("errors", "output") if (place / file).exists())
            raise NotMeasurableError(f"{name} does not get ready:\n{said}")
        time.sleep(0.004)


def by_key(keys: list[str]) -> list[Peer]:
    """Return the peers with these keys; all of them where none is given."""
    unknown = set(keys) - {peer.key for peer in PEERS}
    if unknown:
        raise NotMeasurableError(f"no such peers: {', '.join(sorted(unknown))}; there are {', '.join(peer.key for peer in PEERS)}")
    return [peer for peer in PEERS if not keys or peer.key in keys]
