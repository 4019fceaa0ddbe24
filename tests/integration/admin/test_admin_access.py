"""Who may use the admin listener, and that it never listens for strangers."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme

from proxy.admin.access import MAX_TOKEN, OPEN_PATHS
from proxy.app import App
from proxy.settings import Loaded, Problems, parse_settings
from tests.integration.cli.processes import scopegate

TOKEN, OLD = "the-admin-token", "the-old-one"
VENDORS = "vendors: {ringcentral: {kind: ringcentral, mount: {path: /rc}, upstream: 'http://127.0.0.1:1'}}"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def configured(admin: str) -> Loaded | Problems:
    return parse_settings(f"listen: 127.0.0.1:0\nadmin: {admin}\n{VENDORS}\n".encode(), {}, file=Path("scopegate.yaml"))


@asynccontextmanager
async def listening(admin: str) -> AsyncIterator[App]:
    loaded = configured(admin)
    assert isinstance(loaded, Loaded), str(loaded)
    app = App(loaded)
    await app.start()
    try:
        yield app
    finally:
        await app.stop(0.0)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    both = f"{{listen: '127.0.0.1:0', token_sha256: ['{digest(OLD)}', '{digest(TOKEN)}']}}"
    async with listening(both) as app, aiohttp.ClientSession(f"http://127.0.0.1:{app.admin_port}") as session:
        yield session


async def answer(session: aiohttp.ClientSession, path: str, *authorizations: str, method: str = "GET") -> tuple[int, str]:
    fields = [("Authorization", value) for value in authorizations]
    async with session.request(method, path, headers=fields) as response:
        members = await response.json(content_type=None) if response.content_type.endswith("json") else {}
        if response.status == 401:
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="scopegate admin"'
        return response.status, members.get("reason", "") if isinstance(members, dict) else ""


@pytest.mark.parametrize("token", [TOKEN, OLD])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_every_configured_token_is_let_in(session: aiohttp.ClientSession, token: str, scheme: str) -> None:
    assert await answer(session, "/api/v1/grants", f"{scheme} {token}") == (200, "")
    assert (await answer(session, "/metrics", f"{scheme} {token}"))[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/grants", "/api/v1/decisions", "/nowhere", "/livez/", "/"])
@pytest.mark.parametrize(
    ("authorizations", "reason"),
    [
        ((), "token_required"),
        ((f"Basic {TOKEN}",), "token_required"),
        ((TOKEN,), "token_required"),
        ((f"Bearer {TOKEN}", f"Bearer {TOKEN}"), "token_required"),
        ((f"Bearer {'x' * MAX_TOKEN}",), "token_required"),
        (("Bearer wrong",), "wrong_token"),
        (("Bearer ",), "token_required"),
        ((f"Bearer {TOKEN}x",), "wrong_token"),
        ((f"Bearer {digest(TOKEN)}",), "wrong_token"),
    ],
)
async def test_nobody_else_is(session: aiohttp.ClientSession, path: str, authorizations: tuple[str, ...], reason: str) -> None:
    assert await answer(session, path, *authorizations) == (401, reason)


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "HEAD"])
async def test_no_method_gets_around_it(session: aiohttp.ClientSession, method: str) -> None:
    assert (await answer(session, "/api/v1/grants", method=method))[0] == 401


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
async def test_health_needs_no_token(session: aiohttp.ClientSession, path: str) -> None:
    assert (await answer(session, path))[0] == 200


async def test_strangers_are_counted(session: aiohttp.ClientSession) -> None:
    for _ in range(2):
        await answer(session, "/metrics")
    async with session.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert "scopegate_admin_refused_total 2.0" in await response.text()


async def test_a_verified_certificate_will_do_instead_of_the_token(tmp_path: Path) -> None:
    authority = trustme.CA()
    server, known = authority.issue_cert("127.0.0.1"), authority.issue_cert("ops@example.com")
    server.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = f"cert_file: {tmp_path}/server.pem, key_file: {tmp_path}/server.pem, client_ca_file: {tmp_path}/ca.pem, client_auth: optional"
    async with listening(f"{{listen: '127.0.0.1:0', token_sha256: {digest(TOKEN)}, tls: {{{files}}}}}") as app:
        for certificate, status in ((known, 200), (None, 401)):
            context = ssl.create_default_context()
            authority.configure_trust(context)
            if certificate is not None:
                certificate.configure_cert(context)
            connector, url = aiohttp.TCPConnector(ssl=context), f"https://127.0.0.1:{app.admin_port}/api/v1/grants"
            async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
                assert response.status == status


# --- never open to strangers --------------------------------------------------------------------------------

CERTIFICATES = "tls: {cert_file: a.pem, key_file: a.pem, client_ca_file: a.pem%s}"


@pytest.mark.parametrize(
    ("admin", "open_to_strangers"),
    [
        ("{listen: '127.0.0.1:9'}", False),
        ("{listen: '127.8.8.8:9'}", False),
        ("{listen: '[::1]:9'}", False),
        ("{listen: 'localhost:9'}", False),
        ("{listen: '0.0.0.0:9'}", True),
        ("{listen: '[::]:9'}", True),
        ("{listen: '10.0.0.1:9'}", True),
        ("{listen: 'localhost.example.com:9'}", True),
        (f"{{listen: '0.0.0.0:9', token_sha256: {'0' * 64}}}", False),
        (f"{{listen: '0.0.0.0:9', {CERTIFICATES % ''}}}", False),
        (f"{{listen: '0.0.0.0:9', {CERTIFICATES % ', client_auth: optional'}}}", True),
        ("{listen: '0.0.0.0:9', tls: {cert_file: a.pem, key_file: a.pem}}", True),
    ],
)
def test_an_address_that_strangers_reach_needs_a_guard(admin: str, open_to_strangers: bool) -> None:
    loaded = configured(admin)
    told = (
        [problem for problem in loaded.items if "other machines can reach this address" in problem.message]
        if isinstance(loaded, Problems)
        else []
    )
    assert bool(told) == open_to_strangers


@pytest.mark.parametrize("value", ["x", "[]", f"[{'0' * 63}]", "7"])
def test_what_is_no_hash_is_told_without_repeating_it(value: str) -> None:
    loaded = configured(f"{{token_sha256: {value}}}")
    assert isinstance(loaded, Problems)
    assert "SHA-256" in str(loaded)


def test_the_command_line_opens_nothing_either(tmp_path: Path) -> None:
    file = tmp_path / "scopegate.yaml"
    file.write_text(VENDORS)
    finished = scopegate("serve", "--config", str(file), "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0")
    assert (finished.returncode, "other machines can reach this address" in finished.stderr) == (4, True)
    demo = scopegate("demo", "--allow-remote", "--admin", "0.0.0.0:0")
    assert (demo.returncode, "stays on this machine" in demo.stderr) == (2, True)
