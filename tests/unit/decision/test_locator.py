"""Which vendor and which operation a raw target means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy import errors
from proxy.decision.locator import MAX_REMEMBERED_BYTES, Located, Locator
from proxy.decision.ruling import Mount
from proxy.errors import Fault
from proxy.protocol.targets import Target
from tests.gates import House, make_head, plans


def mounts(*places: str) -> list[Mount]:
    """Return one mount per place: "/path", "host" or "host/path"; "" stands for everything."""
    (first,) = House(plans()[:1]).gate.mounts
    made = []
    for place in places:
        host, slash, path = place.partition("/")
        made.append(replace(first, host=host, path=slash + path))
    return made


def ignore(_: BaseException) -> None:
    raise AssertionError("there is no bug here")


def locator(*places: str, max_remembered: int = 100) -> Locator:
    return Locator(mounts(*places), ignore, max_remembered)


def place_of(found: tuple[Located, Target] | Fault) -> tuple[str, str] | str:
    """Return the place of the mount that was found, and what is sent to it; or the reason why nothing was found."""
    if isinstance(found, Fault):
        return found.reason
    located, target = found
    assert target.path == located.path
    return located.mount.host + located.mount.path, target.raw()


def locate(where: Locator, target: str, host: str = "proxy.test", method: str = "GET") -> tuple[str, str] | str:
    return place_of(where.locate(method, target.encode("latin-1"), make_head(host=host)))


# --- mounts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/rc/x", ("/rc", "/x")),
        ("/rc/x?a=1", ("/rc", "/x?a=1")),
        ("/rc/x?", ("/rc", "/x?")),
        ("/rc", ("/rc", "/")),
        ("/rc?a=1", ("/rc", "/?a=1")),
        ("/rc/", ("/rc", "/")),
        ("/rc/deep/x", ("/rc/deep", "/x")),
        ("/rc/deep", ("/rc/deep", "/")),
        ("/rc/deeper", ("/rc", "/deeper")),
        ("/rcx", "no_such_mount"),
        ("/RC/x", "no_such_mount"),
        ("/", "no_such_mount"),
        ("/x/rc", "no_such_mount"),
        ("/rc/a%20b", ("/rc", "/a%20b")),
    ],
)
def test_the_longest_path_wins_and_segments_are_whole(target: str, expected: tuple[str, str] | str) -> None:
    for places in (("/rc", "/rc/deep"), ("/rc/deep", "/rc")):
        assert locate(locator(*places), target) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("rc.test", ("rc.test", "/x")),
        ("RC.Test", ("rc.test", "/x")),
        ("rc.test:8443", ("rc.test", "/x")),
        ("rc.test.evil", "no_such_mount"),
        ("xrc.test", "no_such_mount"),
        ("[::1]:80", "no_such_mount"),
    ],
)
def test_a_host_mount_is_found_by_its_host_in_any_case_and_at_any_port(host: str, expected: tuple[str, str] | str) -> None:
    assert locate(locator("rc.test"), "/x", host) == expected


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8080"])
def test_an_ipv6_host_keeps_its_brackets(host: str) -> None:
    assert locate(locator("[::1]"), "/x", host) == ("[::1]", "/x")


def test_at_equal_paths_a_mount_with_a_host_comes_first() -> None:
    for places in (("rc.test/v", "/v"), ("/v", "rc.test/v")):
        where = locator(*places)
        assert locate(where, "/v/x", "rc.test") == ("rc.test/v", "/x")
        assert locate(where, "/v/x", "other.test") == ("/v", "/x")


def test_a_longer_path_comes_before_a_host() -> None:
    assert locate(locator("rc.test", "/8x8"), "/8x8/x", "rc.test") == ("/8x8", "/x")


def test_a_mount_of_everything_takes_what_no_other_takes() -> None:
    where = locator("", "/rc")
    assert locate(where, "/") == ("", "/")
    assert locate(where, "/rcx/y") == ("", "/rcx/y")
    assert locate(where, "/rc/y") == ("/rc", "/y")


# --- targets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/rc//x", "empty_segment"), ("/rc/../x", "dot_segment"), ("/rc/%2fx", "encoded_slash"), ("/rc/x;y", "path_parameters"),
        ("/r%63/x", "needless_encoding"), ("/rc/x#y", "fragment"), ("", "not_origin_form"), ("*", "not_origin_form"),
        ("rc/x", "not_origin_form"), ("/rc/x?a b", "query_characters"), ("/rc/x?a\xff", "query_characters"),
    ],
)  # fmt: skip
def test_ambiguous_targets_are_refused_every_time(target: str, reason: str) -> None:
    where = locator("/rc")
    assert locate(where, "/rc/x") == ("/rc", "/x")
    assert [locate(where, target) for _ in range(2)] == [reason, reason]


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        ("http://proxy.test/rc/x", "proxy.test", ("/rc", "/x")),
        ("https://proxy.test/rc/x?a=1", "proxy.test", ("/rc", "/x?a=1")),
        ("HTTP://Proxy.Test:80/rc/x", "pRoxy.test:80", ("/rc", "/x")),
        ("http://other.test/rc/x", "proxy.test", "not_origin_form"),
        ("http://proxy.test:81/rc/x", "proxy.test", "not_origin_form"),
        ("http://user@proxy.test/rc/x", "proxy.test", "not_origin_form"),
        ("http://proxy.test", "proxy.test", "not_origin_form"),
        ("http://proxy.test?/rc/x", "proxy.test", "not_origin_form"),
        ("ftp://proxy.test/rc/x", "proxy.test", "not_origin_form"),
        ("http://proxy.test//rc/x", "proxy.test", "empty_segment"),
    ],
)
def test_a_whole_url_must_name_this_very_host(target: str, host: str, expected: tuple[str, str] | str) -> None:
    assert locate(locator("/rc"), target, host) == expected


def test_a_whole_url_without_a_host_field_is_refused() -> None:
    head = make_head()
    head.host = b""  # HTTP/1.0
    assert place_of(locator("/rc").locate("GET", b"http://proxy.test/rc/x", head)) == "not_origin_form"
    assert place_of(locator("/rc").locate("GET", b"/rc/x", head)) == ("/rc", "/x")


# --- what is remembered ----------------------------------------------------------------------------------


def test_a_remembered_url_is_not_taken_for_another_host() -> None:
    where = locator("/rc")
    assert locate(where, "http://a.test/rc/x", "a.test") == ("/rc", "/x")
    assert locate(where, "http://a.test/rc/x", "b.test") == "not_origin_form"


def test_a_remembered_path_is_not_taken_for_another_hosts_mount_or_method() -> None:
    where = locator("a.test", "b.test")
    status = "/restapi/v1.0/status"
    assert locate(where, status, "a.test") == ("a.test", status)
    assert locate(where, status, "b.test") == ("b.test", status)
    read, delete = (where.locate(method, status.encode(), make_head(host="a.test")) for method in ("GET", "DELETE"))
    assert not isinstance(read, Fault)
    assert not isinstance(delete, Fault)
    assert read[0].meant.match is not None
    assert delete[0].meant.match is None


def test_memory_is_bounded_in_number_and_length() -> None:
    where = locator("/rc", max_remembered=3)
    for number in range(10):
        assert locate(where, f"/rc/{number}") == ("/rc", f"/{number}")
        assert len(where._remembered) <= 3
    before = dict(where._remembered)
    long = "/rc/" + "x" * MAX_REMEMBERED_BYTES
    assert locate(where, long) == ("/rc", long[3:])
    assert where._remembered == before
    assert locate(where, "/nowhere") == errors.NO_MOUNT.reason
    assert where._remembered == before


def test_the_same_path_is_looked_up_once() -> None:
    where = locator("/rc")
    first, second = (where.locate("GET", f"/rc/x?{number}".encode(), make_head()) for number in (1, 2))
    assert not isinstance(first, Fault)
    assert not isinstance(second, Fault)
    assert first[0] is second[0]
    assert (first[1].query, second[1].query) == ("1", "2")
