// SPDX-License-Identifier: Apache-2.0

// Package raftcore is the Raft consensus protocol for Go hosts, on top of libraftcore.
//
// A [Node] is one member of a Raft group. It opens no file and no socket, reads no clock and starts
// no goroutine. The host makes it from a [Storage] that the node reads, tells it what happens
// ([Node.Tick], [Node.Step], [Node.Propose]), and does the work that it asks for:
//
//	for {
//		ready, err := node.Ready()
//		if err != nil || ready == nil {
//			break // nothing to do
//		}
//		// 1. Store ready.Snapshot, ready.Entries and ready.HardState, durably if ready.MustSync.
//		// 2. Send ready.Messages: their Bytes, to the node Message.To, for its Step.
//		// 3. Apply ready.Snapshot, then ready.CommittedEntries; at each one that changes the
//		//    membership call Node.ApplyConfChange.
//		// 4. Serve the reads in ready.ReadStates.
//		err = node.Advance(ready)
//	}
//
// A [Runner] is this loop with what most hosts need besides. What the package hands out is memory of Go's, and may be
// kept, but for what [Node.ReadyInto], [Node.AdvanceInto] and a [SnapshotBuffer] lend. A node holds memory outside of
// Go, and must be closed.
//
// The messages are those of etcd/raft, byte for byte, so that both can work in one group.
package raftcore

// #include "bridge.h"
import "C"

import "fmt"

// Version returns the version of libraftcore, such as "0.1.0".
func Version() string {
	return C.GoString(C.raft_version())
}

// abiVersion asks the library for the version of its interface; nothing is cheaper to call.
func abiVersion() uint32 { return uint32(C.raft_abi_version()) }

// A library older than the header that the package was compiled with lacks functions, or has them in another form.
func init() {
	major, minor := abiVersion()>>16, abiVersion()&0xffff
	if major != C.RAFT_ABI_MAJOR || minor < C.RAFT_ABI_MINOR {
		panic(fmt.Sprintf("raftcore: the library has ABI %d.%d, and the program was built for %d.%d: install one version of both",
			major, minor, C.RAFT_ABI_MAJOR, C.RAFT_ABI_MINOR))
	}
}
