#!/usr/bin/env bash
# Check that the files of go.etcd.io/raft that stay compile against seam.go.in, for the versions given (default: both served).
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
replaced="bootstrap.go log.go log_unstable.go raft.go rawnode.go read_only.go state_trace.go state_trace_nop.go"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ $# -gt 0 ] || set -- v3.6.0 v3.7.0
for version; do
	cd "$scratch"
	module=$(go mod download -json "go.etcd.io/raft/v3@$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
	cp -r "$module" "$version"
	chmod -R u+w "$version"
	cd "$version"
	rm $replaced # fails if a version has other files
	case $version in
	v3.6.*) pointer='' ;;
	*) pointer='*' ;;
	esac
	sed "s/@/$pointer/g" "$here/seam.go.in" >seam.go
	go build -gcflags=-e .
	echo "$version: the files that stay compile"
done
