"""A gate without sockets, over three small vendors: what the tests of the gate and of its neighbours share."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.credentials import Fingerprint, Fingerprinter, Secret
from proxy.decision.closing import Closer, Result
from proxy.decision.gate import Gate
from proxy.decision.ruling import LocalAnswer, Mount, Ruling, Sample
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.identity.clients import Client
from proxy.knowledge.learning import Learner, Moment
from proxy.knowledge.memory import VendorMemory
from proxy.model import (
    AnyToken,
    Auth,
    Grants,
    Mode,
    NotKnown,
    OneOf,
    Operation,
    RefusalPattern,
    ResourceRule,
    ScopeInfo,
    Source,
    TokenEndpoint,
    TokenPlace,
)
from proxy.policy.rules import Rules
from proxy.protocol.headers import RequestHead, read_request
from proxy.protocol.identifiers import IdMaker
from proxy.protocol.trace_context import Traces
from proxy.telemetry.exchange import Exchange, Repetition
from proxy.vendors.base import Vendor
from proxy.vendors.registry import make_vendor

WALL: Final = 1_795_291_200.0
FINGERPRINTER: Final = Fingerprinter(Secret(b"k" * 32))
BIG_BODY: Final = 100_000

CALL_LOG: Final = "/restapi/v1.0/account/{accountId}/call-log"
RECORDING: Final = "/restapi/v1.0/account/{accountId}/recording/{recordingId}"
EXTENSION: Final = "/restapi/v1.0/extension/{id}"
RECORDS: Final = "/analytics/v2/call-records"
PBX: Final = ResourceRule("pbx", "query", "pbxId", ",", "allpbxes")


@dataclass
class HandClock:
    """Clocks that a test moves by hand, in seconds."""

    moved: float = 1000.0

    def now(self) -> float:
        return self.moved

    def wall(self) -> float:
        return WALL + self.moved

    def moment(self) -> Moment:
        return Moment(self.now(), self.wall())


# --- vendors ---------------------------------------------------------------------------------------------


def ringcentral_catalog() -> Catalog:
    rows = (
        Operation("rc", "readCallLog", "GET", CALL_LOG, OneOf((("ReadCallLog",),))),
        Operation("rc", "deleteCallLog", "DELETE", CALL_LOG, OneOf((("EditCallLog", "ReadCallLog"), ("EditAccounts",)))),
        Operation("rc", "readRecording", "GET", RECORDING, OneOf((("ReadCallLog", "ReadCallRecording"),))),
        Operation("rc", "readStatus", "GET", "/restapi/v1.0/status", AnyToken()),
        Operation("rc", "readMystery", "GET", "/restapi/v1.0/mystery", NotKnown()),
        Operation("rc", "readExtension", "GET", EXTENSION, OneOf((("ReadCallLog",),)), resource=ResourceRule("extension", "path", "id")),
        Operation("rc", "getToken", "POST", "/restapi/oauth/token", AnyToken(), Auth.CLIENT),
    )
    scopes = {
        "ReadCallRecording": ScopeInfo("ReadCallRecording", implies=frozenset({"ReadCallLog"})),
        "ReadCallLog": ScopeInfo("ReadCallLog", remediation=("Add it.",), documentation=("https://docs.example/log",)),
    }
    return compile_catalog("rc", rows, scopes=scopes, aliases={"OldCallLog": "ReadCallLog"})


def eightbyeight_catalog() -> Catalog:
    rows = (
        Operation("8x8", "call-detail-records", "GET", RECORDS, OneOf((("CDR",),)), resource=PBX),
        Operation("8x8", "delete-records", "DELETE", RECORDS, OneOf((("CDR", "ADMIN"),)), resource=PBX),
        Operation("8x8", "products", "GET", "/products", OneOf((("Voice",),))),
    )
    return compile_catalog("8x8", rows, scopes={"CDR": ScopeInfo("CDR", changeable=True)})


def generic_catalog(write: str = "write") -> Catalog:
    rows = (
        Operation("gen", "list", "GET", "/things", OneOf((("read",), (write, "more")))),
        Operation("gen", "make", "POST", "/things", OneOf(((write,),))),
        Operation("gen", "one", "GET", "/things/{id}", OneOf((("read",),)), resource=ResourceRule("thing", "path", "id")),
    )
    return compile_catalog(
        "gen",
        rows,
        token_endpoints=(TokenEndpoint("/token"),),
        token_in=TokenPlace(query_parameter="token"),
        recognise=(RefusalPattern(403, {"error": "insufficient_scope"}, "scope"),),
    )


# --- one gate with all that belongs to it ----------------------------------------------------------------


@dataclass
class MountPlan:
    """How one vendor is mounted."""

    vendor: Vendor
    path: str = ""
    host: str = ""
    mode: Mode = Mode.ENFORCE
    rules: Rules = field(default_factory=Rules)
    presume: bool = True
    demoted: set[str] = field(default_factory=set)
    sample: Sample | None = None


def plans(**changes: Any) -> list[MountPlan]:
    """Return the three vendors as they are mounted by default; `changes` are for all of them."""
    return [
        MountPlan(make_vendor("ringcentral", "rc", ringcentral_catalog()), path="/rc", **changes),
        MountPlan(make_vendor("8x8", "8x8", eightbyeight_catalog()), path="/8x8", **changes),
        MountPlan(make_vendor("generic", "gen", generic_catalog()), host="gen.test", **changes),
    ]


@dataclass
class House:
    """A gate, its closer, and what they know and wrote."""

    plans: Sequence[MountPlan]
    clients: Sequence[Client] = ()
    clock: HandClock = field(default_factory=HandClock)
    stores: dict[str, GrantStore] = field(default_factory=dict)
    memories: dict[str, VendorMemory] = field(default_factory=dict)
    bugs: list[BaseException] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learners: dict[str, Learner] = {}
        mounts = [self._mount(plan) for plan in self.plans]
        ids, traces = IdMaker(lambda bits: (1 << bits) - 1), Traces(lambda count: b"\x5c" * count)
        self.gate = Gate(mounts, self.clients, FINGERPRINTER, self.clock, ids, traces, self.bugs.append)
        self.closer = Closer(self.gate, self.exchanges.append, self.bugs.append, BIG_BODY, repeat=self._write_out)

    def _write_out(self, repetition: Repetition) -> None:
        self.exchanges.append(repetition.exchange())

    def _mount(self, plan: MountPlan) -> Mount:
        vendor = plan.vendor
        store = self.stores.setdefault(vendor.name, GrantStore())
        memory = self.memories.setdefault(vendor.name, VendorMemory())
        learner = Learner(vendor.name, store, memory, FINGERPRINTER, lifetime=900.0, recheck=60.0)
        self.learners[vendor.name] = learner
        implied = vendor.catalog.implied_by if plan.presume else {}
        mount = Mount(vendor, store, learner, memory.shapes, plan.mode, plan.rules, implied, plan.path, plan.host)
        return replace(mount, demoted=plan.demoted, sample=plan.sample)

    def know(self, vendor: str, token: str, grants: Grants, source: Source = Source.TOKEN_RESPONSE, subject: str = "ann") -> Fingerprint:
        """Let something be known about a token."""
        fingerprint = FINGERPRINTER(vendor, Secret(token))
        self.stores[vendor].put(fingerprint, Knowledge(grants, source, WALL, NEVER, subject))
        return fingerprint

    def hold(self, token: str, *scopes: str, vendor: str = "rc") -> Fingerprint:
        """Let it be known that these are all the scopes of a token."""
        return self.know(vendor, token, Grants(scopes=frozenset(scopes), complete=True))

    def ask(self, method: str, target: str, head: RequestHead | None = None, **fields: str) -> Ruling:
        return self.gate.open(method, target.encode("latin-1"), head if head is not None else make_head(**fields))

    def close(self, ruling: Ruling, status: int = 200, answered_by: str = "vendor", **more: Any) -> Exchange:
        """Close a ruling and return the one exchange that was recorded."""
        before = len(self.exchanges)
        self.closer.close(ruling, Result(status, answered_by, **more))
        assert len(self.exchanges) == before + 1
        return self.exchanges[-1]

    def again(self) -> House:
        """Return a new house that knows the same and remembers nothing."""
        stores = {name: copied(store) for name, store in self.stores.items()}
        memories = {name: VendorMemory() for name in self.memories}
        for name, memory in self.memories.items():
            memories[name].shapes.update(memory.shapes)
        return House(self.plans, self.clients, HandClock(self.clock.moved), stores, memories)


def copied(store: GrantStore) -> GrantStore:
    """Return a store that knows the same, with nothing remembered beside it."""
    copy = GrantStore()
    for fingerprint, knowledge in store.items():
        copy.put(fingerprint, replace(knowledge, memo={}))
    return copy


# --- requests and answers --------------------------------------------------------------------------------


def make_head(token: str = "", host: str = "proxy.test", key: str = "", **fields: str) -> RequestHead:
    """Return the header fields of a request; further ones by their names with underscores."""
    pairs = [("Host", host)]
    if token:
        pairs.append(("Authorization", f"Bearer {token}"))
    if key:
        pairs.append(("Scopegate-Key", key))
    pairs.extend((name.replace("_", "-"), value) for name, value in fields.items())
    return read_head((name.encode(), value.encode()) for name, value in pairs)


def read_head(fields: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    head = read_request(list(fields), "1.1")
    assert isinstance(head, RequestHead), head
    return head


def client(name: str, mode: Mode | None = None) -> Client:
    """Return a client whose key is `key-of-<name>`."""
    return Client(name, sha256(f"key-of-{name}".encode()).digest(), mode)


def jwt(claims: Mapping[str, object]) -> str:
    """Return an unsigned access token with these claims."""
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"])


def answer_of(ruling: Ruling) -> LocalAnswer:
    assert ruling.answer is not None
    return ruling.answer


def body_of(ruling: Ruling) -> dict[str, Any]:
    body = json.loads(answer_of(ruling).body)
    assert isinstance(body, dict)
    return body


def fields_of(ruling: Ruling) -> dict[str, str]:
    """Return the header fields of a local answer; none of them occurs twice."""
    lines = answer_of(ruling).fields.decode("latin-1").split("\r\n")
    assert lines.pop() == ""
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name: value for name, value in pairs}  # noqa: C416 - a pair of unknown length would be an error


def refusal_of_ringcentral(scope: str) -> bytes:
    message = f"In order to call this API endpoint, application needs to have [{scope}] permission"
    error = {"errorCode": "CMN-401", "message": message, "permissionName": scope}
    whole = {"errorCode": "InsufficientPermissions", "message": message, "errors": [error], "permissionName": scope}
    return json.dumps(whole).encode()


def refusal_of_8x8(*pbxs: str, category: str = "CDR", user: str = "ann") -> bytes:
    message = f"user({user}) does not have access to api category({category}) for pbxId([{', '.join(pbxs)}])."
    return json.dumps({"status": 400, "code": "105-400-038", "message": message}).encode()


def refusal_of_generic(scope: str) -> bytes:
    return json.dumps({"error": "insufficient_scope", "scope": scope}).encode()
