// SPDX-License-Identifier: Apache-2.0

//go:build go1.24

package raftcore

// These functions keep no pointer into memory of Go's beyond the call, and call neither a storage nor an observer: none
// of them is about a node, whose refused calls an observer may hear of. Older versions of Go do not know the directives.

/*
#include "bridge.h"

#cgo noescape raft_entries_fitting
#cgo noescape raft_entry_encoded_len
#cgo noescape raftcore_go_push_entry
#cgo nocallback raft_abi_version
#cgo nocallback raft_entries_fitting
#cgo nocallback raft_entry_encoded_len
#cgo nocallback raft_status_message
#cgo nocallback raft_version
#cgo nocallback raftcore_go_block
#cgo nocallback raftcore_go_push_entry
*/
import "C"
