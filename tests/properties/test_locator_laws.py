"""Laws of locating: what is sent is what was asked for, and memory changes nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from proxy.decision.locator import Located, Locator
from proxy.decision.ruling import Mount
from proxy.errors import Fault
from proxy.protocol.headers import RequestHead
from proxy.protocol.targets import BadTarget, Target, parse_target
from tests.gates import House, make_head, plans
from tests.strategies import raw_targets

(MOUNT,) = House(plans()[:1]).gate.mounts
PATHS = ("", "/a", "/a/b", "/ab", "/c")
HOSTS = ("", "x.test", "y.test")
HEADS = {host: make_head(host=host) for host in ("x.test", "X.test:80", "y.test", "z.test")}
mount_lists = st.lists(st.builds(lambda path, host: replace(MOUNT, path=path, host=host), st.sampled_from(PATHS), st.sampled_from(HOSTS)))
plain_targets = st.builds(
    lambda scheme, path, query: (scheme + path + query).encode(),
    st.sampled_from(("", "", "", "http://x.test", "http://y.test", "http://X.TEST:80")),
    st.lists(st.sampled_from(("/a", "/b", "/ab", "/c", "/", "/..", "//")), max_size=3).map("".join),
    st.sampled_from(("", "?", "?q=1", "?\x01")),
)
targets = st.one_of(plain_targets, plain_targets, raw_targets)
asked = st.tuples(st.sampled_from(("GET", "POST")), targets, st.sampled_from(tuple(HEADS)))


def raise_bug(bug: BaseException) -> None:
    raise bug


def locator(mounts: list[Mount], max_remembered: int = 4) -> Locator:
    return Locator(mounts, raise_bug, max_remembered)


def said(found: tuple[Located, Target] | Fault) -> object:
    if isinstance(found, Fault):
        return found
    located, target = found
    return id(located.mount), located.path, located.meant, target


def reference(mounts: list[Mount], target: Target, host: str) -> Mount | None:
    """Try every mount: the longest path that matches, among those the ones with a host, among those the first."""
    name = host.lower().partition(":")[0]
    fitting = [
        mount
        for mount in mounts
        if mount.host in ("", name) and (target.path == mount.path or target.path.startswith(mount.path + "/") or not mount.path)
    ]
    longest = max((len(mount.path) for mount in fitting), default=0)
    best = [mount for mount in fitting if len(mount.path) == longest]
    return next((mount for mount in best if mount.host), best[0] if best else None)


@given(mount_lists, st.lists(asked, max_size=12), st.integers(1, 5))
def test_memory_changes_nothing(mounts: list[Mount], questions: list[tuple[str, bytes, str]], limit: int) -> None:
    remembering = locator(mounts, limit)
    for method, target, host in questions:
        head: RequestHead = HEADS[host]
        assert said(remembering.locate(method, target, head)) == said(locator(mounts).locate(method, target, head))


@given(mount_lists, asked)
def test_the_mount_is_the_one_that_trying_all_finds(mounts: list[Mount], question: tuple[str, bytes, str]) -> None:
    method, raw, host = question
    found, target = locator(mounts).locate(method, raw, HEADS[host]), parse_target(raw)
    if isinstance(target, BadTarget):
        assert isinstance(found, Fault) or not raw.startswith(b"/")
        return
    expected = reference(mounts, target, host)
    if expected is None:
        assert isinstance(found, Fault)
        return
    assert not isinstance(found, Fault)
    located, sent = found
    assert located.mount is expected
    assert (expected.path + sent.raw() == raw.decode()) or target.path == expected.path


@given(mount_lists, asked)
def test_a_whole_url_means_what_its_path_means(mounts: list[Mount], question: tuple[str, bytes, str]) -> None:
    method, raw, host = question
    if raw.startswith(b"/"):
        whole = b"http://" + host.encode() + raw
        assert said(locator(mounts).locate(method, whole, HEADS[host])) == said(locator(mounts).locate(method, raw, HEADS[host]))
