"""The rendered configuration, in a directory laid out as a node lays it out, is one that `scopegate check-config` accepts."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.fakes.node import Node
from tests.integration.kubernetes.objects import TOKEN, config_maps, secrets
from tests.integration.kubernetes.rendering import ROOT, SOURCES, configuration, container, only, pod, proxy, rendered, run, source

HOW_TO = ROOT / "docs/how-to/run-on-kubernetes.md"
SCOPEGATE = str(Path(sys.executable).with_name("scopegate"))


def laid_out(name: str, directory: Path, *options: str) -> Path:
    """Lay out the pod's files; the paths in its configuration, which are those of the container, get the directory before them."""
    manifests = rendered(name, *options) if options else source(name)
    maps = config_maps(manifests)
    for held in maps.values():
        for path in (mount["mountPath"] for mount in container(manifests)["volumeMounts"]):
            held["scopegate.yaml"] = held["scopegate.yaml"].replace(f"{path}/".encode(), f"{directory}{path}/".encode())
    for path, place in Node(directory / "volumes", maps, secrets()).mount(pod(manifests), container(manifests)).items():
        target = directory / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(place, target_is_directory=True)
    return directory / "etc/scopegate/scopegate.yaml"


@pytest.mark.parametrize("name", SOURCES)
def test_the_proxy_accepts_the_configuration(name: str, tmp_path: Path) -> None:
    file = laid_out(name, tmp_path)
    finished = run(SCOPEGATE, "check-config", str(file))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert not (secrets_in(finished.stdout) | secrets_in(finished.stderr))


def secrets_in(text: str) -> set[str]:
    told = {content.decode() for held in secrets().values() for content in held.values() if len(content) > 20}
    return {secret for secret in told if secret.strip() in text}


def test_what_the_proxy_does_not_accept_is_found(tmp_path: Path) -> None:
    """The schema does not look ahead (see tools/chart.py); the proxy does."""
    file = laid_out("minimal", tmp_path, "--set", "config.vendors.ringcentral.mount.path=without-slash")
    finished = run(SCOPEGATE, "check-config", str(file))
    assert finished.returncode == 4
    assert "vendors.ringcentral.mount.path" in finished.stdout + finished.stderr


@pytest.mark.parametrize("name", SOURCES)
def test_every_secret_of_the_configuration_is_mounted_and_none_stands_in_it(name: str) -> None:
    manifests = source(name)
    text = only(manifests, "ConfigMap")["data"]["scopegate.yaml"]
    mounted = {mount["mountPath"] for mount in container(manifests)["volumeMounts"]}
    named = [word.strip("'\"}") for line in text.splitlines() for word in line.replace("${file:", " ").split() if "/run/secrets" in word]
    assert named
    assert all(file.split("@")[0].rstrip("}").rpartition("/")[0] in mounted for file in named)
    assert TOKEN not in text


def test_catalogues_travel_with_the_configuration(tmp_path: Path) -> None:
    file = laid_out("everything", tmp_path)
    catalog = file.parent / configuration(source("everything"))["vendors"]["acme"]["catalog"]
    assert yaml.safe_load(catalog.read_text())["vendor"] == "acme"
    assert catalog.parent.resolve().parent == file.resolve().parent, "one link is swapped for both"


def test_numbers_stay_as_they_are() -> None:
    """Helm keeps numbers as floats; 2e9 in a configuration would be refused."""
    everything, existing = configuration(rendered("everything")), configuration(rendered("existing-secrets"))
    assert everything["state"]["max_bytes"] == 1_073_741_824
    assert existing["limits"] == {"max_body_bytes": 1_073_741_824, "shutdown_grace_s": 90.5, "shutdown_delay_s": 5}


def test_what_is_said_beside_the_charts_own_settings_is_kept() -> None:
    config = configuration(rendered("everything"))
    assert config["audit"]["keep_files"] == 30
    assert config["audit"]["path"] == "/var/lib/scopegate/audit/audit.jsonl"
    assert config["readiness"] == {"min_scored_calls": 100}


def test_a_config_map_of_ones_own_is_mounted_instead() -> None:
    options = ("--set", "existingConfigMap=mine", "--set", "image.repository=mine,admin.token.secretName=ours")
    manifests = rendered("", *options)
    assert not [one for one in manifests if one["kind"] == "ConfigMap"]
    (volume,) = (volume for volume in pod(manifests)["volumes"] if volume["name"] == "config")
    assert volume["configMap"] == {"name": "mine"}


# --- the how-to -------------------------------------------------------------------------------------------------

BLOCKS = [textwrap.dedent(text) for text in re.findall(r"^ *```yml\n(.*?)^ *```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)]


def test_every_values_file_that_is_shown_works(tmp_path: Path) -> None:
    assert len(BLOCKS) > 5
    (tmp_path / "values.yaml").write_text(BLOCKS[0])
    for number, block in enumerate(BLOCKS):
        (tmp_path / "more.yaml").write_text(block)
        options = (
            "--values",
            str(tmp_path / "values.yaml"),
            "--values",
            str(tmp_path / "more.yaml"),
            "--set",
            f"podLabels.block=b{number}",
        )
        manifests = rendered("", *options)
        assert proxy(manifests)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/scopegate:0.1.0"
