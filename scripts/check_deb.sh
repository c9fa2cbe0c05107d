#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks Debian packages of raftcore: what is in them, and that they live beside Debian's libraft-dev and its library.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
Usage: scripts/check_deb.sh [DIRECTORY]

Checks libraftcore0_*.deb, libraftcore-dev_*.deb and libraftcore0-dbgsym_*.deb in DIRECTORY (default: build/deb):
  - the files that they should have are in them; lintian, where it is installed, finds nothing to warn of
  - they unpack into one file tree together with Debian's libraft-dev and the library that it is for
    (apt-get downloads those; needs fakeroot, not root)
  - in a throw-away Debian made by mmdebstrap, both are installed by apt, and programs that use either library are built
    and run. Needs root, mmdebstrap and the network; where it cannot be done, this says so.

Nothing is installed on this machine.
TEXT
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
directory=$(realpath "${1:-build/deb}")

say() { printf 'check_deb: %s\n' "$*"; }
fail() { printf 'check_deb: %s\n' "$*" >&2; exit 1; }
has_command() { command -v "$1" >/dev/null 2>&1; }

shopt -s nullglob
packages=("$directory"/libraftcore0_*.deb "$directory"/libraftcore-dev_*.deb "$directory"/libraftcore0-dbgsym_*.deb)
[ "${#packages[@]}" -eq 3 ] || fail "expected three packages in $directory: run make deb"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# --- What is in them -------------------------------------------------------------------------------------------------

check_contents() {
  local package=$1 path
  shift
  dpkg-deb --fsys-tarfile "$package" | tar -t | sed 's|^\./|/|' >"$work/contents"
  for path in "$@"; do
    grep -Eq "^$path$" "$work/contents" || fail "$(basename "$package") has no $path"
  done
}

lib='/usr/lib/[a-z0-9_-]+'
check_contents "${packages[0]}" "$lib/libraftcore\.so\.0" "$lib/libraftcore\.so\.0\.[0-9.]+" \
  /usr/share/doc/libraftcore0/copyright
! grep -Eq '/include/|\.so$|\.a$' "$work/contents" || fail "the library's package has development files"
check_contents "${packages[1]}" "$lib/libraftcore\.so" "$lib/libraftcore\.a" /usr/include/raftcore\.h \
  /usr/include/raftcore\.hpp /usr/include/raftcore/node\.hpp "$lib/pkgconfig/raftcore\.pc" "$lib/pkgconfig/raftcore-shared\.pc" \
  "$lib/cmake/raftcore/raftcoreConfig\.cmake"
check_contents "${packages[2]}" '/usr/lib/debug/\.build-id/[0-9a-f]{2}/[0-9a-f]+\.debug'
dpkg-deb --field "${packages[0]}" Depends | grep -q libc6 || fail "libraftcore0 does not depend on libc6"

if has_command lintian; then
  # The maintainer is whoever DEBFULLNAME and DEBEMAIL name; nobody has asked Debian to take the package.
  lintian --fail-on error,warning --tag-display-limit 0 --allow-root \
    --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs "${packages[@]}"
  say "lintian finds nothing"
else
  say "lintian is not installed: not tried"
fi

# --- Beside libraft-dev ----------------------------------------------------------------------------------------------

has_command apt-get || fail "no apt-get here: libraft-dev cannot be downloaded"
# Debian has renamed the library's package with its ABI: libraft-dev knows the name.
library=$(apt-cache depends --important libraft-dev | sed -n 's/^ *Depends: \(libraft[0-9][^ ]*\)$/\1/p')
[ -n "$library" ] || fail "apt knows no libraft-dev: apt-get update"
(cd "$work" && mkdir theirs && cd theirs && apt-get download -q "$library" libraft-dev >../download.log 2>&1) ||
  fail "$library and libraft-dev cannot be downloaded: $(tail -n 1 "$work/download.log")"
has_command fakeroot || fail "fakeroot is missing: apt-get install fakeroot"
mkdir -p "$work/root/var/lib/dpkg"/{info,updates,triggers} "$work/root/etc"
touch "$work/root/var/lib/dpkg/status"
# dpkg refuses to unpack a file that another package has.
fakeroot dpkg --root="$work/root" --force-not-root --force-depends --force-bad-path --no-triggers \
  --log=/dev/null --unpack "$work"/theirs/*.deb "${packages[@]}" >"$work/unpack.log" 2>&1 ||
  { cat "$work/unpack.log" >&2; fail "the packages cannot be unpacked beside libraft-dev"; }
say "unpacked beside $library and libraft-dev"

# --- In a system of its own ------------------------------------------------------------------------------------------

if ! has_command mmdebstrap || [ "$(id -u)" -ne 0 ]; then
  say "not tried: installing both in a throw-away Debian (needs root and mmdebstrap)"
  exit 0
fi

cp "${packages[@]}" ffi/tests/c/consumer/main.c ffi/tests/c/consumer/main.cc "$work/"
cat >"$work/raft.c" <<'C'
#include <raft.h>
#include <stdio.h>
int main(void) { return puts(raft_strerror(RAFT_NOMEM)) < 0; }
C
cat >"$work/both.sh" <<'SH'
set -eux
cd /tmp/check
apt-get install -y --no-install-recommends ./libraftcore0_*.deb ./libraftcore-dev_*.deb ./libraftcore0-dbgsym_*.deb
dpkg --status libraft-dev libraftcore-dev | grep -c '^Status: install ok installed' | grep -qx 2
dpkg --verify libraftcore0 libraftcore-dev libraftcore0-dbgsym
cc raft.c -o raft -lraft && ./raft
cc main.c -o c $(pkg-config --cflags --libs raftcore) && ./c
c++ -std=c++17 main.cc -o cxx $(pkg-config --cflags --libs raftcore) && ./cxx
cc main.c -o whole $(pkg-config --cflags --libs --static raftcore) -static && ./whole
apt-get remove -y libraft-dev && ./c
apt-get purge -y libraftcore0-dbgsym libraftcore-dev libraftcore0
test ! -e /usr/include/raftcore.h
SH
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
say "making a throw-away $suite (about a minute)"
mmdebstrap --quiet --variant=apt --include=libraft-dev,g++,libc6-dev,pkg-config \
  --customize-hook='mkdir -p "$1/tmp/check"' \
  --customize-hook="cp $work/*.deb $work/*.c $work/*.cc $work/both.sh \"\$1/tmp/check/\"" \
  --customize-hook='chroot "$1" sh /tmp/check/both.sh' \
  "$suite" "$work/system.tar" >"$work/system.log" 2>&1 || { tail -n 40 "$work/system.log" >&2; fail "see above"; }
say "installed beside libraft-dev in a throw-away $suite, used, and removed"
