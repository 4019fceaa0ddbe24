"""Runs a command as a service manager or a container engine would: another user, no capability, a read-only tree, few system calls.

`unshare -m PYTHON confinement.py OPTIONS -- COMMAND…`, as root, on Linux: this file alone, for nothing of the tests may be in the way.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

NOBODY = 65534
EPERM = 1
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | EPERM
EQUAL, MASKED_EQUAL = 4, 7
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, LAST_CAPABILITY = 38, 24, 63
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
PROT_WRITE, PROT_EXEC = 2, 4


class Comparison(ctypes.Structure):
    """libseccomp's `struct scmp_arg_cmp`."""

    _fields_ = (("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("first", ctypes.c_uint64), ("second", ctypes.c_uint64))


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def expose(paths: Iterable[Path]) -> None:
    """Make these folders reachable for everybody, though a folder above them may be root's own."""
    hidden = {path: closed for path in paths if (closed := first_closed(path)) is not None}
    stashes = {path: tempfile.mkdtemp() for path in hidden}
    for path, stash in stashes.items():
        mount("--rbind", str(path), stash)
    for closed in dict.fromkeys(hidden.values()):
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed))
    for path, stash in stashes.items():
        path.mkdir(parents=True, exist_ok=True)
        mount("--rbind", stash, str(path))


def first_closed(path: Path) -> Path | None:
    """Return the topmost folder on the way that not everybody may pass."""
    return next((each for each in [*reversed(path.parents), path] if not each.stat().st_mode & 0o001), None)


def read_only(writable: Iterable[Path]) -> None:
    """Let nothing be written but what is in `writable`."""
    for path in writable:
        mount("--bind", str(path), str(path))
    kept = {str(path) for path in writable}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split()[4]
        if place not in kept and not re.match(r"/(proc|sys|dev)(/|$)", place):
            mount("-o", "remount,bind,ro", place)


def become_nobody(library: ctypes.CDLL) -> None:
    for capability in range(LAST_CAPABILITY + 1):
        library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    assert library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


# --- what a unit says of system calls


def settings_of(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def members(group: str) -> set[str]:
    """Return the system calls of one of systemd's groups."""
    told = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in told.splitlines()[1:]]
    return expand(word for word in words if word and not word.startswith("#"))


def expand(words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        found |= members(word) if word.startswith("@") else {word}
    return found


def allowed_calls(unit: Path) -> set[str]:
    allowed: set[str] = set()
    for line in settings_of(unit, "SystemCallFilter"):
        words = expand(line.removeprefix("~").split())
        allowed = allowed - words if line.startswith("~") else allowed | words
    return allowed


class Filter:
    """One filter of system calls, by libseccomp."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(otherwise))

    def add(self, call: str, action: int, *comparisons: Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:  # of another architecture
            return
        array = (Comparison * len(comparisons))(*comparisons)
        assert self._library.seccomp_rule_add_array(self._context, action, number, len(comparisons), array) == 0, call

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def refuse_writable_code() -> None:
    """MemoryDenyWriteExecute=, as systemd.exec(5) describes it."""
    filter_ = Filter(ALLOW)
    both = PROT_WRITE | PROT_EXEC
    filter_.add("mmap", REFUSE, Comparison(2, MASKED_EQUAL, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        filter_.add(call, REFUSE, Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
    filter_.load()


def allow_calls(calls: set[str], families: list[str]) -> None:
    filter_ = Filter(REFUSE)
    for call in sorted(calls - {"socket"}):
        filter_.add(call, ALLOW)
    for family in families:
        filter_.add("socket", ALLOW, Comparison(0, EQUAL, FAMILIES[family], 0))
    filter_.load()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--visible", type=Path, action="append", default=[])
    parser.add_argument("--writable", type=Path, action="append", default=[])
    parser.add_argument("--unit", type=Path)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    calls, families = set[str](), [""]
    if given.unit is not None:
        calls, families = allowed_calls(given.unit), settings_of(given.unit, "RestrictAddressFamilies")[0].split()
    for path in given.writable:
        os.chown(path, NOBODY, NOBODY)
    expose(given.visible)
    read_only(given.writable)
    become_nobody(ctypes.CDLL(None, use_errno=True))
    if given.unit is not None:
        refuse_writable_code()
        allow_calls(calls, families)
    os.execv(given.command[0], given.command)


if __name__ == "__main__":
    main()
