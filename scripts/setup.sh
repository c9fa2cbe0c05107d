#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing needs and is not there: Debian packages, Rust, a Python environment in .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
Usage: scripts/setup.sh [--check | --browser | --docs | --deb | --bench]

Installs what is missing, and says what it installs:
  - Debian or Ubuntu packages (apt-get, with sudo unless you are root)
  - Rust, through rustup's official installer, if there is no cargo that is new enough
  - .venv, a Python environment with the packages of python/requirements-dev.txt and scripts/requirements.txt

When nothing is missing it does nothing, needs no network and no root.

  --check   only say what is missing; exit 1 if something is
  --browser also what the test of the simulator's page needs: chromium (400 MB), and playwright in .venv
  --docs    also what make docs needs: doxygen, and pdoc in .venv
  --deb     also what make deb needs: dpkg-dev, lintian, fakeroot and mmdebstrap
  --bench   also what make bench needs: protobuf-compiler, and matplotlib in .venv
TEXT
}

check_only=false
browser=false
docs=false
deb=false
bench=false
case "${1:-}" in
  "") ;;
  --check) check_only=true ;;
  --browser) browser=true ;;
  --docs) docs=true ;;
  --deb) deb=true ;;
  --bench) bench=true ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- Debian packages -------------------------------------------------------------------------------------------------

has_command() { command -v "$1" >/dev/null 2>&1; }
has_header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }
has_debug_symbols() { [ -d /usr/lib/debug/.build-id ]; }

# Each line: the package, and how to see that what it brings is there (whoever installed it).
packages() {
  cat <<'TABLE'
gcc             has_command gcc
g++             has_command g++
clang           has_command clang
cmake           has_command cmake
ninja-build     has_command ninja
pkg-config      has_command pkg-config
librocksdb-dev  has_header rocksdb/db.h
libssl-dev      has_header openssl/hmac.h
libasio-dev     has_header asio.hpp
libcli11-dev    has_header CLI/CLI.hpp
libgtest-dev    has_header gtest/gtest.h
redis-tools     has_command redis-cli
valgrind        has_command valgrind
libc6-dbg       has_debug_symbols
abigail-tools   has_command abidiff
python3-venv    has_python
curl            has_command curl
ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
TABLE
}

# A Python of at least 3.11 that can make environments.
find_python() {
  local candidate
  for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}
has_python() { find_python >/dev/null; }

missing_packages() {
  local package check
  while read -r package check; do
    $check || printf '%s\n' "$package"
  done < <(packages)
}

install_packages() {
  local as_root=()
  has_command apt-get || fail "no apt-get here; install what these Debian packages bring, then try again: $*"
  if [ "$(id -u)" -ne 0 ]; then
    has_command sudo || fail "run this as root, then try again: apt-get install -y --no-install-recommends $*"
    as_root=(sudo)
  fi
  say "installing with apt-get: $*"
  local options=(-q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
  "${as_root[@]}" apt-get "${options[@]}" update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get "${options[@]}" install -y --no-install-recommends "$@"
}

# --- Rust ------------------------------------------------------------------------------------------------------------

install_rust() {
  if has_command rustup; then
    say "installing Rust $RAFTCORE_RUST_TOOLCHAIN with rustup (your default toolchain stays)"
  else
    say "installing Rust $RAFTCORE_RUST_TOOLCHAIN with rustup's official installer into ${CARGO_HOME:-$HOME/.cargo}"
    run_rustup_installer
  fi
  rustup toolchain install "$RAFTCORE_RUST_TOOLCHAIN" --profile minimal --component clippy --component rustfmt
}

# The second address is where Rust's own release server keeps the same script.
run_rustup_installer() {
  local script url
  script=$(mktemp)
  for url in https://sh.rustup.rs https://static.rust-lang.org/rustup/rustup-init.sh; do
    if curl --proto '=https' --tlsv1.2 --retry 3 -fsSL "$url" -o "$script"; then
      RUSTUP_INIT_SKIP_PATH_CHECK=yes sh "$script" -y -q --no-modify-path --profile minimal --default-toolchain none
      rm -f "$script"
      return 0
    fi
  done
  rm -f "$script"
  fail "rustup's installer cannot be fetched; install Rust $(raftcore_required_rust) or newer yourself, then try again"
}

# --- Python ----------------------------------------------------------------------------------------------------------

requirements=(python/requirements-dev.txt scripts/requirements.txt)
installed_mark=.venv/installed-requirements.txt

python_is_ready() {
  [ -x .venv/bin/python ] && cat "${requirements[@]}" | cmp -s - "$installed_mark"
}

install_python() {
  local python
  python=$(find_python) || fail "no Python of at least 3.11 with the venv module"
  if ! .venv/bin/python -c '' 2>/dev/null; then
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  say "installing into .venv what ${requirements[*]} list"
  .venv/bin/python -m pip install -q --disable-pip-version-check "${requirements[@]/#/--requirement=}"
  cat "${requirements[@]}" >"$installed_mark"
}

# --- All of it -------------------------------------------------------------------------------------------------------

mapfile -t missing < <(missing_packages)
if $browser && ! has_command chromium; then missing+=(chromium); fi
if $docs && ! has_command doxygen; then missing+=(doxygen); fi
if $deb; then
  if ! has_command dpkg-shlibdeps; then missing+=(dpkg-dev); fi
  for command in lintian fakeroot mmdebstrap; do
    has_command "$command" || missing+=("$command")
  done
fi
if $bench && ! has_command protoc; then missing+=(protobuf-compiler); fi
# shellcheck source=scripts/env.sh
. scripts/env.sh

if $check_only; then
  complete=true
  if [ "${#missing[@]}" -gt 0 ]; then say "missing Debian packages: ${missing[*]}"; complete=false; fi
  if ! raftcore_rust_is_new_enough; then say "missing: Rust $(raftcore_required_rust) or newer"; complete=false; fi
  if ! python_is_ready; then say "missing: .venv with what ${requirements[*]} list"; complete=false; fi
  $complete && say "nothing is missing"
  exit
fi

if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
if ! raftcore_rust_is_new_enough; then install_rust; fi
if ! python_is_ready; then install_python; fi
if $browser; then .venv/bin/python -m pip install -q --disable-pip-version-check -r testkit/view_tests/requirements.txt; fi
if $docs; then .venv/bin/python -m pip install -q --disable-pip-version-check -r docs/site/requirements.txt; fi
if $bench; then .venv/bin/python -m pip install -q --disable-pip-version-check -r scripts/requirements-bench.txt; fi
