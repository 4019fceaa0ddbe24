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
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    # shellcheck disable=SC2086 # several words are meant
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "missing; run: sudo apt-get install$missing" >&2
    exit 1
fi
