"""The default answers, for a vendor that has nothing to add."""

from __future__ import annotations

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.credentials import Secret
from proxy.model import ANYWHERE, Lack, Named, OneOf, Operation, RefusalTemplate, ResourceRule, Resources, Unbounded
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.base import Vendor
from proxy.vendors.facts import Fact
from proxy.vendors.refusals import Denial, Refusal
from proxy.vendors.resources import bare_resource, no_access_at_all
from proxy.vendors.seen import NO_WATCH, Seen, Verdict, plain_kind
from tests.unit.vendors.support import denial, target

RULES = {
    "listed": ResourceRule("pbx", "query", "pbxId", ",", "allpbxes"),
    "single": ResourceRule("site", "query", "site"),
    "path": ResourceRule("pbx-id", "path", "id"),
    "absent": ResourceRule("pbx-id", "path", "other"),
}
CATALOG = compile_catalog(
    "plain",
    (Operation("plain", name, "GET", f"/{name}/{{id}}", OneOf((("a",),)), resource=rule) for name, rule in RULES.items()),
)


class Plain(Vendor):
    kind = "plain"

    def classify(self, seen: Seen) -> Verdict:
        return Verdict(plain_kind(seen.status))

    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        return ()

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        return Refusal(403, {})

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        return Refusal(403, {})


VENDOR = Plain("plain", CATALOG)


def test_a_vendor_with_nothing_to_add_watches_and_overrides_nothing() -> None:
    assert VENDOR.watch("POST", target("/x"), None) == NO_WATCH
    assert VENDOR.effective_method("POST", target("/x"), {"x-http-method-override": b"GET"}) == "POST"
    assert VENDOR.knowledge_in_token(Secret("abc")) is None
    assert VENDOR.shape_variant(denial(VENDOR, "GET", "/listed/1", (("a",),))) == ""
    assert [status for status in (200, 400, 401, 403, 404, 500) if VENDOR.watch_answer(status, None)] == [400, 401, 403]


@pytest.mark.parametrize(
    ("raw", "resources"),
    [
        ("/listed/1?pbxId=a,%20b", Named(frozenset({"pbx:a", "pbx:b"}))),
        ("/listed/1?pbxId=allpbxes", Unbounded()),
        ("/listed/1?pbxId=a,allpbxes", Unbounded()),
        ("/listed/1?pbxId=a,", Unbounded()),
        ("/listed/1?pbxId=a&pbxId=a", Unbounded()),
        ("/listed/1", Unbounded()),
        ("/single/1?site=a,b", Named(frozenset({"site:a,b"}))),
        ("/path/Ab3", Named(frozenset({"pbx-id:Ab3"}))),
        ("/absent/Ab3", Unbounded()),
        ("/nowhere", Named()),
    ],
)
def test_a_request_names_its_resources_or_leaves_them_open(raw: str, resources: Resources) -> None:
    where = target(raw)
    assert VENDOR.resources(CATALOG.find("GET", where.path), where) == resources


@pytest.mark.parametrize(
    ("lack", "absent"),
    [
        (Lack("*", frozenset({"pbx:a"})), True),
        (Lack("*", frozenset({"pbx:a", "pbx:c"})), False),
        (Lack("CDR", frozenset({"pbx:a"})), False),
    ],
)
def test_only_a_whole_lack_of_a_requested_resource_means_no_access_at_all(lack: Lack, absent: bool) -> None:
    assert no_access_at_all(frozenset({lack}), Named(frozenset({"pbx:a", "pbx:b"}))) is absent
    assert not no_access_at_all(frozenset({lack}), Named(ANYWHERE))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, ResponseKind.OK),
        (304, ResponseKind.OK),
        (401, ResponseKind.AUTH),
        (403, ResponseKind.OTHER_4XX),
        (429, ResponseKind.RATE_LIMIT),
        (502, ResponseKind.SERVER_ERROR),
    ],
)
def test_a_status_alone_never_tells_a_permission_refusal(status: int, kind: ResponseKind) -> None:
    assert plain_kind(status) is kind


def test_a_resource_is_shown_as_the_vendor_writes_it() -> None:
    assert bare_resource("pbx:a:b") == "a:b"
