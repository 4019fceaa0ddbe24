"""The chart and the Kustomize parts, rendered by the real programs that `make kubernetes` installs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
PROGRAMS: Final = ROOT / ".venv-kubernetes" / "bin"
CHART: Final = ROOT / "deploy" / "helm" / "scopegate"
KUSTOMIZE: Final = ROOT / "deploy" / "kustomize"
HELMS: Final = ("helm3", "helm4")
VALUES: Final = tuple(sorted(file.stem for file in (CHART / "ci").glob("*.yaml")))
OVERLAYS: Final = ("base", "overlays/example")
VERSIONS: Final = ("1.30", "1.32", "1.34", "1.35", "1.37")
RELEASE, NAMESPACE = "gate", "telephony"

Manifest = Mapping[str, Any]


def program(name: str) -> str:
    """Return where a program is; without it a test is skipped aloud, but not in CI."""
    found = PROGRAMS / name
    if not found.exists() and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip(f"{name} is missing (`make kubernetes` installs it): nothing was rendered")
    assert found.exists(), f"{found} is missing: make kubernetes"
    return str(found)


def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=50, check=False)


def helm(version: str, action: Sequence[str], values: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart with one of the files in `ci/`, or with none."""
    file = ("-f", str(CHART / "ci" / f"{values}.yaml")) if values else ()
    return run(program(version), *action, str(CHART), *file, *options)


@cache
def rendered_text(values: str, *options: str, version: str = "helm4") -> str:
    finished = helm(version, ("template", RELEASE), values, "-n", NAMESPACE, *options)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def rendered(values: str, *options: str, version: str = "helm4") -> list[Manifest]:
    """Return what the chart renders, as data."""
    return parsed(rendered_text(values, *options, version=version))


@cache
def kustomized_text(overlay: str) -> str:
    finished = run(program("kubectl"), "kustomize", str(KUSTOMIZE / overlay))
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def parsed(text: str) -> list[Manifest]:
    return [manifest for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest is not None]


SOURCES: Final = (*VALUES, *OVERLAYS)
"""Everything that is rendered: the chart with each file of values, and what Kustomize builds."""


def source_text(source: str) -> str:
    return kustomized_text(source) if source in OVERLAYS else rendered_text(source)


def source(name: str) -> list[Manifest]:
    return parsed(source_text(name))


def checked(texts: Mapping[str, str], directory: Path) -> dict[str, list[str]]:
    """Check manifests against the real schemas of every version of Kubernetes that the chart is for; return what is said of each text."""
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(text)
    files = [str(directory / f"{name}.yaml") for name in texts]
    finished = run(program("python"), str(ROOT / "tools/manifests.py"), ",".join(VERSIONS), *files)
    assert not finished.stderr, finished.stderr
    lines = finished.stdout.splitlines()
    told = {
        name: [line.partition(": ")[2] for line in lines if line.startswith(f"{file}: ")] for name, file in zip(texts, files, strict=True)
    }
    assert finished.returncode == int(any(not said[0].endswith("no problem") for said in told.values()))
    return told


def every(manifests: Sequence[Manifest], kind: str) -> Iterator[Manifest]:
    yield from (manifest for manifest in manifests if manifest["kind"] == kind)


def only(manifests: Sequence[Manifest], kind: str, name: str = "") -> Manifest:
    """Return the one object of a kind whose name ends so."""
    (found,) = (manifest for manifest in every(manifests, kind) if manifest["metadata"]["name"].endswith(name))
    return found


def proxy(manifests: Sequence[Manifest]) -> Manifest:
    """Return the Deployment or StatefulSet of the proxy."""
    (found,) = (manifest for manifest in workloads(manifests) if component(manifest["spec"]["template"]) == "proxy")
    return found


def workloads(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [*every(manifests, "Deployment"), *every(manifests, "StatefulSet")]


def component(thing: Manifest) -> str:
    return str(thing["metadata"]["labels"]["app.kubernetes.io/component"])


def pod(manifests: Sequence[Manifest]) -> Manifest:
    found: Manifest = proxy(manifests)["spec"]["template"]["spec"]
    return found


def container(manifests: Sequence[Manifest]) -> Manifest:
    (found,) = pod(manifests)["containers"]
    return dict(found)


def configuration(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Return scopegate.yaml, as data."""
    found: dict[str, Any] = yaml.safe_load(only(manifests, "ConfigMap")["data"]["scopegate.yaml"])
    return found
