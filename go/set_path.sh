#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Gives the module another path: go/set_path.sh github.com/you/raftcore/go [DIRECTORY]. It is in go.mod, and repeated only
# in the imports of the example programs.
set -euo pipefail
new=${1:?"usage: set_path.sh PATH [DIRECTORY]"}
cd "${2:-$(dirname "$0")}"
old=$(go list -m)
go mod edit -module "$new"
grep -rlF --include='*.go' "\"$old" . | xargs --no-run-if-empty sed -i "s#\"$old\([\"/]\)#\"$new\1#g"
