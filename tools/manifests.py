"""Check Kubernetes manifests against the real schemas, fields that do not exist included (run by the tests; see `make kubernetes`).

    python tools/manifests.py VERSION,VERSION FILE...

Kubernetes' own objects: the schemas of its API, in the package kubernetes-validate. ServiceMonitor and PrometheusRule: models that are
generated from the definitions of the Prometheus operator. Prints a line per problem, and one for each file
without any. Exit codes: 0 none, 1 some.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jsonschema
import yaml
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor
from pydantic import ValidationError
from referencing import Registry, Resource

Manifest = Mapping[str, Any]

FINE: Final = "no problem"
CUSTOM: Final[Mapping[tuple[str, str], Any]] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ServiceMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PrometheusRule,
}


def main(versions: Sequence[str], files: Sequence[str]) -> int:
    """Print what is wrong with the manifests in `files`; return the exit code."""
    found = {file: _told(Path(file).read_text(), versions) for file in files}
    for file, lines in found.items():
        print("\n".join(f"{file}: {line}" for line in lines))
    return 0 if all(lines[0].endswith(FINE) for lines in found.values()) else 1


def _told(text: str, versions: Sequence[str]) -> list[str]:
    manifests = [manifest for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest is not None]
    if not manifests:
        return ["there are no manifests"]
    return [line for manifest in manifests for line in problems(manifest, versions)] or [f"{len(manifests)} manifests, {FINE}"]


def problems(manifest: Manifest, versions: Sequence[str]) -> Iterator[str]:
    """Yield a line for each problem of one manifest."""
    group, kind = str(manifest.get("apiVersion")), str(manifest.get("kind"))
    name = f"{kind} {manifest.get('metadata', {}).get('name')}"
    model = CUSTOM.get((group, kind))
    if model is not None:
        yield from (f"{name}: {problem}" for problem in _custom(manifest, model))
        return
    for version in versions:
        yield from (f"{name} (Kubernetes {version}): {problem}" for problem in _own(manifest, group, kind, version))


def _custom(manifest: Manifest, model: Any) -> Iterator[str]:
    """A model leaves out what it does not know, so what it understood must be what was written."""
    try:
        understood = model.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValidationError as error:
        yield from (f"{_path(item['loc'])}: {item['msg']}" for item in error.errors())
        return
    yield from _differences(manifest, understood, ())


def _differences(written: Any, understood: Any, path: tuple[object, ...]) -> Iterator[str]:
    if isinstance(written, Mapping) and isinstance(understood, Mapping):
        for key, value in written.items():
            if key in understood:
                yield from _differences(value, understood[key], (*path, key))
            else:
                yield f"{_path((*path, key))}: there is no such field"
    elif isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        for index, (one, other) in enumerate(zip(written, understood, strict=True)):
            yield from _differences(one, other, (*path, index))
    elif written != understood or type(written) is not type(understood):
        yield f"{_path(path)}: {written!r} would be taken for {understood!r}"


def _own(manifest: Manifest, group: str, kind: str, version: str) -> Iterator[str]:
    validator = _validator(version, f"{kind.lower()}-{_short(group)}.json")
    if validator is None:
        yield f"there is no {kind} in {group}"
        return
    yield from (f"{_path(tuple(error.absolute_path))}: {error.message}" for error in validator.iter_errors(manifest))


def _short(group: str) -> str:
    """Return a group and version as the files of schemas name them: `networking.k8s.io/v1` is `networking-v1`."""
    name, slash, version = group.partition("/")
    return f"{name.partition('.')[0]}-{version}" if slash else name


@cache
def _validator(version: str, file: str) -> Any:
    """Return what checks one kind of object; None where that version of Kubernetes has no such kind."""
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    if not (folder / file).is_file():
        return None
    schema = json.loads((folder / file).read_text())
    return jsonschema.Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


@cache
def _definitions(version: str) -> Any:
    text = (resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict/_definitions.json").read_text()
    return Resource.from_contents(json.loads(text)) @ Registry()


def _path(parts: Sequence[object]) -> str:
    return ".".join(str(part) for part in parts) or "(the whole)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), sys.argv[2:]))
