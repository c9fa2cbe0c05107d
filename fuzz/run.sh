#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets with cargo-fuzz on stable Rust.
set -euo pipefail

readonly VERSION=0.13.2
readonly TARGETS=(step_bytes inputs entries_decode simulation)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

usage() {
  cat <<EOF
Usage: fuzz/run.sh [--seconds N] [TARGET...]

Runs fuzz targets (${TARGETS[*]}; default: all) for N seconds in total
(default 30), building them first. Installs cargo-fuzz $VERSION if it is missing.

What is found on the way stays in fuzz/libfuzzer/corpus, where the next run goes on;
inputs that fail are in fuzz/libfuzzer/artifacts. Exit status 1 if there is one.
EOF
}

fail() {
  echo "run.sh: $1" >&2
  exit 2
}

seconds=30
chosen=()
while (($#)); do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --seconds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--seconds needs a number of at least 1"
      seconds=$2
      shift
      ;;
    -*) fail "unknown option $1; see --help" ;;
    *)
      [[ " ${TARGETS[*]} " == *" $1 "* ]] || fail "no target $1; there are ${TARGETS[*]}"
      chosen+=("$1")
      ;;
  esac
  shift
done
((${#chosen[@]})) || chosen=("${TARGETS[@]}")
each=$((seconds / ${#chosen[@]}))
((each)) || each=1

cd "$here/.."
# shellcheck source=scripts/env.sh
. scripts/env.sh
# The sanitizer needs flags that stable Rust keeps to itself unless told otherwise.
export RUSTC_BOOTSTRAP=1

if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "cargo-fuzz is missing: installing version $VERSION (takes a minute or two)"
  cargo install cargo-fuzz --locked --version "$VERSION"
fi
for target in "${chosen[@]}"; do
  echo "building $target"
  cargo fuzz build --fuzz-dir fuzz/libfuzzer "$target" 2>&1 | tail -n 20
done

shopt -s nullglob
scripts=(testkit/testdata/interaction/*.txt ../shared/etcd-interaction/{testdata,generated}/*.txt)
echo "making seeds from ${#scripts[@]} interaction scripts"
cargo run --quiet --release -p raftcore-fuzz --bin seeds -- fuzz/libfuzzer/corpus "${scripts[@]}"

failed=0
for target in "${chosen[@]}"; do
  echo "running $target for $each s"
  corpus=fuzz/libfuzzer/corpus/$target
  artifacts=fuzz/libfuzzer/artifacts/$target
  log=fuzz/libfuzzer/artifacts/$target.log
  mkdir -p "$corpus" "$artifacts"
  started=$artifacts/.started
  touch "$started"
  if cargo fuzz run --fuzz-dir fuzz/libfuzzer "$target" "$corpus" "fuzz/seeds/$target" -- \
    -max_total_time="$each" -max_len=4096 -timeout=20 -rss_limit_mb=2048 >"$log" 2>&1; then
    grep -E '^Done ' "$log"
    continue
  fi
  failed=1
  grep -E 'panicked at|ERROR: |SUMMARY: ' -A 1 "$log" | head -n 20 || tail -n 20 "$log"
  echo "$target failed; the whole output: $log"
  while read -r input; do
    echo "  input:   $input"
    echo "  replay:  cargo run -p raftcore-fuzz --bin replay -- $target $input"
  done < <(find "$artifacts" -type f -newer "$started" ! -name .started)
done
exit "$failed"
