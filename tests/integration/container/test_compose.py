"""deploy/compose: by the schema of Compose files, by what an operator must be able to rely on, and by running what it describes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from tests.fakes.waiting import eventually
from tests.integration.cli.processes import FREE, scopegate, started
from tests.integration.container.composed import (
    COMPOSE,
    FILE,
    composed,
    process,
    prometheus_configuration,
    proxy_configuration,
    valkey,
    write_secrets,
)
from tests.integration.container.test_image import commands
from tests.integration.gateways.real import free_port
from tests.integration.monitoring.prometheus import Prometheus, binary
from tests.integration.service.confining import ROOT, program

SERVICES: Final = ("scopegate", "valkey", "prometheus", "grafana")
each_service = pytest.mark.parametrize("name", SERVICES)


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = composed()["services"][name]
    return found


def by_schema(file: Path) -> int:
    tool = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run([tool, "--builtin-schema", "vendor.compose-spec", str(file)], capture_output=True, check=False).returncode


def test_it_follows_the_schema_of_compose_files(tmp_path: Path) -> None:
    assert by_schema(FILE) == 0
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("cap_drop: [ALL]", "cap_drop: ALL"))
    assert by_schema(wrong) != 0


def test_there_are_these_services_and_no_others() -> None:
    assert tuple(composed()["services"]) == SERVICES


@each_service
def test_each_service_is_locked_in_and_watched(name: str) -> None:
    found = service(name)
    assert (found["read_only"], found["cap_drop"], found["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert not found["user"].startswith(("0:", "root"))
    assert found["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(found)


@each_service
def test_each_image_is_chosen_by_the_operator_and_the_example_asks_for_a_digest(name: str) -> None:
    variable = re.fullmatch(r"\$\{([A-Z]+_IMAGE):\?.+\}", service(name)["image"])
    assert variable is not None
    (line,) = re.findall(rf"^{variable[1]}=(.*)$", (COMPOSE / "env.example").read_text(), re.MULTILINE)
    assert line.endswith("@sha256:") or name == "scopegate"


def test_only_the_traffic_of_apps_can_be_published_to_others() -> None:
    published = {name: [str(port) for port in service(name).get("ports", ())] for name in SERVICES}
    assert published.pop("scopegate") == ["${SCOPEGATE_LISTEN:-127.0.0.1:8080}:8080", "127.0.0.1:${SCOPEGATE_ADMIN_PORT:-9090}:9090"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert composed()["networks"]["store"] == {"internal": True}
    assert service("valkey")["networks"] == ["store"]


@each_service
def test_everything_that_is_mounted_exists(name: str) -> None:
    top = composed()
    for volume in service(name).get("volumes", ()):
        if volume["type"] == "volume":
            assert volume["source"] in top["volumes"]
        else:
            assert (COMPOSE / volume["source"]).exists(), volume
            assert volume["read_only"]
    assert set(service(name).get("secrets", ())) <= set(top["secrets"])


def test_secrets_are_files_that_git_never_sees() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"deploy/compose/.env", "deploy/compose/secrets/"} <= set(ignored)
    assert all(secret["file"] == f"./secrets/{name}" for name, secret in composed()["secrets"].items())


@each_service
def test_what_a_service_reads_is_a_secret_it_is_given(name: str) -> None:
    files = {"scopegate": COMPOSE / "scopegate.yaml", "prometheus": COMPOSE / "prometheus.yml"}
    text = yaml.safe_dump(service(name)) + (files[name].read_text() if name in files else "")
    assert set(re.findall(r"/run/secrets/([a-z0-9-]+)", text)) == set(service(name)["secrets"])


def test_the_proxy_uses_the_ports_the_user_and_the_volume_of_its_image() -> None:
    image = {name: value for name, _, value in commands() if name in ("USER", "VOLUME", "EXPOSE", "HEALTHCHECK")}
    found = service("scopegate")
    assert image["USER"] == (found["user"],)
    assert [volume["target"] for volume in found["volumes"] if volume["type"] == "volume"] == list(image["VOLUME"])
    assert [str(port).rpartition(":")[2] for port in found["ports"]] == list(image["EXPOSE"])
    assert tuple(found["healthcheck"]["test"]) == image["HEALTHCHECK"]


def test_grafana_finds_its_dashboards_where_its_provisioning_says() -> None:
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/scopegate.yaml").read_text())["providers"][0]
    assert provider["options"]["path"] in [volume["target"] for volume in service("grafana")["volumes"]]


def test_the_proxys_configuration_is_valid(tmp_path: Path) -> None:
    finished = scopegate("check-config", str(proxy_configuration(tmp_path, write_secrets(tmp_path), 6379)))
    assert finished.returncode == 0, finished.stderr


def test_prometheus_own_tool_accepts_its_configuration(tmp_path: Path) -> None:
    tool = program("promtool", "prometheus")
    file = prometheus_configuration(tmp_path, write_secrets(tmp_path), "127.0.0.1:9090")
    finished = subprocess.run([tool, "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("sh") is None, reason="Valkey's command is one of a shell")
async def test_the_proxy_joins_valkey_and_prometheus_scrapes_it_with_the_token(tmp_path: Path) -> None:
    secrets, address = write_secrets(tmp_path), f"127.0.0.1:{free_port()}"
    prometheus = binary()
    async with valkey(tmp_path, secrets) as port:
        file = proxy_configuration(tmp_path, secrets, port)
        async with started("serve", "--config", str(file), *FREE) as running, aiohttp.ClientSession() as session:
            await running.listening()

            async def joined() -> bool:
                async with session.get(running.admin_url + "/readyz") as answer:
                    told = await answer.json()
                return bool(told["status"] == "ready" and "shared_state" in told["checks"])

            await eventually(joined)
            async with session.get(running.admin_url + "/metrics") as answer:
                assert answer.status == 401
            configuration = prometheus_configuration(tmp_path, secrets, running.admin_url.removeprefix("http://"))
            options = (f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}")
            async with process(prometheus, *options):
                told = Prometheus(f"http://{address}", session)

                async def scraped() -> bool:
                    try:
                        return await told.up() == 1 and bool(await told.rules())
                    except (aiohttp.ClientError, ValueError):
                        return False

                await eventually(scraped)
