"""What reads cost: counted in the page faults of a process of its own, because it is told to a whole process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.process.allocation import keep_reads_on_the_heap

ROOT = Path(__file__).parents[3]
READS = 1000
READING = f"""
import resource, socket
from proxy.process.allocation import keep_reads_on_the_heap
assert keep_reads_on_the_heap()
one, other = socket.socketpair()
def read():
    one.send(b"x")
    return other.recv(262144)
read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({READS}):
    read()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def has_glibc() -> bool:
    return "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}) and bool(os.confstr("CS_GNU_LIBC_VERSION"))


@pytest.mark.skipif(not has_glibc(), reason="only glibc can be told how to take memory")
def test_a_large_read_maps_no_memory_of_its_own() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    ran = subprocess.run([sys.executable, "-c", READING], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < READS // 10


@pytest.mark.skipif(has_glibc(), reason="with glibc there is something to tell")
def test_another_c_library_is_left_alone() -> None:
    assert not keep_reads_on_the_heap()
