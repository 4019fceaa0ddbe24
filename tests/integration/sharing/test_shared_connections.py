"""How a store is reached: with a password, over TLS with a private CA; and how soon a change arrives."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from tests.fakes.valkey import Valkey, line_to, valkey
from tests.fakes.waiting import eventually
from tests.integration.sharing.replicas import Vendors, log_in, shares, told

PASSWORD = "hunter2-canary"


async def test_a_password_lets_in(vendors: Vendors) -> None:
    async with valkey("--requirepass", PASSWORD) as store, line_to(store) as line:
        url = line.url.replace("redis://", f"redis://default:{PASSWORD}@")
        async with vendors.replica(url) as house:
            await shares(house)
            await log_in(house)
            await told(house)


@pytest.mark.parametrize("login", ["", "default:wrong-canary@"])
async def test_without_the_right_password_the_proxy_goes_on_alone(vendors: Vendors, login: str, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        valkey("--requirepass", PASSWORD) as store,
        line_to(store) as line,
        vendors.replica(line.url.replace("redis://", f"redis://{login}")) as house,
    ):

        async def refused() -> bool:
            check = (await house.admin("/readyz"))["checks"]["shared_state"]
            return any(word in check["detail"] for word in ("Authentication", "WRONGPASS", "username-password"))

        await eventually(refused)
        assert "canary" not in str(await house.admin("/readyz")) + await house.page()
    assert "canary" not in caplog.text


async def test_tls_with_a_private_ca(store: Valkey, vendors: Vendors, tmp_path: Path) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with line_to(store, tls=server) as line:
        async with vendors.replica(line.url, ca_file=str(tmp_path / "ca.pem")) as house:
            await shares(house)
            await log_in(house)
            await told(house)
        async with vendors.replica(line.url) as house:

            async def distrusted() -> bool:
                return "certificate" in (await house.admin("/readyz"))["checks"]["shared_state"]["detail"].lower()

            await eventually(distrusted)
