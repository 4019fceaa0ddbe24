#!/bin/sh
# Installs from Debian what the measurement needs and pip cannot bring; says what is missing where it may not.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; } # need COMMAND PACKAGE
need nginx nginx
need haproxy haproxy
need wrk wrk
need h2load nghttp2-client
need taskset util-linux
need gcc gcc
# What makes virtual environments and extension modules for the system's Python, where that is the one to be measured.
if [ -x /usr/bin/python3 ]; then
    /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
    /usr/bin/python3 -c 'import pathlib, sysconfig; assert pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()' 2>/dev/null || missing="$missing python3-dev"
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    # shellcheck disable=SC2086 # several words are meant
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "missing; run: sudo apt-get install$missing" >&2
    exit 1
fi
