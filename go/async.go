// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Ack is the notice that storage work is done. It comes with a Ready and goes back with Node.Acknowledge. It refers
// to nothing: keep it as long as you like, and hand it to another goroutine.
type Ack struct{ raw C.raft_ack }

// Acknowledge hands back notices of work that is done, with Config.AsyncStorageWrites: StorageAcks when what a Ready
// wanted stored is durable, ApplyAcks when its CommittedEntries are applied, each kind in the order in which it was
// handed out. All are taken; the error is the first one. ErrPeerNotFound is no mistake: the node is no member any
// more, and what it stored does not count.
func (n *Node) Acknowledge(acks ...Ack) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("Acknowledge",
		C.raft_acknowledge(n.node, (*C.raft_ack)(unsafe.Pointer(unsafe.SliceData(acks))), C.size_t(len(acks))))
}

// Release ends a Ready with Config.AsyncStorageWrites when its work is done. Its notices may go back later. Release
// each one, also after Close.
func (r *Ready) Release() {
	if r.view == nil {
		return
	}
	C.raft_ready_free(r.view)
	r.view = nil
	if r.borrowed {
		r.reset()
	}
}

// SnapshotBuffer is a snapshot in memory of the library's. Close it when it is of no more use.
type SnapshotBuffer struct{ raw *C.raft_snapshot_buffer }

// SnapshotMessage is a snapshot to be sent to a peer, with Config.LendSnapshots. Bring Message and the snapshot's
// data to the peer, the data by whatever way suits it, and call Node.StepSnapshot there. Report its fate with
// Node.ReportSnapshot.
type SnapshotMessage struct {
	// To is the node that gets it.
	To uint64
	// Message is the message without the snapshot's data.
	Message []byte
	// Snapshot is the snapshot. It outlives the Ready; close it.
	Snapshot *SnapshotBuffer
}

// fillSnapshots makes the Ready an owner of the snapshots that are lent.
func (r *Ready) fillSnapshots(view *C.raft_ready_view) {
	if view.snapshot_messages_len == 0 {
		return
	}
	for _, message := range unsafe.Slice(view.snapshot_messages, int(view.snapshot_messages_len)) {
		r.SnapshotMessages = append(r.SnapshotMessages, SnapshotMessage{
			To:       uint64(message.to),
			Message:  bytesOf(message.message),
			Snapshot: share(message.snapshot),
		})
	}
}

// share makes a further owner of a snapshot, without copying its data.
func share(of *C.raft_snapshot_buffer) *SnapshotBuffer {
	buffer := &SnapshotBuffer{}
	if C.raft_snapshot_buffer_share(of, &buffer.raw) != C.RAFT_OK {
		return nil
	}
	runtime.SetFinalizer(buffer, (*SnapshotBuffer).Close)
	return buffer
}

// Snapshot shows the snapshot. Its Data is the library's memory: it may be read until Close, and never changed.
func (b *SnapshotBuffer) Snapshot() Snapshot {
	var view C.raft_snapshot
	if b.raw == nil || C.raft_snapshot_buffer_view(b.raw, &view) != C.RAFT_OK {
		return Snapshot{}
	}
	return Snapshot{
		Term:      uint64(view.term),
		Index:     uint64(view.index),
		ConfState: confStateOf(&view.conf_state),
		Data:      lent(view.data),
	}
}

// Close gives the snapshot up. Closing twice is allowed.
func (b *SnapshotBuffer) Close() {
	C.raft_snapshot_buffer_free(b.raw)
	b.raw = nil
	runtime.SetFinalizer(b, nil)
}

// StepSnapshot hands over a snapshot from a leader whose host has Config.LendSnapshots: the Message of a
// SnapshotMessage, and the snapshot's data, which is copied once. Otherwise as Step.
func (n *Node) StepSnapshot(message, data []byte) error {
	if !n.enter() {
		return ErrClosed
	}
	bytes, size := pointerTo(message)
	content, length := pointerTo(data)
	return n.done("StepSnapshot", C.raftcore_go_step_snapshot(n.node, bytes, size, content, length))
}

// MemorySnapshot makes a snapshot in a node of NewInMemory: the state after it has applied entry index.
func (n *Node) MemorySnapshot(index uint64, data []byte) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("MemorySnapshot", C.raft_memory_snapshot(n.node, C.uint64_t(index), sliceOf(data)))
}

// MemoryCompact forgets the log up to and including index in a node of NewInMemory. Its last snapshot covers it.
func (n *Node) MemoryCompact(index uint64) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("MemoryCompact", C.raft_memory_compact(n.node, C.uint64_t(index)))
}
