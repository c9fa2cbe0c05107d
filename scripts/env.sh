# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the Makefile and by the scripts beside it, from the top of the repository: finds a Rust that is new enough
# and the Python environment that setup.sh made. Changes only this process' environment.

# The toolchain that setup.sh installs where Rust is absent or too old. The oldest that works is Cargo.toml's rust-version.
RAFTCORE_RUST_TOOLCHAIN=1.95.0

raftcore_required_rust() {
  sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1
}

# True if the `cargo` that would run now is at least as new as Cargo.toml asks.
raftcore_rust_is_new_enough() {
  local have need
  have=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  need=$(raftcore_required_rust)
  [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$need" "${have%%-*}" | sort -V | head -n 1)" = "$need" ]
}

if ! raftcore_rust_is_new_enough; then
  PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  if ! raftcore_rust_is_new_enough; then
    RUSTUP_TOOLCHAIN=$RAFTCORE_RUST_TOOLCHAIN
    export RUSTUP_TOOLCHAIN
  fi
fi

if [ -d .venv/bin ]; then
  VIRTUAL_ENV=$PWD/.venv
  PATH="$VIRTUAL_ENV/bin:$PATH"
  export VIRTUAL_ENV
fi
export PATH
