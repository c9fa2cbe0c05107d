#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what `make bench-kvd` compares kvd with, and what draws its plot. Run setup.sh first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "Usage: scripts/setup_bench.sh"
  echo "Installs Debian's etcd-server, redis-server and redis-tools, and matplotlib into .venv; builds the load for etcd"
  echo "(build/etcd-load; needs Go). What is there stays as it is. Services that the packages bring are not enabled."
  exit 0
fi

say() { printf 'setup-bench: %s\n' "$*"; }

missing=()
command -v etcd >/dev/null || missing+=(etcd-server)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v redis-cli >/dev/null || missing+=(redis-tools)
if ((${#missing[@]})); then
  say "installing ${missing[*]}"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  # Their services would take ports and disk time: the benchmark starts servers of its own.
  "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi
. scripts/env.sh
python -m pip install --quiet --disable-pip-version-check --requirement scripts/requirements-bench.txt
if command -v go >/dev/null; then
  mkdir -p build
  say "building the load for etcd"
  (cd bench/etcd-load && go build -o ../../build/etcd-load .)
else
  say "Go is not installed: etcd will be left out"
fi
