#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a user does: `go get` of a tagged version from a module proxy, a program, and one of the examples by `go install`.
# The proxy is a folder that is made of a tag go/vX in a repository of its own; the module has another path there.
set -euo pipefail
cd "$(dirname "$0")"
module=example.org/raftcore/go version=v0.1.0
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

mkdir "$work/repository"
cp -r . "$work/repository/go"
./set_path.sh "$module" "$work/repository/go"
if grep -rn 'raftcore\.example' "$work/repository/go" --include='*.go' --include=go.mod; then
  echo "the old path is left"
  exit 1
fi
git() { command git -C "$work/repository" -c user.name=check -c user.email=check@example.org "$@"; }
git init --quiet
git add go
git commit --quiet --message "A version"
git tag "go/$version"

proxy=$work/proxy/$module/@v
mkdir -p "$proxy"
echo "$version" >"$proxy/list"
echo "{\"Version\": \"$version\"}" >"$proxy/$version.info"
git show "go/$version:go/go.mod" >"$proxy/$version.mod"
git archive --format=zip --prefix="$module@$version/" --output="$proxy/$version.zip" "go/$version:go"

export GOPROXY=file://$work/proxy GONOSUMDB=example.org GONOSUMCHECK=1 GOFLAGS=-modcacherw GOMODCACHE=$work/cache GOBIN=$work/bin
mkdir "$work/program"
cd "$work/program"
cat >main.go <<END
package main

import (
	"fmt"

	raftcore "$module"
)

func main() {
	node, err := raftcore.NewInMemory(raftcore.DefaultConfig(1), raftcore.ConfState{Voters: []uint64{1}})
	if err != nil {
		panic(err)
	}
	defer node.Close()
	fmt.Println("raftcore", raftcore.Version(), "on node", node.ID())
}
END
go mod init example.org/program 2>/dev/null
go get "$module@$version" 2>/dev/null
go run -tags raftcore_static .
go install -tags raftcore_static "$module/examples/three@$version"
"$work/bin/three" | tail -1
