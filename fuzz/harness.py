"""One target under atheris: `python -m fuzz.harness TARGET [libFuzzer options, folders or files]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["proxy"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name].take)
    atheris.Fuzz()
