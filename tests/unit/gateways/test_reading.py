"""What is read of a gateway's request, and what is not looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateways.reading import Endpoint, NotTold, Told, find_endpoint, read_told

FORGED = [
    (b"X-Forwarded-Uri", b"/allowed"), (b"X-Forwarded-Method", b"OPTIONS"), (b"X-Forwarded-Host", b"elsewhere"),
    (b"X-Original-URL", b"http://elsewhere/allowed"), (b"X-Original-Method", b"OPTIONS"),
]  # fmt: skip
OF_NGINX = [(b"X-Original-Method", b"DELETE"), (b"X-Original-URL", b"https://api.example.com/a?b=http://c/d")]
OF_CADDY = [(b"x-forwarded-method", b"DELETE"), (b"x-forwarded-uri", b"/a?b"), (b"x-forwarded-host", b"api.example.com")]


@pytest.mark.parametrize(
    ("target", "endpoint"),
    [
        (b"/gateway/envoy/a/../b?c", Endpoint(b"envoy", "", b"/a/../b?c")),
        (b"/gateway/envoy//a", Endpoint(b"envoy", "", b"//a")),
        (b"/gateway/envoy/", Endpoint(b"envoy", "", b"/")),
        (b"/gateway/vendor/8x8/envoy/gateway/nginx", Endpoint(b"envoy", "8x8", b"/gateway/nginx")),
        (b"/gateway/traefik", Endpoint(b"traefik", "", b"")),
        (b"/gateway/caddy?uri=/allowed", Endpoint(b"caddy", "", b"")),
        (b"/gateway/vendor/8x8/nginx", Endpoint(b"nginx", "8x8", b"")),
        (b"/gateway/nginx/deny", Endpoint(b"nginx", "", b"", explains=True)),
        (b"/gateway/envoy", None),
        (b"/gateway/traefik/", None),
        (b"/gateway/vendor//envoy/", None),
        (b"/gateway/vendor/8x8", None),
        (b"/gateway/other", None),
        (b"/x/gateway/traefik", None),
        (b"http://x/gateway/traefik", None),
        (b"*", None),
    ],
)
def test_endpoints(target: bytes, endpoint: Endpoint | None) -> None:
    assert find_endpoint(target) == endpoint


def told(family: bytes, fields: list[tuple[bytes, bytes]], method: str = "GET", rest: bytes = b"") -> Told:
    read = read_told(Endpoint(family, "", rest), method, fields)
    assert isinstance(read, Told)
    return read


def test_nginx_is_read_where_its_configuration_tells_and_nowhere_else() -> None:
    read = told(b"nginx", [(b"Host", b"127.0.0.1"), *OF_NGINX, *FORGED[:3]])
    assert (read.method, read.target, read.fields[0]) == ("DELETE", b"/a?b=http://c/d", (b"Host", b"api.example.com"))


@pytest.mark.parametrize("family", [b"traefik", b"caddy"])
def test_forward_auth_is_read_where_the_gateway_tells_and_nowhere_else(family: bytes) -> None:
    read = told(family, [(b"Host", b"127.0.0.1"), *OF_CADDY, *FORGED[3:]])
    assert (read.method, read.target, read.fields[0]) == ("DELETE", b"/a?b", (b"Host", b"api.example.com"))


def test_envoy_tells_with_the_request_itself() -> None:
    read = told(b"envoy", [(b"host", b"api.example.com"), *FORGED], "PUT", b"/a/%2e?b")
    assert (read.method, read.target, read.fields[0]) == ("PUT", b"/a/%2e?b", (b"Host", b"api.example.com"))


@pytest.mark.parametrize(("family", "fields"), [(b"nginx", OF_NGINX), (b"traefik", OF_CADDY), (b"caddy", OF_CADDY)])
def test_what_the_gateway_tells_must_be_there_exactly_once(family: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    endpoint = Endpoint(family, "", b"")
    assert isinstance(read_told(endpoint, "GET", fields), Told)
    for number, (name, _) in enumerate(fields):
        others = fields[:number] + fields[number + 1 :]
        for wrong in (others, [*fields, fields[number]], [*others, (name, b" ")]):
            assert isinstance(read_told(endpoint, "GET", wrong), NotTold)


def test_fields_of_the_gateways_own_hop_are_left_out() -> None:
    hop = [(b"Connection", b"upgrade"), (b"Upgrade", b"websocket"), (b"Content-Length", b"0"), (b"TE", b"x"), (b"Expect", b"100-continue")]
    read = told(b"caddy", [*OF_CADDY, *hop, (b"Authorization", b"Bearer x")])
    assert [name for name, _ in read.fields] == [b"Host", *(name for name, _ in OF_CADDY), b"Authorization"]


def test_a_client_that_names_no_host_spoke_http_1_0() -> None:
    read = told(b"nginx", [(b"X-Original-Method", b"GET"), (b"X-Original-URL", b"http:///a")])
    assert (read.version, read.target, read.fields[0][0]) == ("1.0", b"/a", b"X-Original-Method")


@given(st.binary(max_size=40), st.sampled_from([b"/gateway/envoy", b"/gateway/vendor/v/envoy"]))
def test_envoys_target_is_what_stands_behind_the_prefix_byte_for_byte(rest: bytes, prefix: bytes) -> None:
    endpoint = find_endpoint(prefix + b"/" + rest)
    assert endpoint is not None
    assert (endpoint.family, endpoint.rest) == (b"envoy", b"/" + rest)
