"""The product's own gate over any catalogue and any store, without sockets, and requests for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from proxy.catalogs.catalog import Catalog
from proxy.credentials import Fingerprinter, Secret
from proxy.decision.gate import Gate
from proxy.decision.ruling import Mount, Ruling
from proxy.grants import GrantStore
from proxy.knowledge.learning import Learner
from proxy.knowledge.memory import VendorMemory
from proxy.model import Mode
from proxy.policy.rules import Rules
from proxy.process.clocks import SystemClocks
from proxy.protocol.headers import RequestHead, read_request
from proxy.protocol.identifiers import IdMaker
from proxy.protocol.trace_context import Traces
from proxy.vendors.registry import make_vendor

VENDOR: Final = "ringcentral"
PREFIX: Final = "/rc"
FINGERPRINTER: Final = Fingerprinter(Secret(b"k" * 32))
Ask = Callable[[str, bytes, RequestHead], Ruling]


def make_gate(catalog: Catalog, store: GrantStore) -> Gate:
    """Return a gate with one vendor that enforces; scopes are read to the letter, and a bug stops the measurement."""
    memory = VendorMemory()
    learner = Learner(VENDOR, store, memory, FINGERPRINTER, lifetime=900.0, recheck=60.0)
    mount = Mount(make_vendor("ringcentral", VENDOR, catalog), store, learner, memory.shapes, Mode.ENFORCE, Rules(), {}, PREFIX)
    return Gate([mount], (), FINGERPRINTER, SystemClocks(), IdMaker(random.getrandbits), Traces(random.randbytes), _raise)


def _raise(bug: BaseException) -> None:
    raise bug


def make_head(token: str, repeats: bool = False) -> RequestHead:
    """Return the header fields of a request as they come on a connection; `repeats`: they came on it before."""
    fields = [(b"Host", b"proxy.test"), (b"Accept", b"application/json"), (b"Authorization", b"Bearer " + token.encode())]
    head = read_request(fields, "1.1")
    assert isinstance(head, RequestHead)
    head.repeats = repeats
    return head


def path_of(route: str, value: str) -> bytes:
    """Return the target of a request for a route template, with this value for all of its parameters."""
    parts = [value if part.startswith("{") else part for part in route.split("/")]
    return (PREFIX + "/".join(parts)).encode()
