#!/usr/bin/env bash
# Install the real parts from apt and npm for `make test-parts`: HAProxy, Alertmanager, Chromium, libfaketime and
# oidc-provider.
# Safe to run again. Debian and Ubuntu only; elsewhere install the same programs by hand.
set -euo pipefail
cd "$(dirname "$0")/../.."

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@"
    else
        echo "This needs root for: $*" >&2
        echo "Run it as root, install sudo, or install the packages by hand." >&2
        exit 1
    fi
}

wanted=()
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || wanted+=(haproxy)
command -v prometheus-alertmanager >/dev/null || wanted+=(prometheus-alertmanager)
command -v chromium >/dev/null || wanted+=(chromium)
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || wanted+=(libfaketime)
command -v node >/dev/null || wanted+=(nodejs)
command -v npm >/dev/null || wanted+=(npm)

if [ ${#wanted[@]} -gt 0 ]; then
    echo "apt: installing ${wanted[*]}"
    as_root apt-get -qq update
    # RUNLEVEL=1 keeps the packages' own services from starting; the tests start each program with a config of theirs.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -qq install -y --no-install-recommends -o Dpkg::Use-Pty=0 "${wanted[@]}" </dev/null >/dev/null
fi

# Into a folder that git ignores; the lock holds versions and hashes, no addresses.
mkdir -p .parts
if ! cmp -s tests/parts/package-lock.json .parts/installed-lock.json; then
    echo "npm: installing oidc-provider"
    cp tests/parts/package.json tests/parts/package-lock.json .parts/
    npm ci --prefix .parts --no-audit --no-fund --loglevel=error </dev/null
    cp tests/parts/package-lock.json .parts/installed-lock.json
fi

echo "parts: haproxy, prometheus-alertmanager, chromium, libfaketime, oidc-provider (.parts/node_modules)"
