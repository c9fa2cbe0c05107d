#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a build says when something is missing: cgo, or the C library.
set -euo pipefail
cd "$(dirname "$0")"

# refused WHAT PATTERN COMMAND...: the command fails, and prints the pattern.
refused() {
  local what=$1 pattern=$2 output
  shift 2
  if output=$("$@" 2>&1); then
    echo "$what: the build passed"
    exit 1
  fi
  grep -q -- "$pattern" <<<"$output" || { printf '%s: the build says\n%s\n' "$what" "$output"; exit 1; }
  [ "$(grep -c '^\./' <<<"$output")" -le 1 ] || { printf '%s: more than one error\n%s\n' "$what" "$output"; exit 1; }
}

refused "without cgo" raftcore_needs_cgo env CGO_ENABLED=0 go build .
# Other flags, for go would take the package from its cache without asking pkg-config.
refused "without the library" 'PKG_CONFIG_PATH' \
  env CGO_CFLAGS="-DRAFTCORE_TRY=$$" PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR=/nonexistent go build .

# Linked statically, a program needs no libraftcore.so.
program=$(mktemp)
trap 'rm -f "$program"' EXIT
go test -c -tags raftcore_static -o "$program" .
if ldd "$program" | grep -q libraftcore; then
  echo "the static program needs libraftcore.so"
  exit 1
fi
echo "builds without cgo and without the library are refused with a reason; a static program is whole"
