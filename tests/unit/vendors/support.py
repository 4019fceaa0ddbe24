"""What the vendor tests share: exchanges and denials in one line, and the documented bodies."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from proxy.catalogs.catalog import Catalog
from proxy.model import Operation, Reason
from proxy.protocol.targets import Target, parse_target
from proxy.vendors.base import Vendor
from proxy.vendors.facts import Fact, Issued, Lacks, ShapeSeen
from proxy.vendors.refusals import Denial
from proxy.vendors.seen import Seen

SAMPLES = Path(__file__).parents[2] / "samples"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def sample_object(name: str) -> dict[str, object]:
    value = json.loads(sample(name))
    assert isinstance(value, dict)
    return value


def target(raw: str) -> Target:
    parsed = parse_target(raw.encode())
    assert isinstance(parsed, Target)
    return parsed


def as_bytes(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body).encode()


def seen(
    vendor: Vendor,
    method: str,
    raw: str,
    status: int,
    body: object,
    *,
    form: Mapping[str, str] | bytes | None = None,
    headers: Mapping[str, bytes] | None = None,
    subject: str = "",
) -> Seen:
    where = target(raw)
    match = vendor.catalog.find(method, where.path)
    sent = urlencode(form).encode() if isinstance(form, Mapping) else form
    known = {} if headers is None else headers
    return Seen(method, where, match, known, sent, status, as_bytes(body), vendor.resources(match, where), subject)


def denial(
    vendor: Vendor,
    method: str,
    raw: str,
    missing: tuple[tuple[str, ...], ...],
    *,
    reason: Reason = Reason.MISSING_SCOPE,
    subject: str = "",
    message: str = "",
    whole_resource: bool = False,
) -> Denial:
    where = target(raw)
    match = vendor.catalog.find(method, where.path)
    at = 1_795_291_200.123  # 2026-11-21T20:00:00.123Z
    return Denial(reason, method, where, match, missing, vendor.resources(match, where), subject, message, whole_resource, at)


def issued(facts: tuple[Fact, ...]) -> Issued:
    (fact,) = facts
    assert isinstance(fact, Issued)
    return fact


def lacks(facts: tuple[Fact, ...]) -> list[Lacks]:
    return [fact for fact in facts if isinstance(fact, Lacks)]


def shape(facts: tuple[Fact, ...]) -> ShapeSeen:
    (fact,) = (fact for fact in facts if isinstance(fact, ShapeSeen))
    return fact


def operation(catalog: Catalog, name: str) -> Operation:
    found = catalog.by_id(name)
    assert found is not None
    return found


def jwt(claims: object, header: object = None) -> bytes:
    return b".".join([_part({"alg": "RS256"} if header is None else header), _part(claims), b"c2ln"])


def _part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def basic(user: str, password: str = "secret") -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())
