#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the C interface's tests in Rust under Miri, both sides of the boundary, and sees to it that Miri stops a bug
# that is planted for it. Where no toolchain has Miri it says so, and is content.
#   scripts/miri.sh [ARGUMENTS FOR cargo miri test, for example: --test views]
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '3,5s/^# *//p' "$0"; exit ;; esac
cd "$(dirname "$0")/.."
# shellcheck source=scripts/env.sh
. scripts/env.sh

for toolchain in "" +nightly; do
  if cargo ${toolchain:+"$toolchain"} miri --version >/dev/null 2>&1; then
    found=yes
    break
  fi
done
if [ -z "${found:-}" ]; then
  echo "Miri is not installed (rustup +nightly component add miri): not run"
  exit
fi

run() { cargo ${toolchain:+"$toolchain"} miri test --locked -p raftcore-ffi "$@"; }

run "$@"
if said=$(run --test planted -- --ignored 2>&1); then
  echo "miri: the planted bug was not found" >&2
  exit 1
fi
if ! grep -q "Undefined Behavior" <<<"$said"; then
  printf '%s\nmiri: the planted bug failed for another reason\n' "$said" >&2
  exit 1
fi
echo "miri: the planted bug was found"
